//! The state of LB in memory: the records and the indexes that follow from them.

use std::sync::Arc;

use imbl::OrdMap;

use super::record::{Change, Service, ServiceKey};

/// The state of LB. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct View {
    services: OrdMap<ServiceKey, Arc<Service>>,
}

impl View {
    /// Moves the view by one committed change.
    pub fn apply(&mut self, change: &Change) {
        let Change::Service(key, record) = change;
        match record {
            Some(service) => self.services.insert(key.clone(), Arc::clone(service)),
            None => self.services.remove(key),
        };
    }
}
