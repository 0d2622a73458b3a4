//! Peers and advertisements in memory.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use super::super::View;
use super::record::{BgpAdvertisement, BgpPeer};
use crate::net::Label;

/// The records of BGP, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::lb) struct Book {
    peers: OrdMap<Label, Arc<BgpPeer>>,
    advertisements: OrdMap<Label, Arc<BgpAdvertisement>>,
}

impl Book {
    /// Puts or deletes a peer.
    pub(in crate::lb) fn put_peer(&mut self, name: &Label, record: Option<&Arc<BgpPeer>>) {
        put(&mut self.peers, name, record);
    }

    /// Puts or deletes an advertisement.
    pub(in crate::lb) fn put_advertisement(&mut self, name: &Label, record: Option<&Arc<BgpAdvertisement>>) {
        put(&mut self.advertisements, name, record);
    }
}

fn put<T>(records: &mut OrdMap<Label, Arc<T>>, name: &Label, record: Option<&Arc<T>>) {
    match record {
        Some(record) => records.insert(name.clone(), Arc::clone(record)),
        None => records.remove(name),
    };
}

/// The records behind a name, all of them without one.
fn after<'a, T>(records: &'a OrdMap<Label, Arc<T>>, name: Option<&Label>) -> impl Iterator<Item = &'a Arc<T>> + use<'a, T> {
    let from = name.map_or(Bound::Unbounded, |name| Bound::Excluded(name.clone()));
    records.range((from, Bound::Unbounded)).map(|(_, record)| record)
}

/// BGP.
impl View {
    /// Every peer, by name.
    pub fn bgp_peers(&self) -> impl Iterator<Item = &Arc<BgpPeer>> {
        self.bgp.peers.values()
    }

    /// Every peer after a name, by name; all of them without one.
    pub fn bgp_peers_after(&self, name: Option<&Label>) -> impl Iterator<Item = &Arc<BgpPeer>> + use<'_> {
        after(&self.bgp.peers, name)
    }

    /// The peer with this name.
    #[must_use]
    pub fn bgp_peer(&self, name: &Label) -> Option<&Arc<BgpPeer>> {
        self.bgp.peers.get(name)
    }

    /// Every advertisement, by name.
    pub fn bgp_advertisements(&self) -> impl Iterator<Item = &Arc<BgpAdvertisement>> {
        self.bgp.advertisements.values()
    }

    /// Every advertisement after a name, by name; all of them without one.
    pub fn bgp_advertisements_after(&self, name: Option<&Label>) -> impl Iterator<Item = &Arc<BgpAdvertisement>> + use<'_> {
        after(&self.bgp.advertisements, name)
    }

    /// The advertisement with this name.
    #[must_use]
    pub fn bgp_advertisement(&self, name: &Label) -> Option<&Arc<BgpAdvertisement>> {
        self.bgp.advertisements.get(name)
    }
}
