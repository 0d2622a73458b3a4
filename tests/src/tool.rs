//! Our command line tool, and other people's clients: a missing one fails the test.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::process::binary;

/// What a finished program printed, and how it ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Finished {
    /// Its output.
    ///
    /// # Panics
    /// When it did not end well.
    #[must_use]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self.out
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a program to its end.
///
/// # Panics
/// When it cannot be started: `make deps` installs what the tests use.
#[must_use]
pub fn run(program: impl Into<PathBuf>, arguments: &[&str]) -> Finished {
    let program = program.into();
    match Command::new(&program).args(arguments).output() {
        Ok(output) => output.into(),
        Err(error) => panic!("`{}` cannot be started ({error}): `make deps` installs what the tests use", program.display()),
    }
}

/// Runs our command line tool to its end, with text on its standard input. Of the environment's `POLDER_` variables it sees
/// those in `environment` and no others.
///
/// # Panics
/// When it cannot be started, or `input` is more than a pipe holds.
#[must_use]
pub fn polder(environment: &[(&str, &str)], arguments: &[&str], input: &str) -> Finished {
    assert!(input.len() < 1 << 16, "written before anything is read");
    let mut command = Command::new(binary("polder"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POLDER_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the tool starts");
    // One that refuses its arguments is gone before it has read anything.
    let _ = child.stdin.take().expect("its standard input is a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("the tool ends").into()
}

/// The real grpcurl: `$GRPCURL`, or the one on the path.
#[must_use]
pub fn grpcurl(arguments: &[&str]) -> Finished {
    run(std::env::var_os("GRPCURL").map_or_else(|| PathBuf::from("grpcurl"), PathBuf::from), arguments)
}

/// Asks a name server with dig: the answers, one a line, in `+short` form and sorted.
#[must_use]
pub fn dig(server: &str, question: &[&str]) -> Vec<String> {
    let mut arguments = vec!["+short", "+time=2", "+tries=2"];
    arguments.extend(question);
    let mut lines: Vec<String> = dig_raw(server, &arguments).ok().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Asks a name server with dig and gives everything it prints.
#[must_use]
pub fn dig_raw(server: &str, arguments: &[&str]) -> Finished {
    let (host, port) = server.rsplit_once(':').expect("an address with a port");
    let (at, port) = (format!("@{host}"), port.to_owned());
    let mut all = vec![at.as_str(), "-p", port.as_str()];
    all.extend(arguments);
    run("dig", &all)
}
