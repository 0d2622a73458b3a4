//! How fast pools fill, out of the journals.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use polder_core::cluster::Change;
use polder_core::ipam::forecast::Growth;
use polder_core::ipam::{self, Pool, View};
use polder_core::lb;
use polder_core::net::Name;
use polder_core::reason::Refusal;
use polder_core::schema::Schema as _;
use polder_core::time::Timestamp;
use polder_proto::stored::Stored;
use polder_runtime::clock;
use polder_store::journal::{JournalChange, Logged};
use prost::bytes::Bytes;

use super::journal::{JOURNALS, MOST_READS, read};
use crate::service::Service;

/// How far back it looks.
const PERIOD: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many addresses of each pool were taken and given up since a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trends {
    since: Timestamp,
    net: BTreeMap<Name, i64>,
}

impl Trends {
    /// The growth of a pool; a pool that is younger than the time that was looked at grows since it was made.
    pub(crate) fn of(&self, pool: &Pool) -> Growth {
        let net = self.net.get(&pool.name).copied().unwrap_or(0);
        Growth { since: self.since.max(pool.meta.created), net }
    }
}

/// Reads the last week of the journals, as far as their bounds allow.
///
/// # Errors
/// `STORE_UNAVAILABLE`, `DATA_CORRUPT`.
pub(crate) async fn trends(service: &Service) -> Result<Trends, Refusal> {
    let now = clock::now();
    let from = Timestamp(now.0.saturating_sub(u64::try_from(PERIOD.as_micros()).unwrap_or(u64::MAX)));
    let snapshot = service.view()?;
    let (mut moves, mut since) = (Vec::new(), from);
    for journal in JOURNALS {
        let reaches =
            read(service, journal, ((from, now), MOST_READS), |record| count(&snapshot.view.ipam, record, &mut moves)).await?;
        since = since.max(reaches);
    }
    let mut net = BTreeMap::new();
    for (_, pool, by) in moves.into_iter().filter(|(at, ..)| *at >= since) {
        *net.entry(pool).or_default() += by;
    }
    Ok(Trends { since, net })
}

/// What a record of the journal took out of which pool and gave back to which.
fn count(view: &View, record: &Logged, moves: &mut Vec<(Timestamp, Name, i64)>) {
    for change in record.record.entries.iter().flat_map(|entry| &entry.changes) {
        let (before, after) = (held(change, change.before.as_ref()), held(change, change.after.as_ref()));
        let (given, taken) =
            (before.difference(&after).map(|address| (address, -1)), after.difference(&before).map(|address| (address, 1)));
        for (address, by) in given.chain(taken) {
            moves.extend(view.pool_of(*address).map(|pool| (record.at(), pool.name.clone(), by)));
        }
    }
}

/// The addresses that a record holds.
fn held(change: &JournalChange, value: Option<&Bytes>) -> BTreeSet<IpAddr> {
    match value.and_then(|value| Stored::decode(&change.key, Some(value)).ok().flatten()) {
        Some(Change::Ipam(ipam::Change::Allocation(_, Some(record)))) if record.is_held() => {
            record.holdings.iter().map(|holding| holding.address).collect()
        }
        Some(Change::Lb(lb::Change::Service(_, Some(service)))) => service.vips().map(|vip| vip.address).collect(),
        _ => BTreeSet::new(),
    }
}
