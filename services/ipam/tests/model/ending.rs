//! How everything ends: when all is given back nothing is left over, and every address can be given once more.

use std::sync::Arc;
use std::time::Duration;

use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_proto::ipam::v1::*;
use polder_runtime::clock;

use crate::calls::{Ask, Reply, is_passing};
use crate::checker::{Checker, ensure};
use crate::operations::{HANDLES, NODES, beginning};
use crate::world::World;

/// How often something is asked for that must be answered.
const ATTEMPTS: usize = 20;

/// Asks until it is answered or refused.
async fn insist(world: &World, ask: Ask, at: usize) -> Result<Reply, Refusal> {
    let id = format!("insist-{:x}", rand::random::<u128>());
    let ask = Arc::new(ask.under(&id, false));
    let mut told = Err(Refusal::new(Reason::StoreUnavailable, "never asked"));
    for _ in 0..ATTEMPTS {
        told = ask.send(&world.replica(at), &world.log.begin(&ask)).await;
        if !told.as_ref().is_err_and(is_passing) {
            break;
        }
    }
    told.inspect(|reply| world.learn(reply))
}

/// Asks for something that must be given.
pub(crate) async fn must(world: &World, ask: Ask) -> Result<Reply, String> {
    insist(world, ask.clone(), 0).await.map_err(|refusal| format!("{refusal}\n  to {ask:#?}"))
}

/// 16: after everything was released, every record of the past goes by itself, and so do the blocks that nobody needs.
pub(crate) async fn nothing_is_left(world: &World, checker: &mut Checker) -> Result<(), String> {
    for name in NODES {
        must(world, Ask::RegisterNode(RegisterNodeRequest { name: name.to_owned(), ..Default::default() })).await?;
    }
    for handle in (0..HANDLES).map(|number| format!("p{number}")) {
        must(world, Ask::ReleaseAddresses(ReleaseAddressesRequest { handle, ..Default::default() })).await?;
    }
    for name in NODES {
        must(world, Ask::DeleteNode(DeleteNodeRequest { name: name.to_owned(), ..Default::default() })).await?;
    }
    let until = clock::monotonic() + Duration::from_secs(60);
    loop {
        // Longer than any record of a release is kept.
        clock::testing::advance(Duration::from_secs(700));
        tokio::time::sleep(Duration::from_millis(100)).await;
        catch_up(world, checker).await?;
        let oracle = &checker.oracle;
        let ending = oracle.reservations.values().filter(|one| one.expires.is_some()).count();
        if oracle.records.is_empty() && oracle.blocks.is_empty() && ending == 0 {
            return Ok(());
        }
        let left = || format!("left are {:#?}, {:#?}, {ending} reservations", oracle.records, oracle.blocks);
        ensure(clock::monotonic() < until, left)?;
    }
}

/// 16, 17: in pools like those of the beginning every address is free again, and is given, the last one too.
pub(crate) async fn everything_can_be_given(world: &World, checker: &mut Checker) -> Result<usize, String> {
    for name in checker.oracle.reservations.keys().map(ToString::to_string).collect::<Vec<_>>() {
        must(world, Ask::DeleteReservation(DeleteReservationRequest { name, ..Default::default() })).await?;
    }
    for name in checker.oracle.pools.keys().map(ToString::to_string).collect::<Vec<_>>() {
        must(world, Ask::DeletePool(DeletePoolRequest { name, ..Default::default() })).await?;
    }
    for name in checker.oracle.namespaces.keys().map(ToString::to_string).collect::<Vec<_>>() {
        must(world, Ask::DeleteNamespace(DeleteNamespaceRequest { name, ..Default::default() })).await?;
    }
    for ask in beginning() {
        must(world, ask).await?;
    }
    catch_up(world, checker).await?;
    let mut given = 0;
    loop {
        let owner =
            Owner { namespace: "shop".to_owned(), name: "x".to_owned(), node: NODES[given % 4].to_owned(), ..Default::default() };
        let handle = format!("fill-{given}");
        let families = vec![polder_proto::types::v1::AddressFamily::Ipv4.into()];
        let spec = Some(AllocationSpec { handle, owner: Some(owner), families, ..Default::default() });
        let ask = Ask::AllocateAddresses(AllocateAddressesRequest { spec, ..Default::default() });
        match insist(world, ask, given).await {
            Ok(_) => given += 1,
            Err(refusal) => {
                ensure(refusal.reason == Reason::PoolExhausted, || format!("it is not exhausted: {refusal}"))?;
                break;
            }
        }
    }
    catch_up(world, checker).await?;
    // Pool a has 32 addresses; pool b another 32 in blocks of 8, of which each of the four nodes may have one.
    ensure(given == 64, || format!("{given} of 64 addresses could be given"))?;
    Ok(given)
}

/// Judges everything that has happened up to now.
pub(crate) async fn catch_up(world: &World, checker: &mut Checker) -> Result<Revision, String> {
    let revision = world.settled().await;
    world.recorder.reach(revision).await;
    for batch in world.recorder.take() {
        checker.take(&batch).map_err(|why| format!("revision {}: {why}", batch.revision))?;
    }
    Ok(revision)
}
