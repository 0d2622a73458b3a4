//! The table. Rows are printed as they come, so the columns have fixed widths.

use std::fmt;

use super::{Report, Row};

/// How a number is printed that there is not.
const NONE: &str = "-";

/// A line of the table, or its head.
#[derive(Debug, Clone, Copy)]
pub enum Table<'a> {
    /// The names of the columns.
    Head,
    /// One row.
    Line(&'a Row),
    /// What is said below the rows.
    Foot(&'a Report),
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => {
                let limits = ["x RAW", "x ECHO", "x PEER"];
                line(f, ["STORE", "CASE", "CALLERS", "PER SECOND", "P50 MS", "P99 MS", "CPU US", "CALLS/TRIP"], limits)
            }
            Self::Line(row) => {
                let ratio = |ratio: Option<f64>| ratio.map_or_else(|| NONE.to_owned(), |ratio| format!("{ratio:.2}"));
                let per_trip = row.trips.as_ref().map(|trips| trips.calls_per_trip);
                line(
                    f,
                    [
                        row.store.map_or(NONE, super::Engine::as_str),
                        row.case.as_str(),
                        &row.callers.to_string(),
                        &format!("{:.0}", row.per_second),
                        &format!("{:.2}", row.p50_ms),
                        &format!("{:.2}", row.p99_ms),
                        &row.cpu_micros.map_or_else(|| NONE.to_owned(), |micros| format!("{micros:.0}")),
                        &per_trip.map_or_else(|| NONE.to_owned(), |calls| format!("{calls:.1}")),
                    ],
                    [&ratio(row.against_raw), &ratio(row.against_echo), &ratio(row.against_peer)],
                )
            }
            Self::Foot(report) => {
                writeln!(f, "{}", report.machine)?;
                let Report { seconds, warm_up, published, .. } = report;
                writeln!(f, "{seconds} s a case after {warm_up} s of warm-up; every address was checked")?;
                write!(
                    f,
                    "published, on other hardware and not measured here: {} per second ({})",
                    published.per_second, published.what
                )
            }
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: [&str; 8], limits: [&str; 3]) -> fmt::Result {
    let [store, case, callers, rate, p50, p99, cpu, per_trip] = cells;
    write!(f, "{store:<9} {case:<22} {callers:>7} {rate:>11} {p50:>8} {p99:>8} {cpu:>7} {per_trip:>11}")?;
    limits.iter().try_for_each(|limit| write!(f, " {limit:>7}"))
}
