//! Whoever is asked: started, kept to one core, and known to answer.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::ValueEnum;
use polder_dns::Echo;
use polder_runtime::tasks::Failure;
use serde::Serialize;
use tempfile::TempDir;

use super::ask::Asking;
use super::mix::ZONE;
use super::peers::{Recipe, ZONE_FILE, coredns, knot, nsd};
use super::{Options, start};
use crate::bed::Bed;
use crate::child::Running;
use crate::state::NAMESPACE;
use crate::usage::{self, Spent};

/// How often a server is looked at until it has read its zone, and how long each look takes.
const LOOKS: u32 = 120;
const LOOK: Duration = Duration::from_secs(1);
/// Where a peer's complaints go, in its folder.
const COMPLAINTS: &str = "complaints";

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `polder-dns`, the real binary.
    Polder,
    /// The same of another build (`--before`).
    Before,
    /// The loop of `polder-dns` without DNS: every datagram goes back as it came.
    Echo,
    /// NSD (Debian package `nsd`).
    Nsd,
    /// Knot (Debian package `knot`).
    Knot,
    /// CoreDNS with its plugin `file`.
    Coredns,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Polder => "polder-dns",
            Self::Before => "polder-dns before",
            Self::Echo => "UDP echo",
            Self::Nsd => "NSD",
            Self::Knot => "Knot",
            Self::Coredns => "CoreDNS",
        })
    }
}

/// One that runs. It ends when this is dropped.
pub(super) struct Server {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    held: Held,
}

enum Held {
    Ours(Running),
    Echo(EchoThread),
    Peer(Peer),
}

impl Server {
    /// Starts one. `None` when its program is not installed.
    pub(super) async fn start(kind: Kind, options: &Options, bed: &Bed, zone: &str) -> Result<Option<Self>, Failure> {
        let mut held = match kind {
            Kind::Polder => Held::Ours(start("polder-dns", bed, options).await?),
            Kind::Before => {
                let options = Options { binaries: options.before.clone(), ..options.clone() };
                Held::Ours(start("polder-dns", bed, &options).await?)
            }
            Kind::Echo => Held::Echo(EchoThread::start(options.server_core)?),
            Kind::Nsd | Kind::Knot | Kind::Coredns => match Peer::start(kind, zone)? {
                Some(peer) => Held::Peer(peer),
                None => return Ok(None),
            },
        };
        let (address, process) = match &held {
            Held::Ours(running) => (running.dns.ok_or("the process serves no DNS")?, Some(running.id())),
            Held::Echo(echo) => (echo.address, None),
            Held::Peer(peer) => (peer.address, Some(peer.child.id())),
        };
        if let Some(process) = process {
            held.serves(address).await.map_err(|error| format!("{kind}: {error}"))?;
            usage::pin(process, options.server_core, true)?;
        }
        Ok(Some(Self { kind, address, held }))
    }

    /// Processor time until now.
    pub(super) fn spent(&self) -> Result<Spent, Failure> {
        match &self.held {
            Held::Ours(running) => usage::spent(running.id()),
            Held::Echo(echo) => usage::spent_by(&echo.thread),
            Held::Peer(peer) => usage::spent(peer.child.id()),
        }
    }

    /// Bytes of memory; the echo is no process.
    pub(super) fn memory(&self) -> Result<Option<f64>, Failure> {
        Ok(match &self.held {
            Held::Ours(running) => Some(usage::memory(running.id())?),
            Held::Echo(_) => None,
            Held::Peer(peer) => Some(usage::memory(peer.child.id())?),
        })
    }
}

impl Held {
    /// Waits until it has read the zone.
    async fn serves(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let name = format!("app-0.{NAMESPACE}.svc.{ZONE}");
        let mut asking = Asking::of(address).await?;
        let mut last = Ok(());
        for _ in 0..LOOKS {
            last = asking.until_served(&name, LOOK).await;
            if last.is_ok() {
                break;
            }
            if let Self::Peer(peer) = self {
                peer.must_run()?;
            }
        }
        last
    }
}

/// The echo is a thread of this process: it alone is counted and kept to a core.
struct EchoThread {
    address: SocketAddr,
    thread: PathBuf,
    stop: Arc<AtomicBool>,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl EchoThread {
    fn start(core: usize) -> Result<Self, Failure> {
        let echo = Echo::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let (address, stop) = (echo.address, Arc::new(AtomicBool::new(false)));
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let stopping = Arc::clone(&stop);
        let running = std::thread::spawn(move || {
            // Its place is asked for by whoever waits for it; if that one has gone, nobody needs it.
            _ = tell.send(std::fs::read_link("/proc/thread-self"));
            echo.run(&stopping)
        });
        let place = told.recv()??;
        let number = place.file_name().and_then(|name| name.to_str()?.parse().ok()).ok_or("a thread has no number")?;
        usage::pin(number, core, false)?;
        Ok(Self { address, thread: Path::new("/proc").join(place), stop, running: Some(running) })
    }
}

impl Drop for EchoThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // What went wrong with it showed in the turns.
        _ = self.running.take().map(JoinHandle::join);
    }
}

/// A program that is not ours.
struct Peer {
    address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Peer {
    fn start(kind: Kind, zone: &str) -> Result<Option<Self>, Failure> {
        let folder = tempfile::tempdir()?;
        let address = Echo::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.address;
        let recipe = match kind {
            Kind::Nsd => nsd(address, folder.path()),
            Kind::Knot => knot(address, folder.path()),
            Kind::Polder | Kind::Before | Kind::Echo | Kind::Coredns => coredns(address),
        };
        let Recipe { program, arguments, environment, config: (file, text) } = recipe;
        std::fs::write(folder.path().join(ZONE_FILE), zone)?;
        std::fs::write(folder.path().join(file), text)?;
        let mut command = Command::new(program);
        command.args(arguments).envs(environment.iter().copied()).current_dir(folder.path());
        let complaints = File::create(folder.path().join(COMPLAINTS))?;
        let spawned = command.stdin(Stdio::null()).stdout(complaints.try_clone()?).stderr(complaints).spawn();
        match spawned {
            Ok(child) => Ok(Some(Self { address, child, folder })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("`{program}` cannot be started: {error}").into()),
        }
    }
}

impl Peer {
    fn must_run(&mut self) -> Result<(), Failure> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let complaints = std::fs::read_to_string(self.folder.path().join(COMPLAINTS))?;
        Err(format!("it ended with {status}: {}", complaints.trim()).into())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // In order, so that it ends its children.
        if matches!(self.child.try_wait(), Ok(None)) {
            _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        }
        _ = self.child.wait();
    }
}
