//! The step of a service's explanation about what is advertised by BGP for its external addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::conditions::named;
use super::routes::{Speaker, advertised};
use crate::cluster::Cluster;
use crate::ipam::{Pool, PoolState};
use crate::lb::Service;
use crate::lb::address::is_foreign;
use crate::lb::explain::{Check, Step, Verdict};
use crate::net::Label;
use crate::reason::Reason;

/// A step for each external address that BGP is meant for: that an advertisement selects, or whose pool is for BGP only. It looks at
/// every node once for each of them.
pub(in crate::lb) fn steps(cluster: &Cluster, service: &Service) -> Vec<Step> {
    let external = service.external.iter().filter(|_| !is_foreign(&service.spec));
    external.filter_map(|vip| step(cluster, service, vip.address)).collect()
}

fn step(cluster: &Cluster, service: &Service, address: IpAddr) -> Option<Step> {
    let pool = cluster.ipam.pool_of(address).filter(|pool| pool.state != PoolState::Disabled)?;
    let selects =
        cluster.lb.bgp_advertisements().any(|made| made.spec.selects(pool) && made.spec.services.matches(&service.labels));
    let (verdict, message) = match selects {
        true => told(cluster, pool, address),
        false if pool.bgp_only => {
            let why =
                format!("{address} is advertised to nobody: no BGP advertisement selects pool `{}` and this service", pool.name);
            (Verdict::Bad(Reason::NotAnnounced), why)
        }
        false => return None,
    };
    Some(Step { check: Check::Bgp, verdict, message })
}

/// Who tells whom of an address that an advertisement selects.
fn told(cluster: &Cluster, pool: &Pool, address: IpAddr) -> (Verdict, String) {
    let Some(advertised) = advertised(cluster, address) else {
        return (Verdict::Unknown, format!("{address} is advertised as soon as something ready stands behind it"));
    };
    let routes: Vec<_> = cluster.ipam.nodes().map(|node| Speaker::of(cluster, node).routes(&advertised)).collect();
    let nodes = routes.iter().filter(|routes| !routes.is_empty()).count();
    let peers: BTreeSet<&Label> = routes.iter().flatten().map(|route| &route.peer).collect();
    if peers.is_empty() {
        let why = "no node that may advertise it has a session with a peer that is to be told";
        return (Verdict::Bad(Reason::NotAnnounced), format!("{address} of pool `{}` is advertised to nobody: {why}", pool.name));
    }
    let from = if nodes == 1 { "1 node".to_owned() } else { format!("{nodes} nodes") };
    (Verdict::Well, format!("{address} is advertised by {from} to {}", named(peers.iter().map(|peer| format!("`{peer}`")))))
}
