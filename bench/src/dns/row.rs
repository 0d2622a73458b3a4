//! What a server's queries cost, as a line of a table.

use std::fmt;

use serde::Serialize;

use super::{Kind, Mix};

/// The names of the columns, as wide as those of the rows.
pub(super) struct Head;

/// The median of several turns, with the least and the most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Half of the turns were at most this.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Cost {
    /// Of some turns; `None` of none.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Some(Self { median: *values.get((values.len().max(1) - 1) / 2)?, least: *values.first()?, most: *values.last()? })
    }
}

/// How long answers took, in microseconds, at a rate that leaves the server room.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Queries a second that were asked for.
    pub per_second: f64,
    /// Half of them took no longer.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1000.
    pub p999_us: f64,
}

/// One server, one mix.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// How many services there were.
    pub services: u32,
    /// What was asked.
    pub mix: Mix,
    /// Who was asked.
    pub server: Kind,
    /// Processor time of the server for one query, in microseconds.
    pub cpu_us: Cost,
    /// How many times that of `polder-dns` in the same round.
    pub of_polder: Option<Cost>,
    /// Answers a second.
    pub per_second: Cost,
    /// Of a million queries, so many had no answer.
    pub lost_ppm: f64,
    /// At half of its median rate.
    pub latency: Latency,
    /// Memory after it, in MiB.
    pub pss_mib: Option<f64>,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8} {:<5} {:<17} {:>20} {:>19} {:>15} {:>8} {:>20} {:>8}",
            "SERVICES", "MIX", "SERVER", "CPU US (MIN-MAX)", "x POLDER", "KQPS (BEST)", "LOST PPM", "P50/P99/P99.9 US", "PSS MIB"
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { services, mix, server, cpu_us, of_polder, per_second, lost_ppm, latency, pss_mib } = self;
        let spread = |cost: &Cost| format!("{:.2} ({:.2}-{:.2})", cost.median, cost.least, cost.most);
        let none = || "-".to_owned();
        write!(
            f,
            "{services:>8} {:<5} {server:<17} {:>20} {:>19} {:>15} {lost_ppm:>8.0} {:>20} {:>8}",
            mix.as_str(),
            spread(cpu_us),
            of_polder.as_ref().map_or_else(none, spread),
            format!("{:.0} ({:.0})", per_second.median / 1e3, per_second.most / 1e3),
            format!("{:.0}/{:.0}/{:.0}", latency.p50_us, latency.p99_us, latency.p999_us),
            pss_mib.map_or_else(none, |mib| format!("{mib:.1}")),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_between_the_least_and_the_most() {
        assert_eq!(Cost::of([]), None);
        assert_eq!(Cost::of([3.0]), Some(Cost { median: 3.0, least: 3.0, most: 3.0 }));
        assert_eq!(Cost::of([9.0, 1.0, 3.0]), Some(Cost { median: 3.0, least: 1.0, most: 9.0 }));
    }
}
