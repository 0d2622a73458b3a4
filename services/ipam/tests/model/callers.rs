//! Callers: each sends what it draws, loses answers, asks again, at once or much later, here or there.

use std::sync::Arc;
use std::time::Duration;

use polder_core::id::Revision;
use polder_proto::ipam::v1::*;
use polder_runtime::clock;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::calls::{Ask, is_passing};
use crate::history::{Outcome, Sent};
use crate::operations::{self, HANDLES, NODES};
use crate::world::{Running, World};

/// How often a caller tries to get an answer.
const ATTEMPTS: usize = 5;

/// One caller's day.
pub(crate) async fn call(world: Arc<World>, seed: u64, requests: usize) {
    let mut rng = StdRng::seed_from_u64(seed);
    for n in 0..requests {
        match rng.random_range(0..100) {
            0..10 => late(&world, &mut rng).await,
            10..12 => reused(&world, &mut rng, &format!("{seed:x}-{n}")).await,
            12..18 => read(&world, &mut rng).await,
            18..20 => world.renew(rng.random_range(0..2), NODES[rng.random_range(0..NODES.len())]).await,
            _ => fresh(&world, &mut rng, &format!("{seed:x}-{n}")).await,
        }
    }
}

/// Something new, until it is answered or the caller gives up.
async fn fresh(world: &World, rng: &mut StdRng, id: &str) {
    if rng.random_range(0..6) == 0 {
        world.look(rng.random_range(0..2)).await;
    }
    let ask = operations::draw(rng, &world.known.lock().unwrap());
    let id = if rng.random_range(0..100) < 85 { id } else { "" };
    let ask = Arc::new(ask.under(id, rng.random_range(0..100) < 7));
    if !id.is_empty() && !ask.is_dry() {
        world.asked.lock().unwrap().push(Arc::clone(&ask));
    }
    let at = rng.random_range(0..2);
    if rng.random_range(0..100) < 15 {
        // Twice at the same time, to both.
        let (one, other) = (patience(rng), patience(rng));
        futures::join!(send(world, &ask, at, one), send(world, &ask, at + 1, other));
        return;
    }
    for attempt in 0..ATTEMPTS {
        let answered = send(world, &ask, at + attempt, patience(rng)).await;
        if answered || rng.random_range(0..4) == 0 {
            return;
        }
    }
}

/// How long the caller waits before it takes the answer for lost.
fn patience(rng: &mut StdRng) -> Duration {
    match rng.random_range(0..100) {
        0..10 => Duration::from_millis(rng.random_range(0..25)),
        _ => Duration::from_secs(30),
    }
}

/// Something old once more, whatever has happened since.
async fn late(world: &World, rng: &mut StdRng) {
    let old = {
        let asked = world.asked.lock().unwrap();
        asked.get(rng.random_range(0..asked.len().max(1))).cloned()
    };
    if let Some(old) = old {
        send(world, &old, rng.random_range(0..2), patience(rng)).await;
    }
}

/// Something new under an old id, or under one that comes again later.
async fn reused(world: &World, rng: &mut StdRng, id: &str) {
    let old = {
        let asked = world.asked.lock().unwrap();
        asked.get(rng.random_range(0..asked.len().max(1))).map_or_else(|| id.to_owned(), |ask| ask.id().to_owned())
    };
    let ask = operations::draw(rng, &world.known.lock().unwrap());
    let ask = Arc::new(ask.under(&old, false));
    send(world, &ask, rng.random_range(0..2), Duration::from_secs(30)).await;
}

/// Sends a request once, and notes everything about it. Whether it was answered.
pub(crate) async fn send(world: &World, ask: &Arc<Ask>, at: usize, patience: Duration) -> bool {
    let actor = world.log.begin(ask);
    let (began, running) = ((world.recorder.position(), clock::now()), world.replica(at));
    let asked = running.crash.run_until_cancelled(ask.send(&running, &actor));
    let outcome = match tokio::time::timeout(patience, asked).await {
        Err(_) | Ok(None) => Outcome::Lost,
        Ok(Some(Ok(reply))) => {
            world.learn(&reply);
            Outcome::Answered(Box::new(reply))
        }
        Ok(Some(Err(refusal))) if is_passing(&refusal) => Outcome::Lost,
        Ok(Some(Err(refusal))) => Outcome::Refused(Box::new(refusal)),
    };
    drop(running);
    let (answered, at) = (outcome != Outcome::Lost, clock::now());
    let ended = if answered { world.revision().await.unwrap_or(Revision(u64::MAX)) } else { Revision(u64::MAX) };
    world.log.end(Sent { actor, ask: Arc::clone(ask), began, ended: (ended, at), outcome });
    answered
}

/// Reads are answered whatever goes on, as long as the replica runs, and never find anything wrong.
async fn read(world: &World, rng: &mut StdRng) {
    let running = world.replica(rng.random_range(0..2));
    let _ = running.crash.run_until_cancelled(question(world, &running, rng)).await;
}

async fn question(world: &World, running: &Running, rng: &mut StdRng) {
    let mut allocations = running.allocations();
    match rng.random_range(0..4) {
        0 => {
            let found = allocations.check_consistency(CheckConsistencyRequest::default()).await;
            let findings = found.map(|found| found.into_inner().findings).unwrap_or_default();
            let worst = findings.iter().find(|one| one.severity() == polder_proto::types::v1::Severity::Error);
            assert_eq!(worst, None, "the service finds itself wrong");
        }
        1 => {
            let spec = Some(operations::spec(rng, &world.known.lock().unwrap()));
            let explained = allocations.explain_allocation(ExplainAllocationRequest { spec }).await;
            let told = explained.unwrap().into_inner();
            assert_ne!(told.allocation.is_some(), told.refusal.is_some(), "either an allocation or a refusal: {told:?}");
        }
        2 => {
            let address = format!("10.1.0.{}", rng.random_range(0..100));
            let found = allocations.lookup_address(LookupAddressRequest { address, at: None }).await.unwrap().into_inner();
            assert_ne!(found.standing(), AddressStanding::Unspecified, "there is always an answer");
        }
        _ => {
            let handle = format!("p{}", rng.random_range(0..HANDLES));
            let found = allocations.get_allocation(GetAllocationRequest { handle: handle.clone(), ..Default::default() }).await;
            let found = found.map(|found| found.into_inner().allocation.unwrap().handle);
            assert!(found.as_ref().is_ok_and(|found| *found == handle) || found.is_err());
        }
    }
}
