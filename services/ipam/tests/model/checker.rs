//! Going through the history commit by commit: every entry of every batch is judged, and every revision is audited.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use polder_core::cluster::{Change, Cluster};
use polder_core::id::{Revision, Uid};
use polder_core::ipam;
use polder_core::ipam::{Severity, audit};
use polder_core::schema::Schema as _;
use polder_core::time::Timestamp;
use polder_proto::stored::Stored;
use polder_store::backend::{Batch, Event};
use polder_store::journal::{JournalEntry, JournalRecord};
use prost::Message as _;
use prost::bytes::Bytes;

use crate::calls::Ask;
use crate::history::Log;
use crate::invariants::Step;
use crate::oracle::Oracle;

/// An entry of the journal with where and when it happened.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) revision: Revision,
    pub(crate) entry: Arc<JournalEntry>,
}

/// The state at one revision.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// When its batch was planned; of the one before for a revision that no batch made.
    pub(crate) at: Timestamp,
    pub(crate) cluster: Cluster,
    /// What each request of its batch but the last one left.
    within: Vec<Cluster>,
}

/// Everything that the history has told so far.
pub(crate) struct Checker {
    log: Arc<Log>,
    pub(crate) oracle: Oracle,
    pub(crate) moments: BTreeMap<Revision, Moment>,
    /// By request id, and by actor.
    pub(crate) by_id: BTreeMap<String, Entry>,
    pub(crate) by_actor: BTreeMap<String, Vec<Entry>>,
    stored: BTreeMap<Bytes, Bytes>,
    /// Every time that an address got or lost a holder.
    holders: Vec<(IpAddr, Uid)>,
    at: Timestamp,
    /// How many entries of the journal changed something, by method.
    pub(crate) methods: BTreeMap<String, usize>,
}

const JOURNAL: &[u8] = b"/polder/ipam/journal/";
const HEADS: &[u8] = b"/polder/ipam/head/";
const ALIVE: &[u8] = b"/polder/ipam/alive/";

impl Checker {
    pub(crate) fn new(log: Arc<Log>, beginning: Revision) -> Self {
        let moments = BTreeMap::from([(beginning, Moment { at: Timestamp(0), cluster: Cluster::default(), within: Vec::new() })]);
        let (by_id, by_actor, stored) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            log,
            oracle: Oracle::default(),
            moments,
            by_id,
            by_actor,
            stored,
            holders: Vec::new(),
            at: Timestamp(0),
            methods: BTreeMap::new(),
        }
    }

    /// What an actor of the journal sent.
    pub(crate) fn ask(&self, actor: &str) -> Option<Arc<Ask>> {
        self.log.ask(actor)
    }

    /// The state after the first commit.
    pub(crate) fn first(&self) -> &Moment {
        self.moments.values().nth(1).unwrap()
    }

    /// The newest state.
    pub(crate) fn now(&self) -> (Revision, &Moment) {
        let (revision, moment) = self.moments.last_key_value().unwrap();
        (*revision, moment)
    }

    /// Every state from one revision to another that a decision may rest on: the one that held at the first, and all that followed,
    /// those between two requests of one batch too. Each with its time.
    pub(crate) fn between(&self, from: Revision, to: Revision) -> impl Iterator<Item = (Timestamp, &Cluster)> {
        let first = self.moments.range(..=from).next_back().map(|(revision, _)| *revision).unwrap_or_default();
        let moments = self.moments.range(first..=to);
        moments.flat_map(move |(revision, moment)| {
            let within = moment.within.iter().filter(move |_| *revision > first);
            within.chain([&moment.cluster]).map(|cluster| (moment.at, cluster))
        })
    }

    /// Whether somebody who keeps no journal wrote after a revision.
    pub(crate) fn foreign_after(&self, revision: Revision) -> bool {
        self.moments.range(revision..).skip(1).any(|(later, _)| self.log.is_strangers(*later))
    }

    /// The uids of those who got and lost an address, in turn.
    pub(crate) fn holders_of(&self, address: IpAddr) -> Vec<String> {
        self.holders.iter().filter(|(of, _)| *of == address).map(|(_, uid)| uid.to_string()).collect()
    }

    /// Takes the next commit.
    ///
    /// # Errors
    /// What it breaks.
    pub(crate) fn take(&mut self, batch: &Batch) -> Result<(), String> {
        let last = self.now().0;
        ensure(batch.revision.0 == last.0 + 1, || format!("{} follows {last}", batch.revision))?;
        let (journal, rest): (Vec<&Event>, Vec<&Event>) = batch.events.iter().partition(|event| event.key.starts_with(JOURNAL));
        let (_, records): (Vec<&Event>, Vec<&Event>) =
            rest.into_iter().partition(|event| event.key.starts_with(HEADS) || event.key.starts_with(ALIVE));
        let (mut cluster, mut within) = (self.now().1.cluster.clone(), Vec::new());
        match journal.first().and_then(|event| event.value.as_ref()) {
            Some(value) => {
                let record = JournalRecord::decode(&value[..]).map_err(|error| error.to_string())?;
                ensure(!record.barred || records.is_empty(), || "a barred batch changes something".to_owned())?;
                self.at = self.at.max(Timestamp(record.at_micros));
                let moved = self.fold(&record)?;
                within = self.entries(&mut cluster, batch.revision, &record)?;
                self.agrees(moved, &records)?;
            }
            None if records.is_empty() => {}
            None => {
                ensure(self.log.is_strangers(batch.revision), || "records change without an entry in the journal".to_owned())?;
                self.stranger(&mut cluster, &records)?;
            }
        }
        self.audit(&cluster)?;
        self.moments.insert(batch.revision, Moment { at: self.at, cluster, within });
        Ok(())
    }

    /// 19: every entry begins with what the one before it left, and what the last one leaves is what is stored.
    fn fold(&mut self, record: &JournalRecord) -> Result<BTreeMap<Bytes, Option<Bytes>>, String> {
        let mut moved = BTreeMap::new();
        for change in record.entries.iter().flat_map(|entry| &entry.changes) {
            let key = || change.key.escape_ascii();
            ensure(self.stored.get(&change.key) == change.before.as_ref(), || format!("{} was something else before", key()))?;
            match &change.after {
                Some(after) => self.stored.insert(change.key.clone(), after.clone()),
                None => self.stored.remove(&change.key),
            };
            moved.insert(change.key.clone(), change.after.clone());
        }
        Ok(moved)
    }

    fn agrees(&self, moved: BTreeMap<Bytes, Option<Bytes>>, records: &[&Event]) -> Result<(), String> {
        let stored: BTreeMap<Bytes, Option<Bytes>> = records.iter().map(|event| (event.key.clone(), event.value.clone())).collect();
        // What is made and deleted again in one batch is no event.
        let told: BTreeMap<_, _> = moved.into_iter().filter(|(key, after)| after.is_some() || stored.contains_key(key)).collect();
        ensure(told == stored, || format!("the journal tells {:?}, stored is {:?}", told.keys(), stored.keys()))
    }

    fn entries(&mut self, cluster: &mut Cluster, revision: Revision, record: &JournalRecord) -> Result<Vec<Cluster>, String> {
        let (now, mut within) = (Timestamp(record.at_micros), Vec::new());
        for entry in &record.entries {
            *self.methods.entry(entry.method.clone()).or_default() += usize::from(!entry.changes.is_empty());
            let known = Entry { revision, entry: Arc::new(entry.clone()) };
            self.by_actor.entry(entry.actor.clone()).or_default().push(known.clone());
            if !entry.request_id.is_empty() {
                // 4, 5: one change for one request id, for ever.
                let again = self.by_id.insert(entry.request_id.clone(), known);
                ensure(again.is_none(), || {
                    format!("request id {} is answered again: {entry:#?}, first {again:#?}", entry.request_id)
                })?;
            }
            let changes: Vec<ipam::Change> =
                entry.changes.iter().filter_map(|change| decode(&change.key, change.after.as_ref())).collect();
            let before = self.oracle.clone();
            let ask = self.log.ask(&entry.actor);
            let told = |why| format!("{why}\n  in {} of {}: {ask:#?}\n  {changes:#?}", entry.method, entry.actor);
            let moves = self.oracle.apply(&changes, now).map_err(told)?;
            for one in &moves {
                let uids = [&one.from, &one.to].into_iter().flatten().map(|held| (one.address, held.meta.uid));
                self.holders.extend(uids);
            }
            ensure(ask.as_ref().is_none_or(|ask| !ask.is_dry()), || format!("{} was only to be tried out", entry.method))?;
            let step = Step {
                method: &entry.method,
                ask: ask.as_deref(),
                now,
                changes: &changes,
                moves: &moves,
                before: &before,
                view: cluster,
                after: &self.oracle,
            };
            step.judge().map_err(|why| format!("{why}\n  in {} of {}: {ask:#?}", entry.method, entry.actor))?;
            changes.iter().for_each(|change| cluster.ipam.apply(change));
            within.push(cluster.clone());
        }
        within.pop();
        Ok(within)
    }

    /// Somebody else writes, as a restored backup or an import does.
    fn stranger(&mut self, cluster: &mut Cluster, records: &[&Event]) -> Result<(), String> {
        let changes: Vec<ipam::Change> = records.iter().filter_map(|event| decode(&event.key, event.value.as_ref())).collect();
        self.oracle.apply(&changes, self.at).map_err(|why| format!("{why}\n  by a stranger"))?;
        changes.iter().for_each(|change| cluster.ipam.apply(change));
        for event in records {
            match &event.value {
                Some(value) => self.stored.insert(event.key.clone(), value.clone()),
                None => self.stored.remove(&event.key),
            };
        }
        Ok(())
    }

    /// 1, 3: the service's own audit of everything, and the oracle's of who holds what.
    fn audit(&self, cluster: &Cluster) -> Result<(), String> {
        let found = audit::audit(cluster);
        let worst = found.findings.iter().find(|finding| finding.severity == Severity::Error);
        ensure(worst.is_none(), || format!("the audit finds {worst:?}"))?;
        for (address, held) in &self.oracle.owners {
            let indexed = cluster.ipam.held(*address).map(|found| found.meta.uid);
            ensure(indexed == Some(held.meta.uid), || format!("{address} is {}'s, and the view says {indexed:?}", held.handle))?;
        }
        for namespace in cluster.ipam.namespaces_in_use() {
            let (counted, told) = (self.oracle.pod_addresses(namespace), cluster.ipam.pod_addresses(namespace));
            ensure(counted == told, || format!("{namespace} holds {counted} addresses, and the view says {told}"))?;
        }
        Ok(())
    }
}

fn decode(key: &[u8], value: Option<&Bytes>) -> Option<ipam::Change> {
    match Stored::decode(key, value.map(|value| &value[..])).expect("a record that can be read")? {
        Change::Ipam(change) => Some(change),
        Change::Lb(_) | Change::Dns(_) => None,
    }
}

pub(crate) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}
