//! Addresses that services gave up, and since when: what a pool with a cool-down, or one that gives the longest free address
//! first, has to know.
//!
//! A record is written in the transaction that frees the address, and goes in the one that gives it again, or by [`sweep`] when
//! time has made it useless. It holds nothing: an address with a record is free, and rests only as long as its pool says. Pools
//! that ask for none of it, the usual ones for services, cost no write.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use imbl::{OrdMap, OrdSet};

use super::record::{Change, Service, ServiceKey};
use super::runs::Runs;
use crate::cluster::Cluster;
use crate::ipam::{Order, Pool, Purpose};
use crate::net::AddrRange;
use crate::time::Timestamp;

/// How long a pool that gives the longest free address first remembers who was free since when, as it does for allocations.
const REMEMBERED: Duration = Duration::from_secs(600);

/// An address that a service gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Since when it is free.
    pub since: Timestamp,
    /// The service that held it last.
    pub holder: ServiceKey,
}

impl Rest {
    /// Until when a pool gives the address to nobody who does not name it.
    #[must_use]
    pub fn until(&self, pool: &Pool) -> Timestamp {
        self.since.after(pool.cooldown)
    }
}

/// The records with their indexes. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rests {
    records: OrdMap<IpAddr, Arc<Rest>>,
    queue: OrdSet<(Timestamp, IpAddr)>,
    runs: Runs,
}

impl Rests {
    pub(super) fn put(&mut self, address: IpAddr, rest: Option<&Arc<Rest>>) {
        if let Some(old) = self.records.remove(&address) {
            self.queue.remove(&(old.since, address));
            self.runs.remove(address);
        }
        if let Some(rest) = rest {
            self.records.insert(address, Arc::clone(rest));
            self.queue.insert((rest.since, address));
            self.runs.insert(address);
        }
    }

    pub(super) fn get(&self, address: IpAddr) -> Option<&Arc<Rest>> {
        self.records.get(&address)
    }

    /// The records in a range, in the order of the addresses.
    pub(super) fn within(&self, range: AddrRange) -> impl Iterator<Item = (IpAddr, &Arc<Rest>)> + use<'_> {
        self.records.range(range.start()..=range.end()).map(|(address, rest)| (*address, rest))
    }

    /// Every address with a record, the longest free first.
    pub(super) fn oldest(&self) -> impl Iterator<Item = (Timestamp, IpAddr)> + use<'_> {
        self.queue.iter().copied()
    }

    /// The last of the addresses with a record that follow each other from `address` on; `None` when it has none.
    pub(super) fn last_of_run(&self, address: IpAddr) -> Option<IpAddr> {
        self.runs.last_of_run(address)
    }

    /// Since when the address is free that became free next after this time.
    fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let all_of_then = (time, IpAddr::from([0xff; 16]));
        self.queue.range((Bound::Excluded(all_of_then), Bound::Unbounded)).next().map(|(since, _)| *since)
    }
}

/// What becomes of the records when `before` becomes `after`: those of addresses that nobody holds any more are made, those of
/// addresses that are given go. Of what the state holds, only the service itself changes.
pub(super) fn changes(cluster: &Cluster, before: Option<&Service>, after: Option<&Service>, now: Timestamp) -> Vec<Change> {
    let holds =
        |service: Option<&Service>, address| service.is_some_and(|service| service.vips().any(|vip| vip.address == address));
    let gone = before.into_iter().flat_map(|service| service.vips().map(move |vip| (service, vip)));
    let gone = gone.filter(|(service, vip)| {
        let others = cluster.lb.holders(vip.address).any(|holder| holder.key != service.key);
        // An address that has left its pool rests as that pool says, in case it has it again soon.
        let pool = cluster.ipam.pool_of(vip.address).or_else(|| cluster.ipam.pool(&vip.pool));
        !holds(after, vip.address) && !others && pool.is_some_and(|pool| !kept(pool).is_zero())
    });
    let made = gone.map(|(service, vip)| {
        let rest = Rest { since: now, holder: service.key.clone() };
        Change::Rest(vip.address, Some(Arc::new(rest)))
    });
    let given = after.into_iter().flat_map(Service::vips).filter(|vip| cluster.lb.rest(vip.address).is_some());
    made.chain(given.map(|vip| Change::Rest(vip.address, None))).collect()
}

/// Records that nothing looks at any more, the oldest first, at most `most` of them.
#[must_use]
pub fn sweep(cluster: &Cluster, most: usize, now: Timestamp) -> Vec<Change> {
    let over = |(since, address): &(Timestamp, IpAddr)| {
        let held = cluster.lb.holders(*address).next().is_some();
        held || since.after(pool_of(cluster, *address).map_or(Duration::ZERO, |pool| kept(pool))) <= now
    };
    cluster.lb.rests().filter(over).take(most).map(|(_, address)| Change::Rest(address, None)).collect()
}

/// The next moment at which time alone gives an address back to its pool, or makes a record useless.
#[must_use]
pub fn next_end(cluster: &Cluster, now: Timestamp) -> Option<Timestamp> {
    let pools = cluster.ipam.pools().filter(|pool| is_for_services(pool));
    let durations: BTreeSet<Duration> = pools.flat_map(|pool| [pool.cooldown, kept(pool)]).collect();
    let ends = durations.iter().filter_map(|duration| {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let since = cluster.lb.resting.next_after(Timestamp(now.0.saturating_sub(micros)))?;
        Some(since.after(*duration)).filter(|end| *end > now)
    });
    ends.min()
}

/// How long a record about the pool's addresses is of use.
fn kept(pool: &Pool) -> Duration {
    match pool.order {
        Order::Lowest => pool.cooldown,
        Order::LongestFree => pool.cooldown.max(REMEMBERED),
    }
}

fn pool_of(cluster: &Cluster, address: IpAddr) -> Option<&Arc<Pool>> {
    cluster.ipam.pool_of(address).filter(|pool| is_for_services(pool))
}

fn is_for_services(pool: &Pool) -> bool {
    matches!(pool.purpose, Purpose::ClusterService | Purpose::ExternalService)
}
