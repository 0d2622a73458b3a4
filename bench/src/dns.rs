//! The name server beside others, in one run: what a query costs, how fast a change is served, what a service takes of memory.
//!
//! The real `polder-dns` on an etcd with many services, Knot, NSD and CoreDNS with the zone that it exports, and its own loop as an
//! echo, the floor of all. Each has one core, the client (Debian's dnsperf) has another, and they take turns round by round. The
//! figure to compare is the server's processor time for a query: rates depend on who else uses the machine.

mod ask;
mod client;
mod mix;
mod peers;
mod propagation;
mod queries;
mod row;
mod servers;
mod starts;

use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use polder_runtime::tasks::Failure;
use serde::Serialize;

use crate::bed::{Bed, Engine};
use crate::child::Running;
use crate::machine::Machine;
use crate::scale::Figure;
use crate::state::State;
use crate::usage;

pub use mix::Mix;
pub use row::{Cost, Latency, Row};
pub use servers::Kind;

const MIB: f64 = 1024.0 * 1024.0;

/// Measures the name server beside others.
#[derive(Debug, Clone, Parser)]
#[command(name = "dns")]
pub struct Options {
    /// Services that there are; several numbers, separated by commas, are measured one after the other.
    #[arg(long, default_value = "10000,100000", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub services: Vec<u32>,
    /// What to measure.
    #[arg(long, value_enum, default_value = "start,queries,propagation", value_delimiter = ',')]
    pub cases: Vec<Case>,
    /// Who is asked, in turns.
    #[arg(long, value_enum, default_value = "polder,echo,nsd,knot,coredns", value_delimiter = ',')]
    pub servers: Vec<Kind>,
    /// What is asked.
    #[arg(long, value_enum, default_value = "hits,mixed", value_delimiter = ',')]
    pub mixes: Vec<Mix>,
    /// How often everybody has a turn.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Seconds of a turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Services that are made one after the other to see when they are served.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub changes: u32,
    /// The core of the server.
    #[arg(long, default_value_t = 0)]
    pub server_core: usize,
    /// The core of the client.
    #[arg(long, default_value_t = 1)]
    pub client_core: usize,
    /// Where the binaries `polder-dns` and `polder-lb` are. By default beside this benchmark: `cargo build --release` puts them there.
    #[arg(long)]
    pub binaries: Option<PathBuf>,
    /// Where the `polder-dns` of another build is, which then has its turns too.
    #[arg(long)]
    pub before: Option<PathBuf>,
    /// Also write the report as JSON to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// From the start of the server until it serves, from the store and from its file of saved names, and what it takes of memory then.
    Start,
    /// What queries cost.
    Queries,
    /// From the making of a service until it is served.
    Propagation,
}

/// A whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where it was made.
    pub machine: Machine,
    /// What queries cost.
    pub rows: Vec<Row>,
    /// Everything else, in the order in which it was taken.
    pub figures: Vec<Figure>,
    /// Who should have been measured and is not installed, and what brings it.
    pub missing: Vec<String>,
}

impl Report {
    fn figure(&mut self, each: &mut impl FnMut(&dyn fmt::Display), what: String, value: f64, unit: &'static str) {
        let figure = Figure::new(Engine::Etcd, what, value, unit);
        each(&figure);
        self.figures.push(figure);
    }
}

/// Runs the cases, hands every line to `each` as soon as it is there, and returns the whole.
///
/// # Errors
/// The first case that fails: a program that does not start, an answer that is not what the mix says. A peer that is not installed is no
/// failure: a line says so, and what installs it.
pub async fn run(options: &Options, mut each: impl FnMut(&dyn fmt::Display)) -> Result<Report, Failure> {
    let mut report = Report { machine: Machine::examine().await?, rows: Vec::new(), figures: Vec::new(), missing: Vec::new() };
    each(&report.machine);
    let bed = Bed::fresh(Engine::Etcd).await;
    let idle = start("polder-dns", &bed, options).await?;
    let empty = usage::memory(idle.id())?;
    report.figure(&mut each, "polder-dns without services, PSS".to_owned(), empty / MIB, "MiB");
    idle.stop().await?;
    drop(bed);
    for services in options.services.iter().copied() {
        let bed = Bed::fresh(Engine::Etcd).await;
        State { services, pods: 0, nodes: 0, routers: 0 }.fill(bed.store()).await?;
        if options.cases.contains(&Case::Start) {
            starts::measure(options, &bed, (services, empty), &mut |what, value, unit| report.figure(&mut each, what, value, unit))
                .await?;
        }
        if options.cases.contains(&Case::Queries) {
            queries::measure(options, &bed, services, &mut report, &mut each).await?;
        }
        if options.cases.contains(&Case::Propagation) {
            propagation::measure(options, &bed, services, &mut |what, value, unit| report.figure(&mut each, what, value, unit))
                .await?;
        }
    }
    Ok(report)
}

/// A process of ours on a store, with free ports; a name server has one UDP thread, as the others have.
async fn start(program: &str, bed: &Bed, options: &Options) -> Result<Running, Failure> {
    start_with(program, &format!("etcd://{}", bed.etcd_members().join(",")), None, options).await
}

/// The same on any store; a name server keeps its names in the file.
async fn start_with(program: &str, store: &str, file: Option<&Path>, options: &Options) -> Result<Running, Failure> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("polder.toml");
    let free = "127.0.0.1:0";
    let mut arguments = vec!["--grpc-listen", free, "--metrics-listen", free];
    if program == "polder-dns" {
        let file = file.map(|file| format!("saved_file = {:?}\n", file.display().to_string())).unwrap_or_default();
        std::fs::write(&config, format!("[dns]\nworkers = 1\n{file}"))?;
        arguments.extend(["--dns-listen", free, "--config", config.to_str().ok_or("the temporary folder is not text")?]);
    }
    arguments.extend(["--store", store]);
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    Running::start(program, &arguments, options.binaries.as_deref()).await
}
