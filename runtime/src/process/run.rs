//! What every `main` has in common.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Ended, Process, Program, StartError};
use crate::config::{self, ConfigError, Configured, Override, ProcessFlags, Sources};
use crate::inherit::{self, Giver, InheritError, Passed};
use crate::tasks::Failure;
use crate::tasks::signals::Signals;
use crate::telemetry::{Telemetry, TelemetryError};

/// How long threads that block may hold up the exit of a process that is done.
const LINGER: Duration = Duration::from_millis(500);

/// Why a program failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The sockets that the service manager passed cannot be used.
    #[error(transparent)]
    Inherit(#[from] InheritError),
    /// Telemetry cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// It cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It did not end well.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The system refuses threads or signal handlers.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
    /// A second signal ended it in the middle of the drain.
    #[error("ended at once by a second {0}")]
    Interrupted(&'static str),
    /// The program's own part failed.
    #[error("{0}")]
    Program(Failure),
}

/// Runs a program: configuration, telemetry, signals, `body`, and an exit code (0 after an orderly end, 1 otherwise).
///
/// `body` builds the components from the configuration, starts the process with [`Process::start`] and waits for it with
/// [`Running::wait`](super::Running::wait).
///
/// ```no_run
/// use clap::Parser;
/// use polder_runtime::component::Component;
/// use polder_runtime::config::{ProcessConfig, ProcessFlags};
/// use polder_runtime::process::{Program, run};
///
/// #[derive(Parser)]
/// struct Flags {
///     #[command(flatten)]
///     process: ProcessFlags,
/// }
///
/// fn main() -> std::process::ExitCode {
///     let program = Program { name: "polder-example", version: env!("CARGO_PKG_VERSION"), descriptors: &[] };
///     run(program, &Flags::parse().process, vec![], |process, _config: ProcessConfig| async move {
///         let running = process.start(vec![Component::new("example")]).await?;
///         println!("serving: {}", running.addresses());
///         Ok(running.wait().await?)
///     })
/// }
/// ```
pub fn run<C, B, F>(program: Program, flags: &ProcessFlags, more: Vec<Override>, body: B) -> ExitCode
where
    C: Configured + Serialize + DeserializeOwned + Default,
    B: FnOnce(Process, C) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    match try_run(program, flags, more, body) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Telemetry may not be there yet, or not any more.
            eprintln!("{}: {error}", program.name);
            ExitCode::FAILURE
        }
    }
}

fn try_run<C, B, F>(program: Program, flags: &ProcessFlags, more: Vec<Override>, body: B) -> Result<(), RunError>
where
    C: Configured + Serialize + DeserializeOwned + Default,
    B: FnOnce(Process, C) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    use_small_pages();
    let passed = inherit::passed()?;
    let overrides = [flags.overrides(), more].concat();
    let config: C = config::load(&Sources::of_process(flags.config_file(), overrides))?;
    if flags.dump_config {
        print!("{}", config::dump(&config)?);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(conduct(program, config, passed, body));
    runtime.shutdown_timeout(LINGER);
    result
}

/// Has the kernel give memory by the page. With huge ones every thread's part of the allocator is rounded up to some of 2 MiB, most of them
/// nearly empty: 20 MiB of a process, and nothing that was measured became faster by them. Some kernels give them to whoever does not ask.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        // A container may forbid it; the process is larger then.
        eprintln!("huge pages stay as the system gives them: {}", std::io::Error::from(error));
    }
}

async fn conduct<C, B, F>(program: Program, config: C, passed: Vec<Passed>, body: B) -> Result<(), RunError>
where
    C: Configured,
    B: FnOnce(Process, C) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let telemetry = Telemetry::install(program.name, program.version, &config.process().telemetry)?;
    let process = Process::new(program, config.process().clone())?;
    process.inheritance.adopt(Giver::Manager, passed);
    let stop = process.stop_token();
    let mut signals = Signals::install()?;
    let result = {
        let mut body = std::pin::pin!(body(process, config));
        tokio::select! {
            ended = &mut body => ended.map_err(RunError::Program),
            first = signals.next() => {
                tracing::info!("{first}: stopping; a second signal ends the process at once");
                stop.cancel();
                tokio::select! {
                    ended = &mut body => ended.map_err(RunError::Program),
                    second = signals.next() => Err(RunError::Interrupted(second)),
                }
            }
        }
    };
    // The exporter waits for its collector; that must not hold up the runtime it works on.
    if let Err(error) = tokio::task::spawn_blocking(move || telemetry.flush()).await {
        tracing::warn!("telemetry could not be flushed: {error}");
    }
    result
}
