//! Polder's benchmark: allocations per second through the real IPAM service, beside what the store and the wire allow.
//!
//! One run measures, for every number of callers: a bare tonic echo (the limit of the wire), the same echo behind Polder's
//! server stack, on each store raw transactions (the limit of the store) and the service itself, over a socket and over a local
//! link, and on etcd the way in which a peer keeps addresses there. So every figure stands beside its limits from the same machine
//! and the same minutes. Stores are fresh for every case and lie in temporary folders; nothing is left behind.

pub mod bed;
mod child;
pub mod dns;
pub mod echo;
mod fill;
pub mod goipam;
pub mod load;
pub mod machine;
pub mod options;
pub mod peer;
pub mod program;
pub mod raw;
pub mod report;
pub mod scale;
mod site;
mod state;
pub mod trips;
mod usage;
pub mod workload;

use std::time::Duration;

use polder_runtime::tasks::Failure;

use bed::{Bed, Engine};
use load::Window;
use machine::Machine;
use options::Options;
use report::{Case, PUBLISHED, Report, Row, Table};
use trips::Odometer;
use workload::Phase;

/// Runs all cases, hands every row to `each` as soon as it is there, and returns the whole.
///
/// # Errors
/// The first case that fails: a call that was refused for good, or addresses that are not as they must be.
pub async fn run(options: &Options, mut each: impl FnMut(Table<'_>)) -> Result<Report, Failure> {
    let machine = Machine::examine().await?;
    let mut report = Report { machine, seconds: options.seconds, warm_up: options.warm_up, rows: Vec::new(), published: PUBLISHED };
    each(Table::Head);
    let mut take = |row| each(Table::Line(report.take(row)));
    for callers in options.callers.iter().copied().map(usize::from) {
        echoes(options, callers, &mut take).await?;
        for engine in options.stores.iter().copied() {
            on_store(options, engine, callers, &mut take).await?;
        }
    }
    each(Table::Foot(&report));
    Ok(report)
}

/// The cases without a store of ours.
async fn echoes(options: &Options, callers: usize, take: &mut impl FnMut(Row)) -> Result<(), Failure> {
    let window = options.window();
    if let Some(uri) = options.go_ipam.as_deref().filter(|_| options.wants(Case::GoIpam)) {
        take(Row::new(Case::GoIpam, &goipam::acquire(uri, callers, window).await?).on(Engine::Etcd));
    }
    if options.wants(Case::Echo) {
        take(Row::new(Case::Echo, &echo::bare(callers, window).await?));
    }
    for (case, local) in [(Case::StackEcho, false), (Case::StackEchoLocally, true)] {
        if options.wants(case) {
            take(Row::new(case, &echo::behind_the_stack(callers, window, local).await?));
        }
    }
    Ok(())
}

/// The cases on a store.
async fn on_store(options: &Options, engine: Engine, callers: usize, take: &mut impl FnMut(Row)) -> Result<(), Failure> {
    let window = options.window();
    if options.wants(Case::RawTransaction) {
        take(Row::new(Case::RawTransaction, &raw::measure(engine, callers, window).await?).on(engine));
    }
    if engine == Engine::Etcd && options.wants(Case::WholePrefix) {
        take(Row::new(Case::WholePrefix, &peer::whole_prefix(callers, window).await?).on(engine));
    }
    for (cases, local) in [([Case::Allocate, Case::Release], false), ([Case::AllocateLocally, Case::ReleaseLocally], true)] {
        if cases.iter().any(|case| options.wants(*case)) {
            let rows = service(engine, callers, window, local).await?;
            rows.into_iter().filter(|row| options.wants(row.case)).for_each(&mut *take);
        }
    }
    Ok(())
}

/// Measures the service on a fresh store, allocation and then release, and verifies in the end what it holds.
///
/// # Errors
/// As [`run`].
pub async fn service(engine: Engine, callers: usize, window: Window, local: bool) -> Result<[Row; 2], Failure> {
    let bed = Bed::fresh(engine).await;
    let serving = site::ipam(bed.store()).await?;
    let links = if local { vec![serving.local()] } else { serving.links(callers)? };
    site::prepare(&links[0]).await?;

    let odometer = Odometer::begin(bed.store());
    let (allocated, held) = workload::allocate(&links, callers, window).await?;
    let case = if local { Case::AllocateLocally } else { Case::Allocate };
    let allocated = row(case, engine, &allocated, &odometer);
    held.verify(&links[0]).await?;

    let odometer = Odometer::begin(bed.store());
    let (released, held) = workload::release(&links, held, Window { warm_up: Duration::ZERO, ..window }).await?;
    let case = if local { Case::ReleaseLocally } else { Case::Release };
    let released = row(case, engine, &released, &odometer);
    held.verify(&links[0]).await?;

    drop(links);
    serving.stop().await?;
    Ok([allocated, released])
}

fn row(case: Case, engine: Engine, phase: &Phase, odometer: &Odometer) -> Row {
    let trips = odometer.read(phase.measured.answered);
    Row { retries: phase.retries, trips: Some(trips), ..Row::new(case, &phase.measured).on(engine) }
}
