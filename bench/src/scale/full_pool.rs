//! A pod pool filled to its last address, emptied, and filled again: nothing is lost, nothing leaks, nothing is refused too early.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use polder_core::reason::Reason;
use polder_proto::ipam::v1::allocation_service_client::AllocationServiceClient;
use polder_proto::ipam::v1::pool_service_client::PoolServiceClient;
use polder_proto::ipam::v1::{CheckConsistencyRequest, GetPoolUsageRequest, Pool, PoolUsage};
use polder_runtime::clock::monotonic;
use polder_runtime::link::Link;
use polder_runtime::status::decode;
use polder_runtime::tasks::Failure;

use super::Figure;
use crate::bed::{Bed, Engine};
use crate::fill::{Fill, Given};
use crate::load::{Measured, Window};
use crate::raw;
use crate::site::{self, POD_POOL};
use crate::trips::Odometer;

/// The window of the raw transactions beside it.
const RAW: Window = Window { warm_up: Duration::from_millis(500), measured: Duration::from_secs(2) };
/// How long blocks may take to be given back: a minute of grace, and a sweep or two.
const BLOCKS: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(250);

/// What is filled.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The store beneath.
    pub engine: Engine,
    /// The range of the pool; its cool-down is 0.
    pub pool: Ipv4Net,
    /// How many nodes the pods are on.
    pub nodes: usize,
    /// How many callers there are at once.
    pub callers: usize,
    /// Wait until the empty blocks have been given back.
    pub wait_for_blocks: bool,
}

/// Fills the pool to its last address, is refused one more, empties it, and does so again; everything is counted after every
/// step. Raw transactions of the same minutes stand beside it.
///
/// # Errors
/// The first thing that is not as it must be.
pub async fn measure(plan: &Plan, take: &mut impl FnMut(Figure)) -> Result<(), Failure> {
    let raw = raw::measure(plan.engine, plan.callers, RAW).await?.per_second();
    take(Figure::new(plan.engine, format!("raw transactions, {} callers", plan.callers), raw, "a second"));
    let bed = Bed::fresh(plan.engine).await;
    let serving = site::ipam(bed.store()).await?;
    let links = serving.links(plan.callers)?;
    let pods = Pool {
        ranges: vec![plan.pool.to_string()],
        max_blocks_per_node: u32::try_from(plan.size().div_ceil(64))?,
        cooldown: Some(prost_types::Duration::default()),
        ..Pool::default()
    };
    site::prepare_with(&links[0], pods, plan.nodes).await?;
    for round in 1..=2 {
        let fill = Fill { count: plan.size(), round, nodes: plan.nodes, callers: plan.callers };
        let odometer = Odometer::begin(bed.store());
        let (filled, given) = fill.allocate(&links).await?;
        rate(plan, &format!("fill {round}"), (&filled, &odometer), raw, take);
        plan.is_full(&links[0], &given).await?;
        plan.refuses(&links[0], &fill).await?;

        let odometer = Odometer::begin(bed.store());
        let emptied = fill.release(&links, given).await?;
        rate(plan, &format!("emptying {round}"), (&emptied, &odometer), raw, take);
        plan.is_empty(&links[0]).await?;
    }
    if plan.wait_for_blocks {
        plan.blocks_return(&links[0], take).await?;
    }
    drop(links);
    serving.stop().await
}

fn rate(plan: &Plan, what: &str, (measured, odometer): (&Measured, &Odometer), raw: f64, take: &mut impl FnMut(Figure)) {
    let per_second = measured.per_second();
    take(Figure::new(plan.engine, format!("{what}, {}", plan.pool), per_second, "a second"));
    take(Figure::new(plan.engine, format!("{what}, x raw"), per_second / raw, "times"));
    take(Figure::new(plan.engine, format!("{what}, p99"), measured.millis(0.99), "ms"));
    take(Figure::new(plan.engine, format!("{what}, calls a trip"), odometer.read(measured.answered).calls_per_trip, "calls"));
}

impl Plan {
    fn size(&self) -> u64 {
        1 << (32 - self.pool.prefix_len())
    }

    /// Every address of the pool was given, exactly once, and all records agree.
    async fn is_full(&self, link: &Link, given: &[Given]) -> Result<(), Failure> {
        let addresses: BTreeSet<Ipv4Addr> = given.iter().map(|(_, address)| address.parse()).collect::<Result<_, _>>()?;
        let inside = addresses.iter().filter(|address| self.pool.contains(*address)).count() as u64;
        if (given.len() as u64, addresses.len() as u64, inside) != (self.size(), self.size(), self.size()) {
            let (calls, different) = (given.len(), addresses.len());
            return Err(format!("{calls} addresses were given, {different} different ones, {inside} of the pool").into());
        }
        self.counts(link, self.size()).await
    }

    /// Nothing is held, nothing rests, everything is free again.
    async fn is_empty(&self, link: &Link) -> Result<(), Failure> {
        self.counts(link, 0).await
    }

    async fn counts(&self, link: &Link, used: u64) -> Result<(), Failure> {
        let usage = usage(link).await?;
        let of = |count: Option<polder_proto::types::v1::AddressCount>| count.map_or(0, |count| count.value);
        let counted = (of(usage.total), of(usage.used), of(usage.free), of(usage.cooling), usage.owners);
        if counted != (self.size(), used, self.size() - used, 0, used) {
            return Err(format!("{used} of {} addresses should be held and none should rest: {usage:?}", self.size()).into());
        }
        let mut client = AllocationServiceClient::new(link.clone());
        let checked = client.check_consistency(CheckConsistencyRequest::default()).await?.into_inner();
        if checked.total == 0 { Ok(()) } else { Err(format!("the records do not agree: {:?}", checked.findings).into()) }
    }

    /// One more address is refused, with the numbers that say why.
    async fn refuses(&self, link: &Link, fill: &Fill) -> Result<(), Failure> {
        let one_more = AllocationServiceClient::new(link.clone()).allocate_addresses(fill.request(self.size())).await;
        let Err(status) = one_more else { return Err("an address was given out of a full pool".into()) };
        let refusal = decode(&status);
        let size = self.size();
        let told = refusal.obstacles.iter().any(|obstacle| {
            let told: Vec<&str> = obstacle.description.split(|letter: char| !letter.is_ascii_digit()).collect();
            obstacle.subject == format!("pools/{POD_POOL}") && told.iter().filter(|word| **word == size.to_string()).count() == 2
        });
        if refusal.reason == Reason::PoolExhausted && told {
            Ok(())
        } else {
            Err(format!("a full pool must say that it has {size} addresses and that {size} are held: {refusal:?}").into())
        }
    }

    /// Empty blocks go back to the pool, but for one that every node keeps.
    async fn blocks_return(&self, link: &Link, take: &mut impl FnMut(Figure)) -> Result<(), Failure> {
        let begun = monotonic();
        loop {
            let usage = usage(link).await?;
            let blocks = usage.in_blocks.map_or(0, |count| count.value).div_ceil(64);
            if blocks <= self.nodes as u64 {
                take(Figure::new(self.engine, "blocks left to the nodes", blocks as f64, "blocks"));
                take(Figure::new(self.engine, "blocks given back after", begun.elapsed().as_secs_f64(), "s"));
                return Ok(());
            }
            if begun.elapsed() > BLOCKS {
                return Err(format!("{blocks} blocks are still lent to {} nodes that hold nothing", self.nodes).into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn usage(link: &Link) -> Result<PoolUsage, Failure> {
    let mut pools = PoolServiceClient::new(link.clone());
    let request = GetPoolUsageRequest { name: POD_POOL.to_owned(), ..Default::default() };
    Ok(pools.get_pool_usage(request).await?.into_inner().usage.ok_or("the pool has no usage")?)
}
