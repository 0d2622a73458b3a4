//! The machine that a run is made on: figures mean nothing without it.

use std::fmt;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use polder_runtime::clock::monotonic;
use polder_runtime::tasks::Failure;
use serde::Serialize;

use crate::load::summary;

/// Small appends that are forced to disk to learn what that costs.
const SYNCS: usize = 500;
/// Bytes of each.
const APPEND: [u8; 512] = [7; 512];

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Threads that can run at once.
    pub cores: usize,
    /// The processor's name.
    pub cpu: String,
    /// Version of the etcd under test.
    pub etcd: String,
    /// Load average over one minute when the run began: above zero, others were using the machine.
    pub load_before: String,
    /// An append of 512 bytes with `fdatasync` where the stores lie: half of them were this fast, in milliseconds.
    pub sync_p50_ms: f64,
    /// The same, 99 of 100.
    pub sync_p99_ms: f64,
}

impl Machine {
    /// Looks at this machine; takes as long as five hundred disk writes.
    ///
    /// # Errors
    /// A temporary folder that cannot be written to.
    pub async fn examine() -> Result<Self, Failure> {
        let syncs = tokio::task::spawn_blocking(syncs).await??;
        let syncs = summary(&syncs)?;
        let millis = |quantile| syncs.value_at_quantile(quantile) as f64 / 1000.0;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            cpu: cpu().unwrap_or_else(|| "unknown processor".to_owned()),
            etcd: etcd().unwrap_or_else(|| "none".to_owned()),
            load_before: load().unwrap_or_else(|| "unknown".to_owned()),
            sync_p50_ms: millis(0.5),
            sync_p99_ms: millis(0.99),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, cpu, etcd, load_before, sync_p50_ms, sync_p99_ms } = self;
        write!(
            f,
            "{cores} cores ({cpu}), etcd {etcd}, load {load_before} before the run, \
             fdatasync p50 {sync_p50_ms:.2} ms p99 {sync_p99_ms:.2} ms"
        )
    }
}

fn syncs() -> Result<Vec<Duration>, std::io::Error> {
    let mut file = tempfile::tempfile()?;
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = monotonic();
        file.write_all(&APPEND)?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

fn cpu() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn etcd() -> Option<String> {
    let output = Command::new("etcd").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.trim_start_matches("etcd Version:").trim().to_owned())
}

fn load() -> Option<String> {
    Some(std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.to_owned())
}

/// Processor time that this process has used in all its threads; `None` where there is no `/proc`.
pub(crate) fn cpu_time() -> Option<Duration> {
    cpu_time_of("self")
}

/// The same of a process by its number.
pub(crate) fn cpu_time_of(process: &str) -> Option<Duration> {
    /// What the kernel counts in, on every architecture that we build for.
    const TICK: Duration = Duration::from_millis(10);
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program may have spaces in it; user and system time are the 12th and 13th field after it.
    let (_, fields) = text.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    ticks.sum::<Result<u32, _>>().ok().map(|ticks| TICK * ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_machine_is_known() {
        let machine = Machine::examine().await.unwrap();
        assert!(machine.cores > 0 && machine.sync_p50_ms <= machine.sync_p99_ms, "{machine}");
        assert!(machine.etcd.starts_with('3'), "{machine}");
    }

    #[test]
    fn work_takes_processor_time() {
        let before = cpu_time().unwrap();
        let until = monotonic() + Duration::from_secs(20);
        while cpu_time().unwrap() < before + Duration::from_millis(50) {
            assert!(monotonic() < until, "fifty milliseconds of work are seen");
        }
    }
}
