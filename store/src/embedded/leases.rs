//! Which leases live, and until when. Kept in memory: renewing costs no write, and a restart gives every lease its full time
//! again, as etcd does.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{LeaseId, Limits};

#[derive(Debug)]
struct Held {
    ttl: Duration,
    until: Instant,
}

/// The living leases.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: HashMap<LeaseId, Held>,
}

impl Leases {
    pub(super) fn insert(&mut self, lease: LeaseId, ttl: Duration) {
        self.held.insert(lease, Held { ttl, until: Instant::now() + ttl });
    }

    pub(super) fn contains(&self, lease: LeaseId) -> bool {
        self.held.contains_key(&lease)
    }

    /// Renews a lease; `None` when it is gone.
    pub(super) fn renew(&mut self, lease: LeaseId) -> Option<Duration> {
        let held = self.held.get_mut(&lease)?;
        held.until = Instant::now() + held.ttl;
        Some(held.ttl)
    }

    /// Takes a lease out, so that it cannot be renewed any more.
    pub(super) fn remove(&mut self, lease: LeaseId) -> bool {
        self.held.remove(&lease).is_some()
    }

    /// Takes out every lease whose time is over.
    pub(super) fn take_expired(&mut self) -> Vec<LeaseId> {
        let now = Instant::now();
        let mut expired: Vec<LeaseId> = self.held.iter().filter(|(_, held)| held.until <= now).map(|(lease, _)| *lease).collect();
        expired.sort_unstable();
        for lease in &expired {
            self.held.remove(lease);
        }
        expired
    }

    /// How long until the next lease may expire.
    pub(super) fn next(&self) -> Option<Duration> {
        let first = self.held.values().map(|held| held.until).min()?;
        Some(first.saturating_duration_since(Instant::now()))
    }
}

/// The time to live that a wish becomes: whole seconds, not below the least.
pub(super) fn granted_ttl(wish: Duration) -> Duration {
    let seconds = wish.as_secs() + u64::from(wish.subsec_nanos() > 0);
    Duration::from_secs(seconds).max(Limits::LEAST_TTL)
}
