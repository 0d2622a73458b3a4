//! Own commits are taken over without being read back. Here the same history is also taken in by a state that knows of no own
//! commit and reads everything: both must show the same, after every step.

use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use polder_core::schema::{Corrupt, StoredWrite};
use polder_core::time::Timestamp;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::backend::Event;
use crate::journal::{self, BatchId, JournalEntry, JournalRecord};

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
}

fn event(key: Bytes, value: Option<Bytes>) -> Event {
    Event { key, value }
}

impl World {
    fn new() -> Self {
        let state = || {
            let mut state = State::new(Some(PREFIX.to_owned()));
            _ = state.take_listing(Listing { moves: Vec::new(), revision: Revision(1), covers: 0 });
            state
        };
        let (quick, plain) = (state(), state());
        Self { quick, plain, undelivered: Default::default(), revision: 1, batches: 0, truth: OrdMap::new() }
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
        self.undelivered.push_back(Batch { revision: Revision(self.revision), events });
        changes.iter().for_each(|change| Numbers::apply(&mut self.truth, change));
        Revision(self.revision)
    }

    fn bar(&mut self, own: &OwnCommit<Numbers>) {
        self.revision += 1;
        let bar = JournalRecord { barred: true, ..JournalRecord::clone(&own.record) };
        let events = vec![event(journal::key("ipam", &own.batch), Some(bar.encode_to_vec().into()))];
        self.undelivered.push_back(Batch { revision: Revision(self.revision), events });
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
