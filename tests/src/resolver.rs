//! Other people's resolvers: what each of them makes of a name server's answers.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::site::repository;
use crate::tool::{Finished, run};

/// What a server said, in the terms that all clients have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `NOERROR`, `NXDOMAIN`, …
    pub rcode: String,
    /// Records as `NAME TYPE DATA` in lower case.
    pub answer: BTreeSet<String>,
    /// The same of the authority section.
    pub authority: BTreeSet<String>,
    /// The AA flag.
    pub authoritative: bool,
}

/// Asks with one of the programs that print as dig does: dig itself, kdig, drill.
///
/// # Panics
/// When the program is not there, or prints something else.
#[must_use]
pub fn printed(program: &str, server: &str, name: &str, rtype: &str, tcp: bool) -> Said {
    let (host, port) = server.rsplit_once(':').expect("an address with a port");
    let at = format!("@{host}");
    let arguments: Vec<&str> = match (program, tcp) {
        ("drill", true) => vec!["-t", "-p", port, name, rtype, &at],
        ("drill", false) => vec!["-u", "-p", port, name, rtype, &at],
        (_, true) => vec![&at, "-p", port, "+tcp", name, rtype],
        (_, false) => vec![&at, "-p", port, "+notcp", "+time=5", name, rtype],
    };
    let text = run(program, &arguments).out;
    let after = |mark: &str| text.split(mark).nth(1).map(|rest| rest.split([',', ';', '\n']).next().unwrap_or_default().trim());
    let rcode = after("status: ").or_else(|| after("rcode: ")).unwrap_or_else(|| panic!("{program}: {text}"));
    let flags = text.split("flags: ").nth(1).or_else(|| text.split("Flags: ").nth(1)).unwrap_or_default();
    let authoritative = flags.split([';', ':']).next().is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "aa"));
    let section = |title: &str| {
        let lines = text.lines().skip_while(|line| !line.starts_with(&format!(";; {title} SECTION")));
        let records = lines.skip(1).take_while(|line| !line.starts_with(";;")).filter(|line| !line.trim().is_empty());
        records.map(record).collect()
    };
    Said { rcode: rcode.to_owned(), answer: section("ANSWER"), authority: section("AUTHORITY"), authoritative }
}

/// `name ttl class type data` as `name type data`.
fn record(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, rtype, data) = (words[0].to_lowercase(), words[3], words[4..].join(" ").to_lowercase());
    format!("{name} {rtype} {data}")
}

/// Asks with dnspython, every question by UDP and TCP.
///
/// # Panics
/// When it is not there, or the transports do not agree.
#[must_use]
pub fn dnspython(server: &str, questions: &[(String, String)]) -> Vec<Said> {
    let (host, port) = server.rsplit_once(':').expect("an address with a port");
    // That of the distribution, for which its package of dnspython is.
    let mut command = Command::new("/usr/bin/python3");
    command.arg(repository("tests/clients/ask.py")).args([host, port]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python starts");
    let asked: String = questions.iter().map(|(name, rtype)| format!("{name} {rtype}\n")).collect();
    child.stdin.take().expect("a pipe").write_all(asked.as_bytes()).expect("it reads");
    let out = Finished::from(child.wait_with_output().expect("it ends")).ok();
    let lines = |value: &Value| value.as_array().expect("a list").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let said = out.lines().map(|line| {
        let value: Value = serde_json::from_str(line).expect("a line of JSON");
        Said {
            rcode: value["rcode"].as_str().expect("text").to_owned(),
            answer: lines(&value["answer"]),
            authority: lines(&value["authority"]),
            authoritative: value["authoritative"] == true,
        }
    });
    said.collect()
}

/// A program that asks the C library it was built with.
#[derive(Debug)]
pub struct Library {
    program: PathBuf,
    settings: PathBuf,
}

impl Library {
    /// Builds the program with this compiler (`cc` for glibc, `musl-gcc` for musl). It asks the server at this address, port 53,
    /// with the search path that pods of `namespace` have.
    ///
    /// # Panics
    /// When the compiler is not there.
    #[must_use]
    pub fn new(folder: &Path, compiler: &str, server: &str, namespace: &str) -> Self {
        let (program, settings) = (folder.join(format!("lookup-{compiler}")), folder.join("resolv.conf"));
        let source = repository("tests/clients/lookup.c");
        let _ = run(compiler, &["-o", &program.display().to_string(), &source.display().to_string()]).ok();
        let search = format!("search {namespace}.svc.cluster.local svc.cluster.local cluster.local\n");
        let text = format!("nameserver {server}\n{search}options ndots:5 timeout:5 attempts:3\n");
        std::fs::write(&settings, text).expect("a file can be written");
        Self { program, settings }
    }

    /// What the library finds, sorted; nothing where it finds none.
    ///
    /// # Panics
    /// When no name space for the library's settings can be made: that needs root.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Vec<String> {
        let bind = format!("mount --bind {} /etc/resolv.conf && exec {} {name}", self.settings.display(), self.program.display());
        let finished = run("unshare", &["--mount", "sh", "-c", &bind]);
        assert!(finished.code == 0 || finished.code == 1 && !finished.err.contains("mount"), "{finished:?}");
        let mut found: Vec<String> = finished.out.lines().map(str::to_owned).collect();
        found.sort();
        found.dedup();
        found
    }
}
