//! Reading the journals backwards in windows that grow over quiet times and shrink over busy ones.

use std::net::IpAddr;
use std::sync::Arc;

use polder_core::cluster::Change;
use polder_core::id::Revision;
use polder_core::reason::Refusal;
use polder_core::schema::Schema as _;
use polder_core::time::Timestamp;
use polder_core::{ipam, lb};
use polder_proto::stored::Stored;
use polder_store::journal::{JournalChange, Logged};
use polder_store::ledger::history;
use prost::bytes::Bytes;

use super::event::{Event, EventKey};
use crate::service::Service;

/// The journals that tell of addresses.
pub(super) const JOURNALS: [&str; 2] = ["ipam", "lb"];
/// Records read at once: each may hold a whole batch.
const RECORDS: usize = 200;
/// The most reads of one journal for one page of events, and for one look at its growth.
pub(super) const MOST_READS: usize = 40;
/// The most reads of one journal for a question about a moment: as many as the whole journal takes at its usual bound.
const MOST_READS_BACK: usize = 2000;
/// The first window, in microseconds, and how fast windows grow and shrink at most.
const FIRST_WINDOW: u64 = 60_000_000;
const GROWTH: u64 = 8;
/// How many records the next window should have.
const WANTED: u64 = RECORDS as u64 / 2;

/// What was found, newest first.
pub(super) struct Found {
    pub(super) events: Vec<Event>,
    /// Everything from this time on was looked at.
    pub(super) reaches: Timestamp,
}

/// Everything that happened to an address between two times (the second included), as far back as the bounds allow.
pub(super) async fn events(service: &Service, address: IpAddr, between: (Timestamp, Timestamp)) -> Result<Found, Refusal> {
    let mut found = Found { events: Vec::new(), reaches: between.0 };
    for journal in JOURNALS {
        let reaches =
            read(service, journal, (between, MOST_READS), |record| found.events.extend(of_record(record, address))).await?;
        found.reaches = found.reaches.max(reaches);
    }
    found.events.retain(|event| event.at >= found.reaches);
    found.events.sort_unstable_by(|one, other| other.key.cmp(&one.key));
    Ok(found)
}

/// What later changes replaced, so that they can be taken back.
pub(super) struct Undo {
    /// Records as they were before, newest change first; each with when it was changed.
    pub(super) records: Vec<(Timestamp, Change)>,
    /// Everything from this time on was looked at.
    pub(super) reaches: Timestamp,
}

/// What has to be put back into a view of `revision` to see an address as it was before everything that came from `between.0` on:
/// the records that say whose it was, and the configuration. As far back as the bounds allow.
pub(super) async fn undo(
    service: &Service,
    address: IpAddr,
    revision: Revision,
    between: (Timestamp, Timestamp),
) -> Result<Undo, Refusal> {
    let (mut found, mut reaches) = (Vec::new(), between.0);
    for journal in JOURNALS {
        let far = read(service, journal, (between, MOST_READS_BACK), |record| {
            if record.revision <= revision {
                let replaced = record.record.entries.iter().flat_map(|entry| &entry.changes).enumerate();
                found.extend(
                    replaced.filter_map(|(place, change)| Some((record.revision, place, record.at(), before(change, address)?))),
                );
            }
        });
        reaches = reaches.max(far.await?);
    }
    found.sort_unstable_by_key(|(revision, place, ..)| std::cmp::Reverse((*revision, *place)));
    let records = found.into_iter().map(|(_, _, at, change)| (at, change)).collect();
    Ok(Undo { records, reaches })
}

/// The record that a change replaced, if it says anything about the address before or after.
fn before(change: &JournalChange, address: IpAddr) -> Option<Change> {
    let read = |value: Option<&Bytes>| Stored::decode(&change.key, value.map(|value| &value[..])).ok().flatten();
    let (before, after) = (read(change.before.as_ref())?, read(change.after.as_ref()));
    let concerns = concerns(&before, address) || after.is_some_and(|after| concerns(&after, address));
    concerns.then_some(before)
}

fn concerns(change: &Change, address: IpAddr) -> bool {
    match change {
        Change::Ipam(ipam::Change::Pool(..) | ipam::Change::Network(_)) => true,
        Change::Ipam(ipam::Change::Block(cidr, _)) => cidr.contains(&address),
        Change::Ipam(ipam::Change::Reservation(_, Some(kept))) => kept.ranges.iter().any(|range| range.contains(address)),
        Change::Ipam(ipam::Change::Allocation(_, Some(held))) => held.holdings.iter().any(|holding| holding.address == address),
        Change::Ipam(ipam::Change::Neighbors(_, Some(report))) => report.answering(address).next().is_some(),
        Change::Lb(lb::Change::Service(_, Some(service))) => {
            service.cluster.iter().chain(&service.external).any(|vip| vip.address == address)
        }
        Change::Lb(lb::Change::Rest(rests, _)) => *rests == address,
        Change::Ipam(_) | Change::Lb(_) | Change::Dns(_) => false,
    }
}

/// The time of the oldest record of IPAM's journal: how far back it goes.
pub(super) async fn oldest(service: &Service) -> Result<Option<Timestamp>, Refusal> {
    let everything = (Timestamp(0), Timestamp(u64::MAX));
    let first = history(service.ledger().mirror().store(), JOURNALS[0], everything, 1).await?;
    Ok(first.records.front().map(|record| record.at()))
}

/// Reads a journal backwards, window by window; how far back it came.
pub(super) async fn read(
    service: &Service,
    journal: &str,
    ((from, to), most_reads): ((Timestamp, Timestamp), usize),
    mut each: impl FnMut(&Arc<Logged>),
) -> Result<Timestamp, Refusal> {
    let store = service.ledger().mirror().store();
    let (mut end, mut window) = (to.0.saturating_add(1), FIRST_WINDOW);
    for _ in 0..most_reads {
        if end <= from.0 {
            break;
        }
        let start = end.saturating_sub(window).max(from.0);
        let page = history(store, journal, (Timestamp(start), Timestamp(end)), RECORDS).await?;
        if page.more && window > 1 {
            window = (window / GROWTH).max(1);
            continue;
        }
        page.records.iter().for_each(&mut each);
        (end, window) = (start, next(window, page.records.len() as u64));
    }
    Ok(Timestamp(end.max(from.0)))
}

/// The next window, if records stand as densely further back as in this one.
fn next(window: u64, records: u64) -> u64 {
    let wanted = window.saturating_mul(WANTED) / records.max(1);
    wanted.clamp(window / GROWTH, window.saturating_mul(GROWTH)).max(1)
}

fn of_record(record: &Logged, address: IpAddr) -> Vec<Event> {
    let at = record.at();
    let entries = record.record.entries.iter().enumerate();
    let changes = entries.flat_map(|(n, entry)| entry.changes.iter().enumerate().map(move |(m, change)| (entry, change, (n, m))));
    changes
        .filter_map(|(entry, change, place)| Event::of(entry, change, address, EventKey::new(at, &record.record.batch, place)))
        .collect()
}
