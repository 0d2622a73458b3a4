//! What processes use: processor time to the nanosecond, as the scheduler counts it, and memory with the shared parts counted once.
//!
//! Both are of a process with all its children, since some servers work in those. Processor time is what the load of others changes
//! least.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use polder_runtime::tasks::Failure;

/// What the kernel says of a file of a thread that has ended since it was opened (`ESRCH`).
const NO_PROCESS: i32 = 3;

/// A process and its descendants.
fn family(process: u32) -> Result<Vec<u32>, Failure> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // One that has ended meanwhile is nobody's child.
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        // The name of the program may have spaces in it; the parent is the second field after it.
        let parent = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (id, parent)));
    }
    let mut found = vec![process];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        next += 1;
    }
    Ok(found)
}

/// Processor time of threads until some moment, by their folders in `/proc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spent(BTreeMap<PathBuf, Duration>);

impl Spent {
    /// Processor time since an earlier reading. That of a thread that has ended meanwhile is lost, but for what it had spent before: that is
    /// not taken from the others.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let of = |(thread, spent): (&PathBuf, &Duration)| spent.saturating_sub(before.0.get(thread).copied().unwrap_or_default());
        self.0.iter().map(of).sum()
    }
}

/// Processor time of a process and its children until now.
///
/// # Errors
/// Where the kernel does not count it.
pub(crate) fn spent(process: u32) -> Result<Spent, Failure> {
    let mut spent = BTreeMap::new();
    for process in family(process)? {
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?.path();
            match time(&thread) {
                Ok(time) => _ = spent.insert(thread, time),
                // It has ended since the folder was read.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound) || error.raw_os_error() == Some(NO_PROCESS) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(Spent(spent))
}

/// Processor time of one thread by its folder in `/proc`.
///
/// # Errors
/// As [`spent`], and where there is no such thread.
pub(crate) fn spent_by(thread: &Path) -> Result<Spent, Failure> {
    Ok(Spent(BTreeMap::from([(thread.to_owned(), time(thread)?)])))
}

fn time(thread: &Path) -> io::Result<Duration> {
    let text = fs::read_to_string(thread.join("schedstat"))?;
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).map(Duration::from_nanos);
    nanos.ok_or_else(|| io::Error::other("the kernel does not count processor time (CONFIG_SCHED_INFO)"))
}

/// Bytes that a process and its children hold.
///
/// # Errors
/// Where the kernel does not tell.
pub(crate) fn memory(process: u32) -> Result<f64, Failure> {
    let mut bytes = 0.0;
    for process in family(process)? {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("the kernel does not count shared memory")?;
        let kib = line.split_whitespace().next().ok_or("the kernel does not count shared memory")?;
        bytes += kib.parse::<f64>()? * 1024.0;
    }
    Ok(bytes)
}

/// Keeps a process and its children to one core, with all their threads and those to come. Without `children` it may be a thread.
///
/// # Errors
/// A core that there is not; a system without `taskset`.
pub(crate) fn pin(task: u32, core: usize, children: bool) -> Result<(), Failure> {
    let tasks = if children { family(task)? } else { vec![task] };
    for task in tasks {
        let mut command = Command::new("taskset");
        command.args(if children { &["-a", "-c", "-p"][..] } else { &["-c", "-p"] }).args([core.to_string(), task.to_string()]);
        let output = command.output().map_err(|error| format!("`taskset` (package util-linux) cannot be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("core {core}: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_counted_with_its_children() {
        let own = std::process::id();
        let before = (spent(own).unwrap(), memory(own).unwrap());
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(family(own).unwrap().contains(&child.id()));
        assert!(spent(own).unwrap().since(&before.0) > Duration::ZERO && memory(own).unwrap() > 0.0 && before.1 > 0.0);
        pin(child.id(), 0, true).unwrap();
        assert!(pin(child.id(), 4095, true).is_err());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_thread_that_ends_takes_nothing_from_the_others() {
        let reading = |threads: &[(&str, u64)]| {
            Spent(threads.iter().map(|(name, spent)| (name.into(), Duration::from_secs(*spent))).collect())
        };
        let (before, after) = (reading(&[("ended", 90), ("stays", 10)]), reading(&[("began", 3), ("stays", 12)]));
        assert_eq!(after.since(&before), Duration::from_secs(5));
    }
}
