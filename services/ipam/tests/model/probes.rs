//! What holds whenever nothing is under way: reads tell the state, trying out tells what will be, the past is what it was.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use polder_core::id::Revision;
use polder_core::ipam::lookup::lookup;
use polder_core::net::Family;
use polder_core::reason::Refusal;
use polder_core::time::Timestamp;
use polder_proto::convert::common::show_time;
use polder_proto::convert::ipam::lookup as convert;
use polder_proto::ipam::v1::*;
use polder_proto::types::v1::AddressCount;
use polder_runtime::clock;
use polder_runtime::status::decode;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tonic::{Response, Status};

use crate::calls::{Ask, Reply, is_passing};
use crate::checker::{Checker, Moment, ensure};
use crate::operations;
use crate::world::{REPLICAS, Running, World};

/// Everything rests enough, and every reservation that ends has ended, after this.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// How many revisions a lookup in the past goes back: the service reads a bounded part of the journal for one.
const LOOKED_BACK: usize = 150;

/// How many requests are explained, tried out and then made.
const PREDICTIONS: usize = 30;

/// Every replica shows the state that the history ends in.
pub(crate) async fn shows_the_state(world: &World, checker: &Checker) -> Result<(), String> {
    let wanted: BTreeMap<String, Vec<String>> = checker
        .oracle
        .held()
        .map(|held| (held.handle.to_string(), held.holdings.iter().map(|holding| holding.address.to_string()).collect()))
        .collect();
    for number in 0..REPLICAS {
        let running = world.replica(number);
        let all = ListAllocationsRequest { page_size: 1000, ..Default::default() };
        let told = running.allocations().list_allocations(all).await.unwrap().into_inner();
        let told: BTreeMap<String, Vec<String>> = told
            .allocations
            .into_iter()
            .map(|one| (one.handle, one.addresses.into_iter().map(|address| address.address).collect()))
            .collect();
        ensure(told == wanted, || format!("replica {number} lists {told:#?}\n  and held is {wanted:#?}"))?;
        usage(&running, checker).await?;
    }
    Ok(())
}

/// 3: how full every pool is follows from who holds what.
async fn usage(replica: &Running, checker: &Checker) -> Result<(), String> {
    let oracle = &checker.oracle;
    for pool in oracle.pools.values() {
        let request = GetPoolUsageRequest { name: pool.name.to_string(), limit: 0 };
        let told = replica.pools().get_pool_usage(request).await.unwrap().into_inner().usage.unwrap_or_default();
        let now = clock::now();
        let addresses = || pool.ranges.iter().flat_map(|range| range.iter());
        let used = addresses().filter(|address| oracle.owners.contains_key(address)).count() as u64;
        let free = addresses().filter(|address| oracle.is_free(*address, now)).count() as u64;
        let count = |told: Option<AddressCount>| told.map_or(0, |told| told.value);
        let (told_used, told_free) = (count(told.used), count(told.free));
        ensure((told_used, told_free) == (used, free), || {
            format!("pool {} has {used} used and {free} free addresses, and is told to have {told_used} and {told_free}", pool.name)
        })?;
    }
    Ok(())
}

/// 20: an explanation, a dry run and the real thing agree, when nothing happens between them.
pub(crate) async fn tells_what_will_be(world: &World, rng: &mut StdRng) -> Result<usize, String> {
    let mut agreed = 0;
    for n in 0..PREDICTIONS {
        let spec = operations::spec(rng, &world.known.lock().unwrap());
        let begun = world.settled().await;
        let prediction = predict(world, n, spec).await;
        let ended = world.settled().await;
        if [&prediction.dry, &prediction.real].into_iter().any(|told| told.as_ref().is_err_and(is_passing)) {
            continue;
        }
        let made = matches!(&prediction.real, Ok(Reply::AllocateAddresses(real)) if !real.existing);
        // Else the sweep came between, or the replica had not heard of the last change yet.
        if ended.0 == begun.0 + u64::from(made) && prediction.explained.revision == begun.0 {
            agreed += 1;
            ensure(prediction.agrees(), || format!("{prediction:#?}"))?;
        }
    }
    Ok(agreed)
}

/// What was told of a request, and what came of it.
#[derive(Debug)]
struct Prediction {
    explained: ExplainAllocationResponse,
    dry: Result<Reply, Refusal>,
    real: Result<Reply, Refusal>,
}

async fn predict(world: &World, at: usize, spec: AllocationSpec) -> Prediction {
    let running = world.replica(at);
    let request = ExplainAllocationRequest { spec: Some(spec.clone()) };
    let explained = running.allocations().explain_allocation(request).await.unwrap().into_inner();
    let ask = Ask::AllocateAddresses(AllocateAddressesRequest { spec: Some(spec), ..Default::default() });
    let dry = ask.clone().under("", true).send(&running, "nobody").await;
    let ask = Arc::new(ask);
    let real = ask.send(&running, &world.log.begin(&ask)).await;
    Prediction { explained, dry, real }
}

impl Prediction {
    fn agrees(&self) -> bool {
        let given = |one: &Option<Allocation>| one.as_ref().map(|given| given.addresses.clone());
        match (&self.real, &self.dry) {
            (Ok(Reply::AllocateAddresses(real)), Ok(Reply::AllocateAddresses(dry))) => {
                given(&real.allocation) == given(&dry.allocation)
                    && (real.existing, &real.impact, &real.shortfalls) == (dry.existing, &dry.impact, &dry.shortfalls)
                    && given(&self.explained.allocation) == given(&real.allocation)
            }
            (Err(real), Err(dry)) => {
                let told = self.explained.refusal.as_ref().map(|refusal| refusal.reason.as_str());
                real == dry && told == Some(real.reason.as_str())
            }
            _ => false,
        }
    }
}

/// 19: whose an address was at a time is what the state of that time says.
pub(crate) async fn remembers(world: &World, checker: &Checker, rng: &mut StdRng) -> Result<(), String> {
    // One answer looks only so far back.
    let skipped = checker.moments.len().saturating_sub(LOOKED_BACK).max(12);
    let moments: Vec<(Revision, &Moment)> =
        checker.moments.iter().map(|(revision, moment)| (*revision, moment)).skip(skipped).collect();
    for n in 0..12 {
        let (_, moment) = moments[rng.random_range(0..moments.len())];
        let at = Timestamp(moment.at.0 + rng.random_range(0..3));
        // Of several batches of one microsecond the last one counts.
        let (revision, moment) = moments.iter().rev().find(|(_, moment)| moment.at <= at).ok_or("no state of that time")?;
        if checker.foreign_after(*revision) {
            continue;
        }
        let address: IpAddr = match rng.random_range(0..3) {
            0 => Family::V6.address(u128::from(0xfd00_u16) << 112 | rng.random_range(0..64)),
            _ => Family::V4.address(u128::from(u32::from_be_bytes([10, 1, 0, rng.random_range(0..100)]))),
        };
        let running = world.replica(n);
        let request = LookupAddressRequest { address: address.to_string(), at: Some(show_time(at)) };
        let told = insist(|| running.allocations(), async |mut client| client.lookup_address(request.clone()).await).await?;
        let wanted = convert::show(&moment.cluster.ipam, &lookup(&moment.cluster, address, at));
        let handle = |one: &LookupAddressResponse| one.allocation.as_ref().map(|held| (held.handle.clone(), held.uid.clone()));
        let gist = |one: &LookupAddressResponse| (one.standing(), one.pool.clone(), one.reservation.clone(), handle(one));
        ensure(gist(&told) == gist(&wanted), || format!("{address} at {at:?} ({revision}):\n  told {told:#?}\n  was {wanted:#?}"))?;
    }
    Ok(())
}

/// Addresses of which many had holders.
pub(crate) fn some_addresses(rng: &mut StdRng) -> [IpAddr; 4] {
    std::array::from_fn(|_| Family::V4.address(u128::from(u32::from_be_bytes([10, 1, 0, rng.random_range(0..100)]))))
}

/// 19: the history of an address is every change of its holder, once.
pub(crate) async fn tells_the_history(world: &World, checker: &Checker, addresses: &[IpAddr]) -> Result<(), String> {
    for (n, address) in addresses.iter().copied().enumerate() {
        let mut told = whole_history(world, n, address, checker.first().at).await?;
        told.reverse();
        let wanted = checker.holders_of(address);
        ensure(told == wanted, || format!("the history of {address} is {wanted:#?}\n  and told as {told:#?}"))?;
    }
    Ok(())
}

/// The uids of everybody who got or lost an address, newest first. One answer looks only so far back, and says how far.
async fn whole_history(world: &World, at: usize, address: IpAddr, first: Timestamp) -> Result<Vec<String>, String> {
    let (mut told, mut page_token, mut end_time) = (Vec::new(), String::new(), None);
    loop {
        let address = address.to_string();
        let request = ListAddressHistoryRequest { address, page_size: 7, page_token, end_time, ..Default::default() };
        let running = world.replica(at);
        let page = insist(|| running.allocations(), async |mut client| client.list_address_history(request.clone()).await).await?;
        let owners = page.events.into_iter().filter_map(|event| event.object).filter(|object| object.kind != "reservation");
        told.extend(owners.map(|object| object.uid));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            if page.oldest.is_none_or(|oldest| read_time(&oldest) <= first) {
                return Ok(told);
            }
            end_time = page.oldest;
        }
    }
}

fn read_time(time: &prost_types::Timestamp) -> Timestamp {
    Timestamp(u64::try_from(time.seconds * 1_000_000 + i64::from(time.nanos) / 1000).unwrap())
}

/// Asks until the store behind a replica is not too slow to answer.
async fn insist<C, T>(client: impl Fn() -> C, ask: impl AsyncFn(C) -> Result<Response<T>, Status>) -> Result<T, String> {
    let until = clock::monotonic() + Duration::from_secs(30);
    loop {
        match ask(client()).await.map_err(|status| decode(&status)) {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(refusal) => ensure(is_passing(&refusal) && clock::monotonic() < until, || refusal.to_string())?,
        }
    }
}
