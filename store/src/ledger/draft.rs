//! A batch before its commit: requests planned one after the other, each on the view that the earlier ones leave.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use polder_core::id::RequestId;
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::{Domain, Plan, PlanContext, Schema};
use polder_core::time::Timestamp;
use prost::Message as _;

use super::job::{Committed, Intent, Job};
use crate::backend::{Commit, Guard, Write};
use crate::journal::{self, Answered, BatchId, JournalChange, JournalEntry, JournalRecord};
use crate::mirror::Snapshot;

/// How large a batch may grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Records per commit; the heads and the journal record come on top.
    pub(super) records: usize,
    /// Bytes per commit, everything included.
    pub(super) bytes: usize,
}

/// What planning made of one request.
pub(super) enum Planned {
    /// Answered at once; the batch does not matter.
    Now(Result<Committed, Refusal>),
    /// To be answered with these bytes once the batch is in; `repeated` when an earlier request of the batch made the answer.
    Answer { answer: Vec<u8>, repeated: bool },
    /// Refused under the batch's view.
    Refused(Refusal),
    /// It does not fit any more; it belongs to the next batch.
    Later,
}

/// The batch.
pub(super) struct Draft<S: Schema> {
    view: S::View,
    now: Timestamp,
    room: Room,
    staged: BTreeMap<Bytes, Option<Bytes>>,
    pub(super) changes: Vec<S::Change>,
    touched: BTreeSet<Domain>,
    read: BTreeSet<Domain>,
    entries: Vec<JournalEntry>,
    answers: HashMap<RequestId, ([u8; 32], Vec<u8>)>,
    bytes: usize,
}

impl<S: Schema> Draft<S> {
    pub(super) fn new(view: S::View, now: Timestamp, room: Room) -> Self {
        Self {
            view,
            now,
            room,
            staged: BTreeMap::new(),
            changes: Vec::new(),
            touched: BTreeSet::new(),
            read: BTreeSet::new(),
            entries: Vec::new(),
            answers: HashMap::new(),
            // The heads, their guards, and the frame of the journal record.
            bytes: 2048,
        }
    }

    /// Plans one request and, if it is accepted, takes it into the batch.
    pub(super) fn plan(&mut self, job: &Job<S>, snapshot: &Snapshot<S>) -> Planned {
        if let Some(id) = &job.intent.request_id {
            if let Some(answered) = snapshot.journal.answered(id) {
                return Planned::Now(replay(id, &job.intent, answered));
            }
            if let Some((digest, answer)) = self.answers.get(id) {
                return if *digest == job.intent.digest {
                    Planned::Answer { answer: answer.clone(), repeated: true }
                } else {
                    Planned::Now(Err(reused(id)))
                };
            }
        }
        match (job.planner)(&self.view, PlanContext { now: self.now, entropy: job.entropy }) {
            Err(refusal) => Planned::Refused(refusal),
            Ok(plan) => self.take(job, plan),
        }
    }

    fn take(&mut self, job: &Job<S>, plan: Plan<S::Change>) -> Planned {
        let writes: BTreeMap<Bytes, Option<Bytes>> = plan
            .changes
            .iter()
            .map(|change| S::encode(change))
            .map(|write| (Bytes::from(write.key), write.value.map(Bytes::from)))
            .collect();
        let entry = self.entry(&job.intent, &plan, &writes);
        let bytes = writes.iter().map(|(key, value)| size(key, value.as_ref())).sum::<usize>() + entry.encoded_len() + 8;
        let added = writes.keys().filter(|key| !self.staged.contains_key(*key)).count();
        if self.staged.len() + added > self.room.records || self.bytes + bytes > self.room.bytes {
            let alone = self.staged.is_empty() && self.entries.is_empty();
            return if alone { Planned::Refused(too_large(&writes, bytes, self.room)) } else { Planned::Later };
        }
        self.bytes += bytes;
        self.staged.extend(writes);
        for change in plan.changes {
            self.touched.insert(S::domain(&change));
            S::apply(&mut self.view, &change);
            self.changes.push(change);
        }
        self.read.extend(plan.reads);
        if let Some(id) = &job.intent.request_id {
            self.answers.insert(id.clone(), (job.intent.digest, plan.answer.clone()));
        }
        if !entry.changes.is_empty() || !entry.request_id.is_empty() {
            self.entries.push(entry);
        }
        Planned::Answer { answer: plan.answer, repeated: false }
    }

    fn entry(&self, intent: &Intent, plan: &Plan<S::Change>, writes: &BTreeMap<Bytes, Option<Bytes>>) -> JournalEntry {
        let before: HashMap<Bytes, Option<Bytes>> = plan
            .changes
            .iter()
            .map(|change| (Bytes::from(S::encode(change).key), S::before(&self.view, change).map(Bytes::from)))
            .collect();
        let change = |(key, after): (&Bytes, &Option<Bytes>)| JournalChange {
            key: key.clone(),
            before: before.get(key).cloned().flatten(),
            after: after.clone(),
        };
        let id = intent.request_id.as_ref().map_or("", RequestId::as_str);
        JournalEntry {
            actor: intent.actor.clone(),
            request_id: id.to_owned(),
            digest: if id.is_empty() { Bytes::new() } else { Bytes::copy_from_slice(&intent.digest) },
            // Only a request id ever needs its answer again.
            answer: if id.is_empty() { Bytes::new() } else { Bytes::copy_from_slice(&plan.answer) },
            trace_id: intent.trace_id.clone(),
            method: intent.method.to_owned(),
            changes: writes.iter().map(change).collect(),
        }
    }

    /// The domains whose heads the batch moves.
    pub(super) fn touched(&self) -> Vec<Domain> {
        self.touched.iter().copied().collect()
    }

    /// Whether there is nothing to commit and nothing to check.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.touched.is_empty() && self.read.is_empty()
    }

    /// The journal record, when the batch leaves one.
    pub(super) fn record(&self, batch: &BatchId, ordinal: u64) -> Option<JournalRecord> {
        (!self.entries.is_empty()).then(|| JournalRecord {
            version: journal::VERSION,
            at_micros: self.now.0,
            batch: batch.to_string(),
            entries: self.entries.clone(),
            ordinal: ordinal + self.entries.len() as u64,
            barred: false,
        })
    }

    /// The commit: guarded by the heads of everything touched or read, as the snapshot has them.
    pub(super) fn commit(&self, service: &str, batch: &BatchId, record: Option<&JournalRecord>, snapshot: &Snapshot<S>) -> Commit {
        let mut guards: Vec<Guard> = self.touched.union(&self.read).map(|domain| snapshot.heads.guard(*domain)).collect();
        let mut writes: Vec<Write> = self
            .staged
            .iter()
            .map(|(key, value)| match value {
                Some(value) => Write::put(key.clone(), value.clone()),
                None => Write::delete(key.clone()),
            })
            .collect();
        let head = Bytes::copy_from_slice(batch.as_str().as_bytes());
        writes.extend(self.touched.iter().map(|domain| Write::put(Bytes::from_static(domain.head_key().as_bytes()), head.clone())));
        if let Some(record) = record {
            let key = journal::key(service, batch);
            // An unknown outcome is settled by a race for this key: see `settle`.
            guards.push(Guard::Absent(key.clone()));
            writes.push(Write::put(key, record.encode_to_vec()));
        }
        Commit { guards, writes }
    }
}

fn size(key: &Bytes, value: Option<&Bytes>) -> usize {
    key.len() + value.map_or(0, Bytes::len) + Commit::FRAMING
}

fn replay(id: &RequestId, intent: &Intent, answered: &Answered) -> Result<Committed, Refusal> {
    if answered.digest[..] != intent.digest {
        return Err(reused(id));
    }
    Ok(Committed { answer: answered.answer.to_vec(), revision: answered.revision, replayed: true })
}

fn reused(id: &RequestId) -> Refusal {
    let message = format!("The request id `{}` was used before for another request. Use a new id for a new request.", id.as_str());
    Refusal::new(Reason::RequestIdReused, message).with("request_id", id.as_str())
}

fn too_large(writes: &BTreeMap<Bytes, Option<Bytes>>, bytes: usize, room: Room) -> Refusal {
    let (records, most_records, most_bytes) = (writes.len(), room.records, room.bytes);
    let message = format!(
        "The request changes {records} records in {bytes} bytes; one transaction takes {most_records} records and {most_bytes} \
         bytes. Split the request."
    );
    let refusal = Refusal::new(Reason::RequestTooLarge, message).with("records", records).with("most_records", most_records);
    refusal.with("bytes", bytes).with("most_bytes", most_bytes)
}
