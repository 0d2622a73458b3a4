//! Processes of ours as an operator starts them: the real binaries, from their start to their readiness and to their end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use polder_runtime::clock::monotonic;
use polder_runtime::link::Link;
use polder_runtime::tasks::Failure;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::machine::cpu_time_of;

/// How long a process may take until it is ready, or has ended.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// A running process. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    uri: String,
    /// Where it answers DNS queries, if it does.
    pub(crate) dns: Option<SocketAddr>,
    /// From its start until it said that it serves.
    pub(crate) ready_after: Duration,
    /// Processor time that it used until then, which others on the same machine do not make longer; `None` where the system does
    /// not tell.
    pub(crate) spent: Option<Duration>,
    _folder: TempDir,
}

/// What a process needs of memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: f64,
    /// At most until now.
    pub(crate) peak: f64,
}

/// The path of a binary of the workspace: in `folder`, or beside this program.
fn binary(name: &str, folder: Option<&Path>) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let folders = folder.into_iter().chain(own.ancestors().skip(1).filter(|_| folder.is_none()));
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| format!("`{name}` is not built: run `cargo build --release --bins` first, as `make bench` does").into())
}

impl Running {
    /// Starts a binary and waits until its health says SERVING.
    pub(crate) async fn start(name: &str, arguments: &[String], binaries: Option<&Path>) -> Result<Self, Failure> {
        let path = binary(name, binaries)?;
        let folder = tempfile::tempdir()?;
        let ready = folder.path().join("ready");
        let mut command = Command::new(path);
        command
            .args(arguments)
            .arg("--ready-file")
            .arg(&ready)
            .args(["--log-filter", "warn"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let begun = monotonic();
        let child = command.spawn()?;
        let mut running = Self { child, uri: String::new(), dns: None, ready_after: Duration::ZERO, spent: None, _folder: folder };
        while running.uri.is_empty() {
            running.must_run(begun.elapsed())?;
            if let Ok(text) = std::fs::read_to_string(&ready) {
                let addresses: Value = serde_json::from_str(&text)?;
                let at = addresses.get("grpc").and_then(Value::as_str).ok_or("the process serves no gRPC")?;
                running.uri = format!("http://{at}");
                running.dns = addresses.get("dns").and_then(Value::as_str).map(str::parse).transpose()?;
            } else {
                sleep(PAUSE).await;
            }
        }
        let mut health = HealthClient::new(running.link()?);
        while !serves(&mut health).await {
            running.must_run(begun.elapsed())?;
            sleep(PAUSE).await;
        }
        running.ready_after = begun.elapsed();
        running.spent = cpu_time_of(&running.child.id().to_string());
        Ok(running)
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn must_run(&mut self, so_far: Duration) -> Result<(), Failure> {
        match self.child.try_wait()? {
            Some(status) => Err(format!("the process ended with {status}").into()),
            None if so_far > PATIENCE => Err(format!("the process was not ready within {PATIENCE:?}").into()),
            None => Ok(()),
        }
    }

    /// A link to it, with a connection of its own.
    pub(crate) fn link(&self) -> Result<Link, Failure> {
        Ok(Link::remote(&[self.uri.as_str()], None)?)
    }

    /// Processor time that it has used until now; `None` where the system does not tell.
    pub(crate) fn spent_until_now(&self) -> Option<Duration> {
        cpu_time_of(&self.child.id().to_string())
    }

    /// What it needs; `None` where the system does not tell.
    pub(crate) fn memory(&self) -> Option<Memory> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let of = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0)
        };
        Some(Memory { resident: of("VmRSS:")?, peak: of("VmHWM:")? })
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let begun = monotonic();
        while sent.success() && begun.elapsed() < PATIENCE {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the process ended with {status}").into()),
                None => sleep(PAUSE).await,
            }
        }
        Err("the process did not end".into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

async fn serves(health: &mut HealthClient<Link>) -> bool {
    let answer = health.check(HealthCheckRequest { service: String::new() }).await;
    answer.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving)
}
