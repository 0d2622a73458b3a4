//! The clock: the one place that asks what time it is.
//!
//! The domain takes time as an argument. Whoever needs a time to hand over, or a measure of how long something took, gets it
//! here, so that a test can see every reading.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use polder_core::time::Timestamp;
use tokio::time::Instant;

/// The wall clock, in microseconds since the Unix epoch, UTC. Zero when the clock stands before the epoch.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the function that the lint sends everybody to")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    #[cfg(feature = "testing")]
    let since = since + testing::ahead();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// The monotonic clock: never goes back, says nothing about the time of day. Stands still in a test that pauses tokio's time.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// For tests that have no time to wait: the wall clock of this process can be put forward. It never goes back.
#[cfg(feature = "testing")]
pub mod testing {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    static AHEAD: AtomicU64 = AtomicU64::new(0);

    pub(super) fn ahead() -> Duration {
        Duration::from_micros(AHEAD.load(Ordering::SeqCst))
    }

    /// Puts [`now`](super::now) forward for the whole process. The monotonic clock, and with it every lease and time-out, stays.
    pub fn advance(by: Duration) {
        AHEAD.fetch_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_past_2020() {
        assert!(now().seconds() > 1_577_836_800);
    }
}
