//! A running Polder in one of three shapes.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use polder_store::testing::Etcd;
use tempfile::TempDir;

use crate::process::Process;
use crate::tool::{self, Finished};

/// How Polder is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One process, embedded store.
    Embedded,
    /// One process, etcd.
    Etcd,
    /// Two replicas of each service and a gateway, on etcd.
    Split,
}

/// A running Polder. Everything ends when it is dropped.
pub struct Site {
    shape: Shape,
    processes: Vec<(Role, Process)>,
    etcd: Option<Etcd>,
    runtime: tokio::runtime::Runtime,
    folder: TempDir,
    resolvers: Vec<Ipv4Addr>,
}

/// One process of a site: what it serves, and which replica it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// `all`, `ipam`, `lb`, `dns` or `gateway`.
    pub part: &'static str,
    /// From 0.
    pub replica: usize,
}

impl Site {
    /// Starts a fresh site and waits until it serves.
    ///
    /// # Panics
    /// When anything does not start.
    #[must_use]
    pub fn start(shape: Shape) -> Self {
        Self::start_with(shape, &[])
    }

    /// The same, with name servers that serve on port 53 of these loopback addresses too, one for each replica.
    ///
    /// # Panics
    /// When anything does not start.
    #[must_use]
    pub fn start_with(shape: Shape, resolvers: &[Ipv4Addr]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let etcd = (shape != Shape::Embedded).then(|| runtime.block_on(Etcd::start()));
        let mut site = Self { shape, processes: Vec::new(), etcd, runtime, folder, resolvers: resolvers.to_vec() };
        site.start_processes();
        site
    }

    fn start_processes(&mut self) {
        if self.shape == Shape::Split {
            for part in ["ipam", "lb", "dns"] {
                for replica in 0..2 {
                    self.start_one(Role { part, replica });
                }
            }
            self.start_one(Role { part: "gateway", replica: 0 });
        } else {
            self.start_one(Role { part: "all", replica: 0 });
        }
    }

    /// Starts one process that is not running.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_one(&mut self, role: Role) {
        let free = |flag: &str| {
            let well_known = self.resolvers.get(role.replica).filter(|_| flag == "--dns-listen");
            let more = well_known.map(|address| format!(",{address}:53")).unwrap_or_default();
            [flag.to_owned(), format!("127.0.0.1:0{more}")]
        };
        let mut arguments: Vec<String> = Vec::new();
        let program = if role.part == "all" { "polder".to_owned() } else { format!("polder-{}", role.part) };
        match role.part {
            "all" => {
                arguments.push("up".to_owned());
                for flag in ["--grpc-listen", "--http-listen", "--dns-listen", "--metrics-listen"] {
                    arguments.extend(free(flag));
                }
                arguments.extend(["--data-dir".to_owned(), self.folder.path().join("data").display().to_string()]);
            }
            "gateway" => {
                arguments.extend(free("--http-listen").into_iter().chain(free("--metrics-listen")));
                for part in ["ipam", "lb", "dns"] {
                    arguments.extend([format!("--{part}"), self.urls(part)]);
                }
            }
            part => {
                arguments.extend(free("--grpc-listen").into_iter().chain(free("--metrics-listen")));
                if part == "dns" {
                    arguments.extend(free("--dns-listen"));
                }
            }
        }
        if let Some(etcd) = self.etcd.as_ref().filter(|_| role.part != "gateway") {
            arguments.extend(["--store".to_owned(), format!("etcd://{}", etcd.endpoints().join(","))]);
        }
        let label = format!("{}-{}", role.part, role.replica);
        let process = Process::start(self.folder.path(), &label, &program, &arguments);
        self.processes.push((role, process));
    }

    /// The gRPC addresses of a part, all its replicas, as URLs joined by commas.
    #[must_use]
    pub fn urls(&self, part: &str) -> String {
        let serves = |role: &Role| role.part == part || role.part == "all";
        let urls = self.processes.iter().filter(|(role, _)| serves(role));
        urls.map(|(_, process)| format!("http://{}", process.address("grpc"))).collect::<Vec<_>>().join(",")
    }

    /// The gRPC addresses of a part, one for each replica.
    #[must_use]
    pub fn grpc(&self, part: &str) -> Vec<String> {
        self.urls(part).split(',').map(|url| url.trim_start_matches("http://").to_owned()).collect()
    }

    /// The addresses of the name servers.
    #[must_use]
    pub fn dns(&self) -> Vec<String> {
        self.processes
            .iter()
            .filter(|(role, _)| matches!(role.part, "all" | "dns"))
            .map(|(_, process)| process.address("dns"))
            .collect()
    }

    /// The address of the gateway.
    ///
    /// # Panics
    /// When no gateway runs.
    #[must_use]
    pub fn http(&self) -> String {
        let gateway = self.processes.iter().find(|(role, _)| matches!(role.part, "all" | "gateway"));
        gateway.expect("a gateway runs").1.address("http")
    }

    /// Where the first replica of IPAM shows its metrics.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn metrics(&self) -> String {
        let ipam = self.processes.iter().find(|(role, _)| matches!(role.part, "all" | "ipam"));
        ipam.expect("ipam runs").1.address("metrics")
    }

    /// The folder of this site, for files of a test.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The etcd beneath it.
    ///
    /// # Panics
    /// When it runs on the embedded store.
    #[must_use]
    pub const fn etcd(&mut self) -> &mut Etcd {
        self.etcd.as_mut().expect("this site runs on etcd")
    }

    /// Runs something asynchronous to its end.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Kills one process with `kill -9`.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self, part: &str, replica: usize) {
        let at = self.processes.iter().position(|(role, _)| role.part == part && role.replica == replica);
        let (_, mut process) = self.processes.remove(at.expect("the process runs"));
        process.kill();
    }

    /// Kills every process of ours with `kill -9`, and starts all of them again. etcd goes on.
    pub fn crash_and_restart(&mut self) {
        for (_, process) in &mut self.processes {
            process.kill();
        }
        self.processes.clear();
        self.start_processes();
    }

    /// Ends every process of ours with SIGTERM; each must end with exit code 0.
    ///
    /// # Panics
    /// When one does not.
    pub fn drain(&mut self) {
        for (role, process) in &mut self.processes {
            assert_eq!(process.terminate(), Some(0), "{role:?} drains:\n{}", process.log());
        }
        self.processes.clear();
    }

    /// Runs the command line tool against this site.
    ///
    /// # Panics
    /// When the tool cannot be started.
    #[must_use]
    pub fn polder(&self, arguments: &[&str]) -> Finished {
        self.polder_reading(arguments, "")
    }

    /// Runs the command line tool against this site, with text on its standard input.
    ///
    /// # Panics
    /// When the tool cannot be started.
    #[must_use]
    pub fn polder_reading(&self, arguments: &[&str], input: &str) -> Finished {
        let [ipam, lb, dns] = ["ipam", "lb", "dns"].map(|part| self.urls(part));
        tool::polder(&[("POLDER_IPAM", &ipam), ("POLDER_LB", &lb), ("POLDER_DNS", &dns)], arguments, input)
    }
}

/// The path of a file of the repository.
#[must_use]
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
