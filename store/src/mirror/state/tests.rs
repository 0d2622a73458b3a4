//! Own commits are taken over without being read back. Here the same history is also taken in by a state that knows of no own
//! commit and reads everything: both must show the same, after every step. From time to time both read the whole store again.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use polder_core::schema::{Corrupt, Domain, StoredWrite};
use polder_core::time::Timestamp;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::backend::{Entry, Event};
use crate::journal::{self, BatchId, JournalEntry, JournalRecord};
use crate::mirror::reading::Reading;

const PREFIX: &str = "/polder/ipam/journal/";

/// Numbers under keys.
struct Numbers;

type Change = (u8, Option<u8>);

impl Schema for Numbers {
    type View = OrdMap<u8, u8>;
    type Change = Change;

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Change>, Corrupt> {
        let Some(number) = key.strip_prefix(b"/n/") else { return Ok(None) };
        Ok(Some((number[0], value.map(|value| value[0]))))
    }

    fn encode(change: &Change) -> StoredWrite {
        StoredWrite { key: [b"/n/", &[change.0][..]].concat(), value: change.1.map(|value| vec![value]) }
    }

    fn domain(change: &Change) -> Domain {
        if change.0 < 128 { Domain::IpamAllocations } else { Domain::LbServices }
    }

    fn apply(view: &mut OrdMap<u8, u8>, change: &Change) {
        match change.1 {
            Some(value) => view.insert(change.0, value),
            None => view.remove(&change.0),
        };
    }

    fn before(view: &OrdMap<u8, u8>, change: &Change) -> Option<Vec<u8>> {
        view.get(&change.0).map(|value| vec![*value])
    }
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// A commit of this process; whether the watch brings it before the store's answer.
    Own(Vec<Change>, bool),
    /// A commit of this process that did not happen, and whether its key was barred.
    Lost(Vec<Change>, bool),
    /// A commit of somebody else.
    Foreign(Vec<Change>),
    /// The watch delivers the next batch.
    Deliver,
    /// Everything is read again, and then the watch goes on behind it; a commit of this process that is acknowledged meanwhile.
    Read(Option<Vec<Change>>),
}

fn changes(keys: std::ops::Range<u8>) -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((keys, prop::option::of(0u8..9)), 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    // Guards keep others out of a domain between a plan and its commit, so foreign commits in between are in the other one.
    prop_oneof![
        4 => (changes(0..8), any::<bool>()).prop_map(|(changes, first)| Step::Own(changes, first)),
        1 => (changes(0..8), any::<bool>()).prop_map(|(changes, barred)| Step::Lost(changes, barred)),
        2 => changes(128..134).prop_map(Step::Foreign),
        4 => Just(Step::Deliver),
        1 => prop::option::of(changes(0..8)).prop_map(Step::Read),
    ]
}

/// Both states, and the store's history with how far the watch is.
struct World {
    quick: State<Numbers>,
    plain: State<Numbers>,
    undelivered: std::collections::VecDeque<Batch>,
    revision: u64,
    batches: u32,
    /// Everything committed so far.
    truth: OrdMap<u8, u8>,
    /// The same as it is stored.
    stored: BTreeMap<Bytes, (Bytes, Revision)>,
}

fn event(key: Bytes, value: Option<Bytes>) -> Event {
    Event { key, value }
}

impl World {
    fn new() -> Self {
        let state = || State::new(Some(PREFIX.to_owned()));
        let (quick, plain) = (state(), state());
        let (undelivered, truth, stored) = Default::default();
        let mut world = Self { quick, plain, undelivered, revision: 1, batches: 0, truth, stored };
        world.read(None);
        world
    }

    fn newest(&self) -> &Snapshot<Numbers> {
        self.quick.early().unwrap_or_else(|| self.quick.ordered())
    }

    /// Plans as the ledger does: on the newest snapshot.
    fn plan(&mut self, changes: &[Change]) -> Arc<OwnCommit<Numbers>> {
        self.batches += 1;
        let batch = BatchId::new(Timestamp(7), 1, self.batches);
        let snapshot = self.newest();
        let mut view = snapshot.view.clone();
        changes.iter().for_each(|change| Numbers::apply(&mut view, change));
        let entry = JournalEntry { request_id: batch.to_string(), ..JournalEntry::default() };
        let record = JournalRecord { batch: batch.to_string(), entries: vec![entry], ..JournalRecord::default() };
        let own = Arc::new(OwnCommit {
            batch,
            base: snapshot.content,
            view,
            changes: changes.to_vec(),
            touched: vec![Domain::IpamAllocations],
            encoded: record.encode_to_vec().into(),
            record: Arc::new(record),
        });
        self.quick.send_own(Arc::clone(&own));
        own
    }

    fn commit(&mut self, changes: &[Change], head: Domain, record: Option<(&BatchId, &Bytes)>) -> Revision {
        self.revision += 1;
        let writes = changes.iter().map(Numbers::encode);
        let mut events: Vec<Event> = writes.map(|write| event(write.key.into(), write.value.map(Bytes::from))).collect();
        events.push(event(head.head_key().into(), Some("x 1".into())));
        events.extend(record.map(|(batch, value)| event(journal::key("ipam", batch), Some(value.clone()))));
        self.store(events);
        changes.iter().for_each(|change| Numbers::apply(&mut self.truth, change));
        Revision(self.revision)
    }

    fn store(&mut self, events: Vec<Event>) {
        let revision = Revision(self.revision);
        for Event { key, value } in events.clone() {
            match value {
                Some(value) => _ = self.stored.insert(key, (value, revision)),
                None => _ = self.stored.remove(&key),
            }
        }
        self.undelivered.push_back(Batch { revision, events });
    }

    fn bar(&mut self, own: &OwnCommit<Numbers>) {
        self.revision += 1;
        let bar = JournalRecord { barred: true, ..JournalRecord::clone(&own.record) };
        let events = vec![event(journal::key("ipam", &own.batch), Some(bar.encode_to_vec().into()))];
        self.store(events);
    }

    /// What a state finds when everything is read, a few keys on each page.
    fn listing(&self, state: &State<Numbers>) -> Listing<Numbers> {
        let entry = |(key, (value, modified)): (&Bytes, &(Bytes, Revision))| {
            let (key, value, modified) = (key.clone(), value.clone(), *modified);
            Entry { key, value, created: modified, modified, lease: None }
        };
        let (journal, records): (Vec<_>, Vec<_>) = self.stored.iter().map(entry).partition(|entry| is_in_journal(&entry.key));
        let mut reading = Reading::new(state.reader().clone(), state.before(), Revision(self.revision));
        records.chunks(3).for_each(|page| reading.take(page.to_vec()));
        let mut cut = Snapshot::default();
        for entry in journal {
            cut.take(&state.reader().read(entry.key, Some(entry.value), entry.modified), |_, _| true);
        }
        reading.finish(cut, state.own_commits())
    }

    fn read(&mut self, meanwhile: Option<Vec<Change>>) {
        let (for_quick, for_plain) = (self.listing(&self.quick), self.listing(&self.plain));
        let read_at = for_quick.revision;
        if let Some(changes) = meanwhile {
            let own = self.plan(&changes);
            let revision = self.commit(&changes, Domain::IpamAllocations, Some((&own.batch, &own.encoded)));
            self.quick.take_own(own, revision);
        }
        let (told, read) = (self.quick.take_listing(for_quick), self.plain.take_listing(for_plain));
        assert_eq!((told.revision, &told.changes, told.relisted), (read.revision, &read.changes, true));
        self.undelivered.retain(|batch| batch.revision > read_at);
    }

    fn deliver(&mut self) {
        let Some(batch) = self.undelivered.pop_front() else { return };
        let told = self.quick.take_batch(batch.clone());
        let read = self.plain.take_batch(batch);
        assert_eq!((told.revision, &told.changes), (read.revision, &read.changes));
    }

    fn deliver_all(&mut self) {
        while !self.undelivered.is_empty() {
            self.deliver();
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Own(changes, watch_first) => {
                let own = self.plan(&changes);
                let revision = self.commit(&changes, Domain::IpamAllocations, Some((&own.batch, &own.encoded)));
                if watch_first {
                    self.deliver_all();
                }
                self.quick.take_own(own, revision);
            }
            Step::Lost(changes, barred) => {
                let own = self.plan(&changes);
                if barred {
                    self.bar(&own);
                    self.deliver_all();
                }
                self.quick.drop_own();
            }
            Step::Foreign(changes) => _ = self.commit(&changes, Domain::LbServices, None),
            Step::Deliver => self.deliver(),
            Step::Read(meanwhile) => self.read(meanwhile),
        }
    }

    fn check(&self) {
        let (quick, plain) = (self.quick.ordered(), self.plain.ordered());
        assert_eq!((&quick.view, quick.heads, quick.revision), (&plain.view, plain.heads, plain.revision));
        for batch in 1..=self.batches {
            let id = BatchId::new(Timestamp(7), 1, batch).to_string().parse().unwrap();
            assert_eq!(quick.journal.answered(&id), plain.journal.answered(&id));
        }
        // The newest cut has every own commit; of others it may lack what the watch still owes.
        let own = |view: &OrdMap<u8, u8>| view.iter().filter(|(key, _)| **key < 128).map(|(k, v)| (*k, *v)).collect::<Vec<_>>();
        assert_eq!(own(&self.newest().view), own(&self.truth));
        assert_eq!(self.quick.known(), self.plain.known());
        if self.undelivered.is_empty() {
            assert_eq!(self.newest().view, self.truth);
            assert!(self.quick.early().is_none(), "nothing is owed");
        }
    }
}

proptest! {
    #[test]
    fn what_is_taken_over_is_what_would_have_been_read(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
            world.check();
        }
        world.deliver_all();
        world.check();
    }
}

/// What lies outside the schema is known all the same, for the audit; records of journals are not, of whichever service.
#[test]
fn journals_are_not_known() {
    let mut world = World::new();
    let events =
        ["/polder/lb/journal/1", "/polder/ipam/journal/2", "/polder/lb/journals"].map(|key| event(key.into(), Some("x".into())));
    world.revision += 1;
    world.store(events.into());
    world.deliver();
    assert_eq!(world.quick.known().from(b"").get(), Some((&b"/polder/lb/journals"[..], Revision(2))));
    assert_eq!(world.quick.known().len(), 1);
}

/// The point of it all: with nobody else writing, no change is applied a second time.
#[test]
fn an_undisturbed_commit_is_taken_over_as_it_is() {
    let mut world = World::new();
    let own = world.plan(&[(1, Some(1))]);
    let revision = world.commit(&[(1, Some(1))], Domain::IpamAllocations, Some((&own.batch, &own.encoded)));
    assert!(world.quick.take_own(Arc::clone(&own), revision));
    let early = world.newest().content;
    world.deliver();
    assert_eq!(world.quick.ordered().content, early, "the ordered cut took over the content of the early one");
    assert!(world.quick.ordered().view.ptr_eq(&own.view));
}

/// A store that was set back gives a revision a second time. The own commit that had it first is not in the new history.
#[test]
fn another_commit_at_the_revision_of_a_lost_own_one_is_read() {
    let mut world = World::new();
    let own = world.plan(&[(1, Some(1))]);
    let revision = world.commit(&[(1, Some(1))], Domain::IpamAllocations, Some((&own.batch, &own.encoded)));
    assert!(world.quick.take_own(own, revision));
    (world.undelivered, world.truth, world.revision) = (Default::default(), OrdMap::new(), revision.0 - 1);
    assert_eq!(world.commit(&[(2, Some(2))], Domain::IpamAllocations, None), revision);
    world.deliver();
    world.check();
}
