//! Who else answers for addresses on the nodes' networks.
//!
//! A node's agent asks for every address that Polder may give there (ARP, RFC 826 and RFC 5227; neighbor discovery, RFC 4861) and
//! reports who answered. The report is kept as it came, one record a node, each report in place of the one before; what follows
//! from it is computed: an address for which a stranger answers is quarantined, so nobody gets it by itself. The answers of
//! Polder's own nodes say nothing, and neither do those of a host that answers for many addresses: that is proxy ARP (RFC 1027).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::decision::Decision;
use super::liveness::renewing;
use super::record::{Change, Pool};
use super::view::View;
use crate::cluster::Cluster;
use crate::id::Uid;
use crate::net::{AddrRange, Mac, Name};
use crate::reason::{Reason, Refusal};
use crate::schema::{Domain, PlanContext};
use crate::time::Timestamp;

/// How long a report counts: a host that is only switched off for the night should not lose its address to a pod.
pub const VALID: Duration = Duration::from_secs(3600);

/// From so many addresses on, the host that answers for them is taken for a proxy.
const PROXY: usize = 8;

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// The address that was asked for.
    pub address: IpAddr,
    /// The hardware address that answered.
    pub mac: Mac,
}

/// What one node has reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbors {
    /// The node.
    pub node: Name,
    /// The node's identity at the time.
    pub uid: Uid,
    /// When it reported.
    pub reported: Timestamp,
    /// Who answered, in order, nothing twice.
    pub answers: Vec<Answer>,
}

impl Neighbors {
    /// Whether the report still counts.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.reported.after(VALID) > now
    }

    /// The hardware addresses that answer for the address.
    pub fn answering(&self, address: IpAddr) -> impl Iterator<Item = Mac> {
        self.answers.iter().filter(move |answer| answer.address == address).map(|answer| answer.mac)
    }

    /// For how many addresses the host answers.
    #[must_use]
    pub fn count_of(&self, mac: Mac) -> usize {
        self.answers.iter().filter(|answer| answer.mac == mac).count()
    }

    /// The hosts that answer for so many addresses that nothing follows from it, each with how many.
    #[must_use]
    pub fn proxies(&self) -> Vec<(Mac, usize)> {
        let mut macs: Vec<Mac> = self.answers.iter().map(|answer| answer.mac).collect();
        macs.sort_unstable();
        macs.dedup();
        macs.into_iter().map(|mac| (mac, self.count_of(mac))).filter(|(_, count)| *count >= PROXY).collect()
    }
}

/// A stranger that answers for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Its hardware address.
    pub mac: Mac,
    /// The node that has seen it.
    pub seen_by: Name,
    /// When.
    pub reported: Timestamp,
}

impl Stranger {
    /// Why an address that is asked for by name is not given.
    #[must_use]
    pub fn refusal(&self, pool: &Pool, address: IpAddr) -> Refusal {
        let message = format!(
            "{address} answers from {} (seen by node `{}`). Take that host off the network, choose another address, or set \
             ignore_neighbors of pool `{}` when it is known to be harmless.",
            self.mac, self.seen_by, pool.name
        );
        Refusal::new(Reason::AddressQuarantined, message)
            .with("address", address)
            .with("mac", self.mac)
            .with("node", &self.seen_by)
            .with("pool", &pool.name)
            .about("pool", &pool.name)
    }
}

/// The stranger that answers for the address, if one does.
#[must_use]
pub fn stranger(view: &View, address: IpAddr, now: Timestamp) -> Option<Stranger> {
    view.reports_about(address).filter(|report| report.is_valid(now)).find_map(|report| {
        let mac = report.answering(address).find(|mac| report.count_of(*mac) < PROXY && !is_own(view, *mac))?;
        Some(Stranger { mac, seen_by: report.node.clone(), reported: report.reported })
    })
}

/// The stranger because of which the pool does not give the address by itself.
#[must_use]
pub fn quarantine(view: &View, pool: &Pool, address: IpAddr, now: Timestamp) -> Option<Stranger> {
    if pool.ignore_neighbors { None } else { stranger(view, address, now) }
}

/// The addresses of the range for which strangers answer, in order.
pub fn strangers_in(view: &View, range: AddrRange, now: Timestamp) -> impl Iterator<Item = (IpAddr, Stranger)> {
    view.reported_in(range).filter_map(move |address| Some((address, stranger(view, address, now)?)))
}

/// Whether one of the nodes has the hardware address.
fn is_own(view: &View, mac: Mac) -> bool {
    let is = |text: &str| text.parse() == Ok(mac);
    view.nodes().any(|node| is(&node.tunnel_mac) || node.interfaces.iter().any(|interface| is(&interface.mac)))
}

/// What a node has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The node.
    pub node: Name,
    /// Its identity, as its registration told it.
    pub uid: Uid,
    /// Who answered.
    pub answers: Vec<Answer>,
}

/// Takes a report in place of the node's last one. One that says the same is written only when the last would soon be too old.
///
/// # Errors
/// `NODE_NOT_FOUND`, `NODE_UID_MISMATCH`.
pub fn report(cluster: &Cluster, report: &Report, context: PlanContext) -> Result<Decision<()>, Refusal> {
    let view = &cluster.ipam;
    let node = renewing(view, &report.node, report.uid)?;
    let mut answers = report.answers.clone();
    answers.sort_unstable();
    answers.dedup();
    let last = view.neighbors_of(&node.name);
    let known = match last {
        Some(last) => last.answers == answers && last.uid == report.uid && last.reported.after(VALID / 2) > context.now,
        None => answers.is_empty(),
    };
    let changes = if known {
        Vec::new()
    } else {
        let record = Neighbors { node: node.name.clone(), uid: report.uid, reported: context.now, answers };
        vec![Change::Neighbors(node.name.clone(), Some(Arc::new(record)).filter(|record| !record.answers.is_empty()))]
    };
    Ok(Decision { changes, reads: &[Domain::IpamNodes], answer: () })
}
