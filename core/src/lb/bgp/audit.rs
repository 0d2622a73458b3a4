//! What must be true of BGP's records in any state, whoever made it.

use crate::cluster::Cluster;
use crate::ipam::{Finding, Severity};
use crate::reason::Reason;

/// Every advertisement that names a peer which is not there: deleting one that is named is refused. What pools and nodes may
/// change is no defect; conditions say it.
pub(in crate::lb) fn audit(cluster: &Cluster) -> impl Iterator<Item = Finding> + use<'_> {
    cluster.lb.bgp_advertisements().filter_map(|advertisement| {
        let missing = advertisement.spec.peers.iter().find(|name| cluster.lb.bgp_peer(name).is_none())?;
        let message = format!("it names BGP peer `{missing}`, which does not exist");
        Some(Finding::new(Severity::Error, Reason::BgpPeerNotFound, "", message).about("bgp-advertisements", &advertisement.name))
    })
}
