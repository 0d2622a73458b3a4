//! A batch before its commit: requests planned one after the other, each on the view that the earlier ones leave.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use polder_core::id::RequestId;
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::{Domain, Intent, Plan, PlanContext, Schema};
use polder_core::time::Timestamp;
use prost::Message as _;

use super::job::{Committed, Job};
use crate::backend::{Commit, Guard, Write};
use crate::journal::{self, Answered, BatchId, JournalChange, JournalEntry, JournalRecord};
use crate::mirror::{OwnCommit, Snapshot};

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
    service: &'static str,
    view: S::View,
    now: Timestamp,
    room: Room,
    staged: BTreeMap<Bytes, Option<Bytes>>,
    changes: Vec<S::Change>,
    touched: BTreeSet<Domain>,
    read: BTreeSet<Domain>,
    entries: Vec<JournalEntry>,
    answers: HashMap<RequestId, ([u8; 32], Vec<u8>)>,
    bytes: usize,
}

impl<S: Schema> Draft<S> {
    pub(super) fn new(service: &'static str, view: S::View, now: Timestamp, room: Room) -> Self {
        Self {
            service,
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
        let moves = self.moves(&plan.changes);
        let bytes: usize =
            moves.iter().map(|moved| moved.key.len() + moved.after.as_ref().map_or(0, Bytes::len) + Commit::FRAMING).sum();
        let added = moves.iter().filter(|moved| !self.staged.contains_key(&moved.key)).count();
        let records = moves.len();
        let entry = entry(&job.intent, &plan.answer, moves);
        let bytes = bytes + entry.encoded_len() + Commit::FRAMING;
        if self.staged.len() + added > self.room.records || self.bytes + bytes > self.room.bytes {
            let alone = self.staged.is_empty() && self.entries.is_empty();
            return if alone { Planned::Refused(too_large(records, bytes, self.room)) } else { Planned::Later };
        }
        self.bytes += bytes;
        self.staged.extend(entry.changes.iter().map(|moved| (moved.key.clone(), moved.after.clone())));
        let entry = told::<S>(entry);
        for change in plan.changes {
            self.touched.insert(S::domain(&change));
            S::apply(&mut self.view, &change);
            self.changes.push(change);
        }
        if entry.changes.is_empty() && !entry.request_id.is_empty() {
            self.touched.extend(self.own_of(&plan.reads));
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

    /// The domain whose head an answer moves that changes nothing but is recorded under a request id: another replica that is asked
    /// the same must hear of it first, and conflicts by this head if it has not.
    fn own_of(&self, reads: &[Domain]) -> Option<Domain> {
        let own = format!("/polder/{}/", self.service);
        reads.iter().copied().find(|domain| domain.head_key().starts_with(&own))
    }

    /// The stored form of the changes, with what the view has before them; one per key, in the order of the keys.
    fn moves(&self, changes: &[S::Change]) -> Vec<JournalChange> {
        let mut moves: BTreeMap<Bytes, JournalChange> = BTreeMap::new();
        for change in changes {
            let write = S::encode(change);
            let key = Bytes::from(write.key);
            let before = || S::before(&self.view, change).map(Bytes::from);
            let moved =
                moves.entry(key).or_insert_with_key(|key| JournalChange { key: key.clone(), before: before(), after: None });
            moved.after = write.value.map(Bytes::from);
        }
        moves.into_values().collect()
    }

    /// Whether there is nothing to commit and nothing to check.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.touched.is_empty() && self.read.is_empty()
    }

    /// The batch as it goes to the store: guarded by the heads of everything touched or read, as the snapshot has them. With it
    /// what the mirror is to know of it, unless it only checks.
    pub(super) fn seal(self, batch: BatchId, snapshot: &Snapshot<S>) -> Sealed<S> {
        let mut guards: Vec<Guard> = self.touched.union(&self.read).map(|domain| snapshot.heads.guard(*domain)).collect();
        let mut writes: Vec<Write> = self
            .staged
            .into_iter()
            .map(|(key, value)| match value {
                Some(value) => Write::put(key, value),
                None => Write::delete(key),
            })
            .collect();
        if self.entries.is_empty() {
            return Sealed { commit: Commit { guards, writes }, own: None };
        }
        let record = JournalRecord {
            version: journal::VERSION,
            at_micros: self.now.0,
            batch: batch.to_string(),
            ordinal: snapshot.journal.ordinal() + self.entries.len() as u64,
            entries: self.entries,
            barred: false,
        };
        let encoded = Bytes::from(record.encode_to_vec());
        let head = journal::head(&batch, record.ordinal);
        writes.extend(self.touched.iter().map(|domain| Write::put(Bytes::from_static(domain.head_key().as_bytes()), head.clone())));
        let key = journal::key(self.service, &batch);
        // An unknown outcome is settled by a race for this key: see `settle`.
        guards.push(Guard::Absent(key.clone()));
        writes.push(Write::put(key, encoded.clone()));
        let own = OwnCommit {
            batch,
            base: snapshot.content,
            view: self.view,
            changes: self.changes,
            touched: self.touched.into_iter().collect(),
            record: Arc::new(record),
            encoded,
        };
        Sealed { commit: Commit { guards, writes }, own: Some(Arc::new(own)) }
    }
}

/// A batch that is ready to be sent.
pub(super) struct Sealed<S: Schema> {
    pub(super) commit: Commit,
    /// What the mirror is to know of it; `None` for a mere check, which writes nothing.
    pub(super) own: Option<Arc<OwnCommit<S>>>,
}

/// The entry as the journal keeps it.
fn told<S: Schema>(mut entry: JournalEntry) -> JournalEntry {
    for moved in &mut entry.changes {
        let kept = |value: &mut Bytes| {
            if let Some(other) = S::journaled(&moved.key, value) {
                *value = Bytes::from(other);
            }
        };
        moved.before.iter_mut().chain(&mut moved.after).for_each(kept);
    }
    entry
}

fn entry(intent: &Intent, answer: &[u8], changes: Vec<JournalChange>) -> JournalEntry {
    let id = intent.request_id.as_ref();
    JournalEntry {
        actor: intent.actor.clone(),
        request_id: id.map_or("", RequestId::as_str).to_owned(),
        // Only a request id ever needs its digest and its answer again.
        digest: id.map(|_| Bytes::copy_from_slice(&intent.digest)).unwrap_or_default(),
        answer: id.map(|_| Bytes::copy_from_slice(answer)).unwrap_or_default(),
        trace_id: intent.trace_id.clone(),
        method: intent.method.to_owned(),
        changes,
    }
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

fn too_large(records: usize, bytes: usize, room: Room) -> Refusal {
    let (most_records, most_bytes) = (room.records, room.bytes);
    let message = format!(
        "The request changes {records} records in {bytes} bytes; one transaction takes {most_records} records and {most_bytes} \
         bytes. Split the request."
    );
    let refusal = Refusal::new(Reason::RequestTooLarge, message).with("records", records).with("most_records", most_records);
    refusal.with("bytes", bytes).with("most_bytes", most_bytes)
}
