//! When a pool will be full, if it goes on filling as it has.

use std::time::Duration;

use crate::time::Timestamp;

/// A time too short to tell anything: one rollout would look like the end of the world.
const SHORTEST: Duration = Duration::from_secs(3600);

/// Further away than this is never.
const FARTHEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How the number of held addresses of a pool has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// The beginning of the time that was looked at.
    pub since: Timestamp,
    /// Addresses taken since then, less those given up.
    pub net: i64,
}

impl Growth {
    /// How long the free addresses last; `None` when the pool does not fill, when that is too far away, or when the time that was
    /// looked at is shorter than an hour.
    #[must_use]
    pub fn time_to_full(&self, free: u128, now: Timestamp) -> Option<Duration> {
        let period = u128::from(now.0.saturating_sub(self.since.0));
        let net = u128::try_from(self.net).ok().filter(|net| *net > 0)?;
        if period < SHORTEST.as_micros() {
            return None;
        }
        let left = free.checked_mul(period)? / net;
        u64::try_from(left).ok().map(Duration::from_micros).filter(|left| *left <= FARTHEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000;

    #[test]
    fn the_rate_goes_on() {
        let day = Growth { since: Timestamp(0), net: 48 };
        let now = Timestamp(24 * HOUR);
        assert_eq!(day.time_to_full(96, now), Some(Duration::from_secs(2 * 24 * 3600)));
        assert_eq!(day.time_to_full(1, now), Some(Duration::from_secs(1800)));
        assert_eq!(day.time_to_full(0, now), Some(Duration::ZERO), "it is full");
    }

    #[test]
    fn nothing_is_told_where_nothing_is_known() {
        let growth = |since, net| Growth { since: Timestamp(since), net };
        let now = Timestamp(10 * HOUR);
        assert_eq!(growth(0, 0).time_to_full(10, now), None);
        assert_eq!(growth(0, -5).time_to_full(10, now), None, "it empties");
        assert_eq!(growth(9 * HOUR + 1, 100).time_to_full(10, now), None, "less than an hour");
        assert_eq!(growth(0, 1).time_to_full(u128::MAX, now), None);
        assert_eq!(growth(0, 1).time_to_full(1 << 40, now), None, "not in a hundred years");
        assert_eq!(growth(11 * HOUR, 1).time_to_full(1, now), None, "a clock that was set back");
    }
}
