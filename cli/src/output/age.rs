//! Ages as kubectl prints them.

use std::time::Duration;

use polder_core::time::Timestamp;

/// The time of a proto3 JSON timestamp.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let stamp: prost_types::Timestamp = text.parse().ok()?;
    let (seconds, nanos) = (u64::try_from(stamp.seconds).ok()?, u64::try_from(stamp.nanos).ok()?);
    Some(Timestamp(seconds * 1_000_000 + nanos / 1000))
}

/// How long ago, as [`length`].
#[must_use]
pub fn since(then: Timestamp, now: Timestamp) -> String {
    length(now.since(then))
}

/// The length of a proto3 JSON duration: `1.5s`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// A length of time in at most two units: `45s`, `5m12s`, `47m`, `3h20m`, `2d3h`, `40d`, `2y10d`.
#[must_use]
pub fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{small_unit}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_kubectls() {
        let age = |seconds: u64| since(Timestamp(7), Timestamp(seconds * 1_000_000 + 7));
        let cases = [(0, "0s"), (119, "119s"), (120, "2m"), (312, "5m12s"), (660, "11m"), (7200, "120m"), (12_000, "3h20m")];
        let more = [(36_000, "10h"), (183_600, "2d3h"), (864_000, "10d"), (63_936_000, "2y10d"), (315_360_000, "10y")];
        for (seconds, text) in cases.into_iter().chain(more) {
            assert_eq!(age(seconds), text);
        }
        assert_eq!(since(Timestamp(9), Timestamp(3)), "0s");
    }

    #[test]
    fn timestamps_are_read_from_json() {
        assert_eq!(parse("1970-01-01T00:00:01.5Z"), Some(Timestamp(1_500_000)));
        assert_eq!(parse("soon"), None);
        assert_eq!(duration("90.5s"), Some(Duration::from_millis(90_500)));
        assert_eq!((duration("90"), duration("-1s"), duration("xs")), (None, None, None));
    }
}
