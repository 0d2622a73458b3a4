//! The announcements in memory, with the indexes that follow from them.

use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::record::{Announcement, Drain};
use crate::net::Name;

/// Every announcement and drain. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Board {
    announcements: OrdMap<IpAddr, Arc<Announcement>>,
    by_node: OrdMap<Name, OrdSet<IpAddr>>,
    drains: OrdMap<Name, Arc<Drain>>,
    epoch: u64,
}

impl Board {
    /// Every announcement, by address.
    pub fn announcements(&self) -> impl Iterator<Item = &Arc<Announcement>> {
        self.announcements.values()
    }

    /// Every announcement after an address; all of them without one.
    pub fn after(&self, address: Option<IpAddr>) -> impl Iterator<Item = &Arc<Announcement>> + use<'_> {
        let from = address.map_or(Bound::Unbounded, Bound::Excluded);
        self.announcements.range((from, Bound::Unbounded)).map(|(_, record)| record)
    }

    /// The announcement of an address.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<&Arc<Announcement>> {
        self.announcements.get(&address)
    }

    /// The announcements of a node, by address.
    pub fn on(&self, node: &Name) -> impl Iterator<Item = &Arc<Announcement>> + use<'_> {
        self.by_node.get(node).into_iter().flat_map(OrdSet::iter).filter_map(|address| self.announcements.get(address))
    }

    /// How many addresses the node answers for.
    #[must_use]
    pub fn load(&self, node: &Name) -> usize {
        self.by_node.get(node).map_or(0, OrdSet::len)
    }

    /// The nodes that answer for some address.
    pub fn nodes(&self) -> impl Iterator<Item = &Name> {
        self.by_node.keys()
    }

    /// Every drain, by node.
    pub fn drains(&self) -> impl Iterator<Item = &Arc<Drain>> {
        self.drains.values()
    }

    /// The drain of a node.
    #[must_use]
    pub fn drain(&self, node: &Name) -> Option<&Arc<Drain>> {
        self.drains.get(node)
    }

    /// The newest epoch ever given. It outlives the announcements, so that none is given twice.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(in crate::lb) fn put(&mut self, address: IpAddr, record: Option<&Arc<Announcement>>) {
        if let Some(old) = self.announcements.remove(&address)
            && let Some(addresses) = self.by_node.get_mut(&old.node)
        {
            addresses.remove(&address);
            if addresses.is_empty() {
                self.by_node.remove(&old.node);
            }
        }
        if let Some(record) = record {
            self.announcements.insert(address, Arc::clone(record));
            self.by_node.entry(record.node.clone()).or_default().insert(address);
        }
    }

    pub(in crate::lb) fn put_drain(&mut self, node: &Name, record: Option<&Arc<Drain>>) {
        match record {
            Some(drain) => self.drains.insert(node.clone(), Arc::clone(drain)),
            None => self.drains.remove(node),
        };
    }

    pub(in crate::lb) fn put_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }
}
