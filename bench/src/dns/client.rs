//! The client: dnsperf, and what it prints.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use polder_runtime::tasks::Failure;
use tokio::process::Command;

use super::Options;
use crate::dns::row::Latency;
use crate::load::summary;

/// Queries on their way at once: as many as keep a server busy, and no more than the smallest of the default socket buffers holds.
const UNDER_WAY: &str = "200";
/// What `taskset` ends with when there is no such program.
const NOT_FOUND: i32 = 127;
/// Sockets that they come from.
const SOCKETS: &str = "8";

/// What a turn came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Turn {
    pub(super) completed: u64,
    pub(super) lost: u64,
    pub(super) per_second: f64,
    /// Answers that said that there is no such name.
    pub(super) missing: u64,
    /// Answers that said that all is well.
    pub(super) fine: u64,
}

/// As many queries as the server answers.
pub(super) async fn flood(options: &Options, server: SocketAddr, questions: &Path) -> Result<Turn, Failure> {
    let text = dnsperf(options, server, questions, &["-q", UNDER_WAY]).await?;
    read(&text).ok_or_else(|| format!("dnsperf printed something else than expected: {text}").into())
}

/// How long answers take at a rate. This dnsperf has no histogram: it is made to print every single one, which costs the client, not the
/// server.
pub(super) async fn latency(options: &Options, server: SocketAddr, questions: &Path, rate: f64) -> Result<Latency, Failure> {
    let rate_text = format!("{rate:.0}");
    let text = dnsperf(options, server, questions, &["-q", UNDER_WAY, "-Q", &rate_text, "-v"]).await?;
    let took = text.lines().filter_map(|line| line.strip_prefix("> ")?.rsplit(' ').next()?.parse().ok());
    let took: Vec<Duration> = took.map(Duration::from_secs_f64).collect();
    let micros = summary(&took)?;
    let of = |quantile| micros.value_at_quantile(quantile) as f64;
    Ok(Latency { per_second: rate, p50_us: of(0.5), p99_us: of(0.99), p999_us: of(0.999) })
}

async fn dnsperf(options: &Options, server: SocketAddr, questions: &Path, more: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new("taskset");
    command.args([
        "-c",
        &options.client_core.to_string(),
        "dnsperf",
        "-s",
        &server.ip().to_string(),
        "-p",
        &server.port().to_string(),
    ]);
    command.arg("-d").arg(questions).args(["-c", SOCKETS, "-T", "1", "-t", "1", "-l", &options.seconds.to_string()]).args(more);
    // Into a file: nobody reads while it runs.
    let mut printed = tempfile::tempfile()?;
    let status = command.stdin(Stdio::null()).stdout(printed.try_clone()?).stderr(Stdio::null()).status().await?;
    let mut text = String::new();
    std::io::Seek::rewind(&mut printed)?;
    std::io::Read::read_to_string(&mut printed, &mut text)?;
    match status.code() {
        Some(0) => Ok(text),
        Some(NOT_FOUND) => Err("`dnsperf` is not installed: `tools/deps.sh bench` brings it".into()),
        _ => Err(format!("dnsperf ended with {status}: {text}").into()),
    }
}

fn read(text: &str) -> Option<Turn> {
    let of = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)?.split_whitespace().next());
    let codes = text.lines().find_map(|line| line.trim().strip_prefix("Response codes:")).unwrap_or_default();
    let code = |name: &str| {
        let found = codes.split(',').find_map(|code| code.trim().strip_prefix(name)?.split_whitespace().next());
        found.map_or(Some(0), |count| count.parse().ok())
    };
    Some(Turn {
        completed: of("Queries completed:")?.parse().ok()?,
        lost: of("Queries lost:")?.parse().ok()?,
        per_second: of("Queries per second:")?.parse().ok()?,
        missing: code("NXDOMAIN ")?,
        fine: code("NOERROR ")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dnsperf_prints_is_understood() {
        let text = "Statistics:\n\n  Queries sent:         1000\n  Queries completed:    990 (99.00%)\n  Queries lost:         10 (1.00%)\n\n  \
                    Response codes:       NOERROR 690 (69.70%), NXDOMAIN 300 (30.30%)\n  Run time (s):         0.5\n  \
                    Queries per second:   1980.5\n";
        let turn = Turn { completed: 990, lost: 10, per_second: 1980.5, missing: 300, fine: 690 };
        assert_eq!(read(text), Some(turn));
        assert_eq!(read("Error"), None);
    }
}
