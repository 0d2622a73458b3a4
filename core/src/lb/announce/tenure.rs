//! The right to lead, which one replica holds by a lease of the store.
//!
//! As with the right to answer, only the time of sending counts: a lead grants nothing any more when its lease may have run out
//! at the store, however late the answer to its last renewal came.

use std::time::Duration;

use super::Moment;
use super::holder::MARGIN;

/// A lease of the store as its holder may count on it.
#[derive(Debug, Clone, Copy)]
pub struct Tenure {
    ttl: Duration,
    until: Moment,
}

impl Tenure {
    /// A lease of `ttl` that was asked for at `sent` and granted since.
    #[must_use]
    pub fn new(ttl: Duration, sent: Moment) -> Self {
        let mut tenure = Self { ttl, until: Moment::ZERO };
        tenure.renewed(sent);
        tenure
    }

    /// A renewal that was sent at `sent` has been acknowledged.
    pub fn renewed(&mut self, sent: Moment) {
        self.until = self.until.max(sent + self.ttl.saturating_sub(self.ttl / MARGIN));
    }

    /// Whether the lease holds for sure.
    #[must_use]
    pub fn holds(&self, now: Moment) -> bool {
        now < self.until
    }

    /// Until when it holds for sure.
    #[must_use]
    pub const fn until(&self) -> Moment {
        self.until
    }
}
