//! One child process: its address book, its log, its end.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::wait::eventually;

/// The path of one of the workspace's binaries.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let found = test.ancestors().skip(1).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("the binary `{name}` is not built: run `cargo build --workspace --bins` first, as `make test` does")
    })
}

/// A running binary of ours, which has said that it serves. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    addresses: Value,
}

impl Process {
    /// Starts a binary with a log and a ready file in `folder`, and waits until it serves.
    ///
    /// # Panics
    /// With its log when it ends, or does not serve in time.
    #[must_use]
    pub fn start(folder: &Path, label: &str, program: &str, arguments: &[String]) -> Self {
        Self::start_with(folder, label, program, arguments, &[])
    }

    /// As [`Self::start`], with environment variables.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with(folder: &Path, label: &str, program: &str, arguments: &[String], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary(program));
        command.args(arguments).envs(environment.iter().copied());
        let log = log(folder, label);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file handle can be copied")).stderr(log);
        Self::launch(folder, label, command)
    }

    /// As [`Self::start_with`], with a UDP socket and a TCP listener that are passed as systemd does it.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with_sockets(
        (folder, label): (&Path, &str),
        (program, arguments): (&str, &[String]),
        environment: &[(&str, &str)],
        sockets: (OwnedFd, OwnedFd),
    ) -> Self {
        // The shell becomes the program, so its number is that of the program.
        const PASS: &str =
            r#"exec 3<&0 4<&1 0</dev/null 1>&2; export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=dns:dns; exec "$@""#;
        let mut command = Command::new("sh");
        command.args(["-c", PASS, "sh"]).arg(binary(program)).args(arguments).envs(environment.iter().copied());
        command.stdin(sockets.0).stdout(sockets.1).stderr(log(folder, label));
        Self::launch(folder, label, command)
    }

    fn launch(folder: &Path, label: &str, mut command: Command) -> Self {
        let (log, ready) = (folder.join(format!("{label}.log")), folder.join(format!("{label}.ready")));
        let _ = std::fs::remove_file(&ready);
        command.arg("--ready-file").arg(&ready).env("RUST_BACKTRACE", "1");
        let mut child = command.spawn().expect("the binary starts");
        // What was passed is open here too as long as the command lives.
        drop(command);
        let addresses = eventually(&format!("{label} serves"), || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("{label} ended with {status}:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            let text = std::fs::read_to_string(&ready).map_err(|_| std::fs::read_to_string(&log).unwrap_or_default())?;
            serde_json::from_str(&text).map_err(|error| error.to_string())
        });
        Self { child, log, addresses }
    }

    /// An address it has bound: `grpc`, `http` or `dns`.
    ///
    /// # Panics
    /// When it has not bound one of that kind.
    #[must_use]
    pub fn address(&self, kind: &str) -> String {
        self.addresses[kind].as_str().unwrap_or_else(|| panic!("no {kind} address in {}", self.addresses)).to_owned()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// `kill -TERM`, and gives the exit code once it has drained.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn terminate(&mut self) -> Option<i32> {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "the signal can be sent");
        self.ended()
    }

    /// Waits until it has ended, and gives its exit code.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn ended(&mut self) -> Option<i32> {
        eventually("the process ends", || self.child.try_wait().ok().flatten().ok_or_else(|| "still running".to_owned())).code()
    }

    /// What the kernel says of it (`/proc/<pid>/status`) under this name.
    ///
    /// # Panics
    /// When it says nothing.
    #[must_use]
    pub fn kernel_says(&self, name: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process runs");
        let value = status.lines().filter_map(|line| line.split_once(':')).find(|(other, _)| *other == name);
        value.unwrap_or_else(|| panic!("no {name} in {status}")).1.trim().to_owned()
    }

    /// Everything it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

fn log(folder: &Path, label: &str) -> File {
    File::options().create(true).append(true).open(folder.join(format!("{label}.log"))).expect("the log can be opened")
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}
