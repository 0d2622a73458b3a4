//! What a large state costs: a process that starts on it, lists of it, a pool that is filled to its last address, and nodes that are
//! told of it.
//!
//! Here figures are single numbers and not rates of a closed loop, so they have a report of their own. As in the other benchmark
//! every figure stands beside its limits from the same run, and everything that was given is counted at the end.

mod dataplane;
pub mod full_pool;
mod pages;
mod start;

use std::fmt;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use ipnet::Ipv4Net;
use polder_runtime::tasks::Failure;
use serde::Serialize;

use crate::bed::Engine;
use crate::machine::Machine;

/// Measures what a large state costs.
#[derive(Debug, Clone, Parser)]
#[command(name = "scale")]
pub struct Options {
    /// Allocations that a process starts on.
    #[arg(long, default_value_t = 100_000)]
    pub allocations: u64,
    /// The pod pool that is filled to its last address.
    #[arg(long, default_value = "10.0.0.0/16")]
    pub pool: Ipv4Net,
    /// How many nodes there are.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub nodes: u16,
    /// How many callers fill and empty.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub callers: u16,
    /// The stores to measure on.
    #[arg(long, value_enum, default_value = "etcd,embedded", value_delimiter = ',')]
    pub stores: Vec<Engine>,
    /// What to measure.
    #[arg(long, value_enum, default_value = "start,full-pool,dataplane", value_delimiter = ',')]
    pub cases: Vec<Case>,
    /// How often a process is started.
    #[arg(long, default_value_t = 3)]
    pub starts: usize,
    /// Services that nodes are told of.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub services: u32,
    /// Nodes that follow at once.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub streams: u16,
    /// Pods that become ready or unready every second, for so many seconds.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub changes: u32,
    /// See `changes`.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Where the binaries `polder-ipam`, `polder-lb` and `polder` are. By default beside this benchmark: `cargo build --release` puts them there.
    #[arg(long)]
    pub binaries: Option<PathBuf>,
    /// Also wait until the blocks of an emptied pool have been given back, which takes a minute.
    #[arg(long)]
    pub blocks: bool,
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
    /// A process that starts on a large state, what it needs, and lists of that state.
    Start,
    /// A pool that is filled to the last address, emptied, and filled again.
    FullPool,
    /// What nodes are told of many services and pods, on etcd.
    Dataplane,
    /// The same where every service has an external address that every node advertises to two routers.
    Bgp,
}

/// One number.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// The store beneath; none for the wire alone.
    pub store: Option<Engine>,
    /// What was measured.
    pub what: String,
    /// The number.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

impl Figure {
    /// A figure on a store.
    pub fn new(store: impl Into<Option<Engine>>, what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { store: store.into(), what: what.into(), value, unit }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, what, value, unit } = self;
        write!(f, "{:<9} {what:<52} {value:>12.2} {unit}", store.map_or("-", Engine::as_str))
    }
}

/// A whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where it was made.
    pub machine: Machine,
    /// Every figure, in the order in which they were taken.
    pub figures: Vec<Figure>,
}

/// Runs the cases, hands every line to `each` as soon as it is there, and returns the whole.
///
/// # Errors
/// The first case that fails: a process that does not start, a call that is refused for good, addresses that are not as they must
/// be.
pub async fn run(options: &Options, mut each: impl FnMut(&dyn fmt::Display)) -> Result<Report, Failure> {
    let mut report = Report { machine: Machine::examine().await?, figures: Vec::new() };
    each(&report.machine);
    let mut take = |figure: Figure| {
        each(&figure);
        report.figures.push(figure);
    };
    for engine in options.stores.iter().copied() {
        if options.cases.contains(&Case::Start) {
            start::measure(options, engine, &mut take).await?;
        }
        if options.cases.contains(&Case::FullPool) {
            let plan = full_pool::Plan {
                engine,
                pool: options.pool,
                nodes: options.nodes.into(),
                callers: options.callers.into(),
                wait_for_blocks: options.blocks,
            };
            full_pool::measure(&plan, &mut take).await?;
        }
        for (case, routers) in [(Case::Dataplane, 0), (Case::Bgp, 2)] {
            if engine == Engine::Etcd && options.cases.contains(&case) {
                dataplane::measure(options, routers, &mut take).await?;
            }
        }
    }
    Ok(report)
}
