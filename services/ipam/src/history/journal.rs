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
/// The most reads of one journal for one answer.
const MOST_READS: usize = 40;
/// The first window, in microseconds, and how fast windows grow.
const FIRST_WINDOW: u64 = 60_000_000;
const GROWTH: u64 = 8;

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
        let reaches = read(service, journal, between, |record| found.events.extend(of_record(record, address))).await?;
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
        let far = read(service, journal, between, |record| {
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
        Change::Ipam(_) | Change::Lb(_) => false,
    }
}

/// Whether IPAM's journal has a record of this time or earlier, so that its silence afterwards means something.
pub(super) async fn covers(service: &Service, at: Timestamp) -> Result<bool, Refusal> {
    let end = Timestamp(at.0.saturating_add(1));
    let oldest = history(service.ledger().mirror().store(), JOURNALS[0], (Timestamp(0), end), 1).await?;
    Ok(!oldest.records.is_empty())
}

/// Reads a journal backwards, window by window; how far back it came.
pub(super) async fn read(
    service: &Service,
    journal: &str,
    (from, to): (Timestamp, Timestamp),
    mut each: impl FnMut(&Arc<Logged>),
) -> Result<Timestamp, Refusal> {
    let store = service.ledger().mirror().store();
    let (mut end, mut window) = (to.0.saturating_add(1), FIRST_WINDOW);
    for _ in 0..MOST_READS {
        if end <= from.0 {
            break;
        }
        let start = end.saturating_sub(window).max(from.0);
        let page = history(store, journal, (Timestamp(start), Timestamp(end)), RECORDS).await?;
        if page.more && window > 1 {
            window /= GROWTH;
            continue;
        }
        page.records.iter().for_each(&mut each);
        (end, window) = (start, window.saturating_mul(GROWTH));
    }
    Ok(Timestamp(end.max(from.0)))
}

fn of_record(record: &Logged, address: IpAddr) -> Vec<Event> {
    let at = record.at();
    let entries = record.record.entries.iter().enumerate();
    let changes = entries.flat_map(|(n, entry)| entry.changes.iter().enumerate().map(move |(m, change)| (entry, change, (n, m))));
    changes
        .filter_map(|(entry, change, place)| Event::of(entry, change, address, EventKey::new(at, &record.record.batch, place)))
        .collect()
}
