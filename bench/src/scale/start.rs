//! A process that starts on a large state: the time from its start to its readiness, and its memory.

use std::time::Duration;

use polder_proto::ipam::v1::Pool;
use polder_runtime::tasks::Failure;
use tempfile::TempDir;

use super::{Figure, Options, pages};
use crate::bed::{Bed, Engine};
use crate::child::{Memory, Running};
use crate::fill::Fill;
use crate::site::{connections, prepare_with};

/// Room for any number of allocations that is asked for.
const PODS: &str = "10.0.0.0/8";
const MIB: f64 = 1024.0 * 1024.0;

/// The store beneath real processes.
enum Ground {
    Etcd(Bed),
    Folder(TempDir),
}

impl Ground {
    async fn fresh(engine: Engine) -> Result<Self, Failure> {
        Ok(match engine {
            Engine::Etcd => Self::Etcd(Bed::fresh(engine).await),
            Engine::Embedded => Self::Folder(tempfile::tempdir()?),
        })
    }

    /// Starts the process that belongs to this store: IPAM alone on etcd, everything on the embedded store.
    async fn start(&self, options: &Options) -> Result<Running, Failure> {
        let mut arguments: Vec<String> = Vec::new();
        let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
        let free = || "127.0.0.1:0".to_owned();
        add("--grpc-listen", free());
        add("--metrics-listen", free());
        let program = match self {
            Self::Etcd(bed) => {
                add("--store", format!("etcd://{}", bed.etcd_members().join(",")));
                "polder-ipam"
            }
            Self::Folder(folder) => {
                add("--http-listen", free());
                add("--dns-listen", free());
                add("--data-dir", folder.path().display().to_string());
                arguments.insert(0, "up".to_owned());
                "polder"
            }
        };
        Running::start(program, &arguments, options.binaries.as_deref()).await
    }
}

/// Fills a store, starts fresh processes on it, and asks the last one for lists.
///
/// # Errors
/// A process that does not start or end, a call that fails for good, a state that is not what was put into it.
pub(super) async fn measure(options: &Options, engine: Engine, take: &mut impl FnMut(Figure)) -> Result<(), Failure> {
    let ground = Ground::fresh(engine).await?;
    let first = ground.start(options).await?;
    let empty = first.memory();
    started(engine, 0, &first, take);
    let fill = Fill {
        count: options.allocations,
        round: 1,
        nodes: options.nodes.into(),
        // The more callers, the larger the batches, and the sooner it is full.
        callers: usize::from(options.callers) * 4,
    };
    let links = (0..connections(fill.callers)).map(|_| first.link()).collect::<Result<Vec<_>, _>>()?;
    let most_blocks = u32::try_from(options.allocations / 64 + 64)?;
    let pods = Pool { ranges: vec![PODS.to_owned()], max_blocks_per_node: most_blocks, ..Pool::default() };
    prepare_with(&links[0], pods, fill.nodes).await?;
    let (filled, given) = fill.allocate(&links).await?;
    take(Figure::new(engine, format!("fill, {} callers", fill.callers), filled.per_second(), "a second"));
    memory(engine, "after the fill", (empty, first.memory()), options.allocations, take);
    drop(links);
    first.stop().await?;

    for _ in 1..options.starts {
        let running = ground.start(options).await?;
        started(engine, options.allocations, &running, take);
        running.stop().await?;
    }
    let running = ground.start(options).await?;
    started(engine, options.allocations, &running, take);
    memory(engine, "after the start", (empty, running.memory()), options.allocations, take);
    pages::measure(&running.link()?, engine, &fill, &given, take).await?;
    running.stop().await
}

fn started(engine: Engine, allocations: u64, running: &Running, take: &mut impl FnMut(Figure)) {
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    take(Figure::new(engine, format!("start to SERVING, {allocations} allocations"), millis(running.ready_after), "ms"));
    if let Some(spent) = running.spent {
        take(Figure::new(engine, format!("the same in processor time, {allocations} allocations"), millis(spent), "ms"));
    }
}

/// `memory` is that of the empty process and that of the full one.
fn memory(engine: Engine, when: &str, memory: (Option<Memory>, Option<Memory>), allocations: u64, take: &mut impl FnMut(Figure)) {
    let (Some(empty), Some(now)) = memory else { return };
    take(Figure::new(engine, format!("resident {when}"), now.resident / MIB, "MiB"));
    take(Figure::new(engine, format!("resident at most, {when}"), now.peak / MIB, "MiB"));
    let each = (now.resident - empty.resident) / allocations.max(1) as f64;
    take(Figure::new(engine, format!("resident for each allocation, {when}"), each, "bytes"));
}
