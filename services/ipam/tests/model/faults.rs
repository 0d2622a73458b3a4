//! What goes wrong while callers call.

use std::sync::Arc;
use std::time::Duration;

use polder_runtime::clock;
use polder_store::testing::Fault;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::operations::NODES;
use crate::world::{Ground, REPLICAS, World};

/// Faults until it is told to stop; then none is left, and everything goes on.
pub(crate) async fn rage(world: &World, seed: u64, stop: &CancellationToken) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bells: Vec<Arc<Notify>> = Vec::new();
    // One blow at the members of a cluster in every round: they take seconds.
    let blow = async {
        if let Ground::Etcd(_) = &world.ground {
            strike(world, StdRng::seed_from_u64(!seed)).await;
        }
    };
    let all = async {
        while !stop.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(rng.random_range(5..60))).await;
            strike_replica(world, &mut rng, &mut bells).await;
        }
    };
    futures::join!(blow, all);
    for number in 0..REPLICAS {
        let link = &world.replica(number).link;
        link.set_down(false);
        link.set_deaf(false);
        link.set_pace(Duration::ZERO);
    }
    bells.iter().for_each(|bell| bell.notify_one());
}

async fn strike_replica(world: &World, rng: &mut StdRng, bells: &mut Vec<Arc<Notify>>) {
    let number = rng.random_range(0..REPLICAS);
    let link = Arc::clone(&world.replica(number).link);
    match rng.random_range(0..100) {
        0..20 => link.next_commit(fault(rng, bells)),
        20..30 => bells.drain(..).for_each(|bell| bell.notify_one()),
        30..38 => {
            let fault = [Some(Fault::AnswerLost), Some(Fault::RequestLost), None][rng.random_range(0..3)].clone();
            Box::pin(world.crash(number, fault)).await;
        }
        38..44 => {
            link.set_down(true);
            tokio::time::sleep(Duration::from_millis(rng.random_range(1..80))).await;
            link.set_down(false);
        }
        44..50 => {
            // A watch that falls silent, and breaks before it says anything again: it never leaves out something between.
            link.set_deaf(true);
            tokio::time::sleep(Duration::from_millis(rng.random_range(1..80))).await;
            link.set_down(true);
            link.set_deaf(false);
            link.set_down(false);
        }
        50..56 => link.set_pace(Duration::from_millis(rng.random_range(0..8))),
        56..58 => world.orphan(NODES[rng.random_range(0..NODES.len())]).await,
        58..90 => clock::testing::advance(Duration::from_millis(rng.random_range(1..4000))),
        _ => clock::testing::advance(Duration::from_secs(rng.random_range(4..90))),
    }
}

fn fault(rng: &mut StdRng, bells: &mut Vec<Arc<Notify>>) -> Fault {
    match rng.random_range(0..4) {
        0 => Fault::AnswerLost,
        1 => Fault::RequestLost,
        2 => Fault::Refused,
        _ => {
            let bell = Arc::new(Notify::new());
            bells.push(Arc::clone(&bell));
            Fault::Late(bell)
        }
    }
}

/// A member of the cluster is killed, or hangs, while a replica is deaf to what is compacted meanwhile.
async fn strike(world: &World, mut rng: StdRng) {
    let Ground::Etcd(etcd) = &world.ground else { return };
    tokio::time::sleep(Duration::from_millis(rng.random_range(50..300))).await;
    let member = match rng.random_range(0..2) {
        0 => etcd.lock().await.leader().await,
        _ => rng.random_range(0..3),
    };
    match rng.random_range(0..4) {
        0 => {
            etcd.lock().await.kill_member(member);
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..500))).await;
            etcd.lock().await.restart().await;
        }
        1 => {
            etcd.lock().await.pause_member(member);
            tokio::time::sleep(Duration::from_millis(rng.random_range(100..1500))).await;
            etcd.lock().await.resume_member(member);
        }
        _ => {
            // Without its watch the replica falls behind what is kept.
            let number = rng.random_range(0..REPLICAS);
            let link = Arc::clone(&world.replica(number).link);
            link.set_down(true);
            tokio::time::sleep(Duration::from_millis(rng.random_range(100..400))).await;
            let seen = world.recorder.position();
            etcd.lock().await.compact(seen).await;
            link.set_down(false);
        }
    }
}
