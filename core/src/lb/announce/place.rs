//! Which of several nodes gets an announcement.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::target::{Target, leaving};
use crate::cluster::Cluster;
use crate::net::Name;

/// How well a node suits an address: the least is the best. The order of the fields is the policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Preference {
    /// How many addresses it answers for already: they spread evenly.
    load: usize,
    /// Equal loads go by a number drawn from node and address, so that addresses spread in every state and every replica
    /// decides the same.
    draw: u64,
    /// The name, so that there is an order in any case.
    pub(super) node: Name,
}

/// How many addresses every node answers for.
pub(super) type Loads = BTreeMap<Name, usize>;

/// The best of `nodes` that may answer for the target, are not leaving and are not `except`.
pub(super) fn best<'n>(
    cluster: &Cluster,
    target: &Target<'_>,
    nodes: impl Iterator<Item = &'n Name>,
    loads: &Loads,
    except: Option<&Name>,
) -> Option<Preference> {
    let fit = nodes.filter(|name| Some(*name) != except).filter_map(|name| cluster.ipam.node(name));
    let fit = fit.filter(|node| leaving(cluster, node).is_none() && target.check(node).is_ok());
    fit.map(|node| preference(&node.name, target.address, loads)).min()
}

fn preference(node: &Name, address: IpAddr, loads: &Loads) -> Preference {
    Preference { load: loads.get(node).copied().unwrap_or(0), draw: draw(node, address), node: node.clone() }
}

/// A number that looks random and depends on nothing else: FNV-1a over name and address, then the finisher of MurmurHash3, which
/// spreads the last bytes over all bits.
fn draw(node: &Name, address: IpAddr) -> u64 {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let bytes = node.as_str().bytes().chain([0]).chain(octets);
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
