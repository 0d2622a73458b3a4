//! The state of IPAM in memory: the records and the indexes that follow from them.

use std::sync::Arc;

use imbl::OrdMap;

use super::record::{Change, Pool};
use crate::net::Name;

/// The state of IPAM. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct View {
    pools: OrdMap<Name, Arc<Pool>>,
}

impl View {
    /// Moves the view by one committed change.
    pub fn apply(&mut self, change: &Change) {
        if let Change::Pool(name, record) = change {
            match record {
                Some(pool) => self.pools.insert(name.clone(), Arc::clone(pool)),
                None => self.pools.remove(name),
            };
        }
    }
}
