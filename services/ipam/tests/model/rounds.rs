//! Rounds of trouble, each followed by a rest in which everything that happened is judged.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use polder_core::id::Revision;
use polder_proto::ipam::v1::ListAllocationsRequest;
use polder_runtime::clock;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bench::until;
use crate::callers;
use crate::checker::Checker;
use crate::ending::{self, catch_up};
use crate::faults;
use crate::operations;
use crate::probes;
use crate::replies::Replies;
use crate::watchers::Watcher;
use crate::world::{Ground, REPLICAS, World};

const CALLERS: usize = 6;
const REQUESTS: usize = 150;
const SECONDS: u64 = 45;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// Runs rounds for as long as it is told to, at least one.
pub(crate) async fn run(name: &str, ground: Ground) {
    let seed = from_environment("POLDER_SEED").unwrap_or_else(rand::random::<u64>);
    let seconds = from_environment("POLDER_MODEL_SECONDS").unwrap_or(SECONDS);
    println!("{name}: seed {seed}; repeat with POLDER_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let world = Arc::new(World::on(ground).await);
    let (mut checker, mut replies) = (Checker::new(Arc::clone(&world.log), world.beginning), Replies::default());
    for ask in operations::beginning() {
        or_fail(seed, ending::must(&world, ask).await);
    }
    let watchers: Vec<Watcher> = (0..REPLICAS).map(|number| Watcher::of(&world, number)).collect();
    let end = clock::monotonic() + Duration::from_secs(seconds);
    let (mut rounds, mut agreed) = (0, 0);
    while rounds == 0 || clock::monotonic() < end {
        Box::pin(trouble(&world, rng.random())).await;
        agreed += or_fail(seed, rest(&world, &mut checker, &mut replies, &mut rng).await);
        for watcher in &watchers {
            or_fail(seed, watcher.knows(&world, &mut checker).await);
        }
        rounds += 1;
    }
    or_fail(seed, ending::nothing_is_left(&world, &mut checker).await);
    let given = or_fail(seed, ending::everything_can_be_given(&world, &mut checker).await);
    println!("{name}: {rounds} rounds, {} revisions, {agreed} predictions, {given} given in the end", checker.moments.len());
    println!(
        "{name}: {} answers of which {} repeated; watches {:?}",
        replies.answered,
        replies.repeated,
        watchers.iter().map(Watcher::figures).collect::<Vec<_>>()
    );
    println!("{name}: committed {:?}; refused {:?}", checker.methods, replies.refused);
}

fn or_fail<T, E: Display>(seed: u64, outcome: Result<T, E>) -> T {
    outcome.unwrap_or_else(|why| panic!("with POLDER_SEED={seed}: {why}"))
}

/// Callers call, and everything that can go wrong does.
async fn trouble(world: &Arc<World>, seed: u64) {
    let stop = CancellationToken::new();
    let mut callers = JoinSet::new();
    for n in 0..CALLERS as u64 {
        callers.spawn(callers::call(Arc::clone(world), seed.wrapping_add(n), REQUESTS));
    }
    let called = async {
        callers.join_all().await;
        stop.cancel();
    };
    futures::join!(called, faults::rage(world, seed, &stop));
    world.clear().await;
}

/// Everything has come to rest, and is judged.
async fn rest(world: &Arc<World>, checker: &mut Checker, replies: &mut Replies, rng: &mut StdRng) -> Result<usize, String> {
    clock::testing::advance(probes::LONG);
    quiet(world, checker).await?;
    replies.take(checker, &world.log.take())?;
    undisturbed(world, checker, async |checker| probes::shows_the_state(world, checker).await).await?;
    let agreed = probes::tells_what_will_be(world, rng).await?;
    quiet(world, checker).await?;
    probes::remembers(world, checker, rng).await?;
    let addresses = probes::some_addresses(rng);
    undisturbed(world, checker, async |checker| probes::tells_the_history(world, checker, &addresses).await).await?;
    Ok(agreed)
}

/// What a probe finds in a state that has not moved meanwhile. On a slow machine the time of an orphan, given by a probe before, may
/// run out while the next one looks.
async fn undisturbed(
    world: &World,
    checker: &mut Checker,
    probe: impl AsyncFn(&Checker) -> Result<(), String>,
) -> Result<(), String> {
    loop {
        let before = quiet(world, checker).await?;
        let found = probe(checker).await;
        if found.is_ok() || catch_up(world, checker).await? == before {
            return found;
        }
    }
}

/// Waits until nobody has anything to do, and both replicas have heard of everything. The revision at which that is so.
async fn quiet(world: &World, checker: &mut Checker) -> Result<Revision, String> {
    loop {
        let before = catch_up(world, checker).await?;
        for number in 0..REPLICAS {
            let running = world.replica(number);
            until(|| async {
                let listed = running.allocations().list_allocations(ListAllocationsRequest::default()).await;
                listed.is_ok_and(|listed| listed.into_inner().revision >= before.0)
            })
            .await;
        }
        // Two turns of the sweep and the undertaker.
        tokio::time::sleep(Duration::from_millis(250)).await;
        let after = catch_up(world, checker).await?;
        if after == before {
            return Ok(after);
        }
    }
}
