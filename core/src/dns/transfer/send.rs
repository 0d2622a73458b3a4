//! A question for a zone, and the messages that answer it, one after the other.

use std::borrow::Cow;
use std::iter::{Peekable, once};
use std::net::IpAddr;

use super::super::answer::Scope;
use super::super::name::DomainName;
use super::super::record::RecordType;
use super::super::snapshot::Snapshot;
use super::super::wire::{CLASS_IN, MOST_POINTER, MOST_TCP, QUESTION, Query, Rcode, Reply, Section, pointer, split_records};
use super::content::{Soa, within_zone};
use super::history::{Run, Step};

/// How many names of other zones are looked at before others may go on.
const MOST_NAMES: usize = 4096;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The zone.
    Axfr,
    /// What is new in the zone.
    Ixfr,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// The whole zone.
    Whole,
    /// What is new.
    Steps,
    /// That there is nothing new.
    Current,
}

/// What a buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// A message of this length.
    Message(usize),
    /// Nothing yet: so many other names were looked at that others should go on first.
    Nothing,
    /// Nothing: the transfer is over.
    End,
}

/// One step of a transfer.
enum Item<'a> {
    /// The start of the zone.
    Start(Vec<u8>),
    /// A record of a name; its owner is [`QUESTION`].
    Record(DomainName, Cow<'a, [u8]>),
    /// Others should go on.
    Pause,
}

type Items<'a> = Box<dyn Iterator<Item = Item<'a>> + Send + 'a>;

/// A transfer in the making.
pub struct Transfer<'a> {
    query: Query<'a>,
    form: Form,
    scope: Scope,
    items: Peekable<Items<'a>>,
}

/// Reads a question that came by TCP: `None` when it is not one for a zone, or one that cannot be read. Whoever may not have the zone
/// gets none, and is refused as by [`super::super::answer()`].
#[must_use]
pub fn ask<'a>(snapshot: &'a Snapshot, from: IpAddr, message: &'a [u8]) -> Option<(Kind, Option<Transfer<'a>>)> {
    let mut query = Query::read(message).ok()?;
    // Whoever asks by TCP has shown its address; the messages of a transfer have no cookie.
    if let Some(edns) = &mut query.edns {
        edns.cookie = None;
    }
    let kind = match query.rtype {
        RecordType::AXFR => Kind::Axfr,
        RecordType::IXFR => Kind::Ixfr,
        _ => return None,
    };
    if query.class != CLASS_IN || query.is_bad_version() {
        return None;
    }
    let snapshot = snapshot.seen_by(Some(from)).tables(query.name());
    let shared = snapshot.shared_zone(query.name()).filter(|(_, shared)| shared.secondaries.allow(from));
    let Some((zone, shared)) = shared else { return Some((kind, None)) };
    let now = snapshot.serial_at(zone.as_wire());
    let known = query.serial(message).filter(|_| kind == Kind::Ixfr);
    let steps = known.and_then(|serial| Some((serial, shared.history.as_ref()?.since(serial, now)?)));
    let (form, items): (_, Items<'a>) = match (known, steps) {
        (Some(serial), _) if !is_newer(now, serial) => (Form::Current, Box::new(once(start(snapshot, zone, now)))),
        (_, Some((serial, steps))) => (Form::Steps, news(snapshot, zone, steps.collect(), serial, now)),
        _ => (Form::Whole, whole(snapshot, zone, now)),
    };
    let scope = Scope::of(snapshot, query.name());
    Some((kind, Some(Transfer { query, form, scope, items: items.peekable() })))
}

/// Whether one serial number is newer than another (RFC 1982 §3.2).
const fn is_newer(one: u32, other: u32) -> bool {
    let ahead = one.wrapping_sub(other);
    ahead > 0 && ahead < 1 << 31
}

fn start<'a>(snapshot: &Snapshot, zone: &DomainName, serial: u32) -> Item<'a> {
    Item::Start(Soa::of(snapshot, zone.as_wire()).record(serial))
}

/// The zone between two times its start.
fn whole<'a>(snapshot: &'a Snapshot, zone: &'a DomainName, now: u32) -> Items<'a> {
    let names = snapshot.nodes().enumerate().flat_map(move |(nth, (name, node))| {
        let item = |record| Item::Record(name.clone(), record);
        let records: Vec<Item<'a>> = match node {
            Cow::Borrowed(node) => within_zone(snapshot, zone.as_wire(), &name, node).map(Cow::Borrowed).map(item).collect(),
            Cow::Owned(node) => {
                within_zone(snapshot, zone.as_wire(), &name, &node).map(<[u8]>::to_vec).map(Cow::Owned).map(item).collect()
            }
        };
        records.into_iter().chain((nth % MOST_NAMES == MOST_NAMES - 1).then_some(Item::Pause))
    });
    let (first, last) = (start(snapshot, zone, now), start(snapshot, zone, now));
    Box::new(once(first).chain(names).chain(once(last)))
}

/// For each step the state that it leaves, what is gone, the state that it leads to, and what has come (RFC 1995 §4).
fn news<'a>(snapshot: &'a Snapshot, zone: &'a DomainName, steps: Vec<&'a Step>, serial: u32, now: u32) -> Items<'a> {
    let soa = Soa::of(snapshot, zone.as_wire());
    let (first, last) = (Item::Start(soa.record(now)), Item::Start(soa.record(now)));
    if steps.is_empty() {
        // The serial number has moved, and nothing else.
        return Box::new([first, Item::Start(soa.record(serial)), Item::Start(soa.record(now)), last].into_iter());
    }
    // The serial number and the start of every state on the way.
    let states = steps.iter().enumerate().map(|(nth, step)| if nth == 0 { serial } else { step.first() });
    let states: Vec<Vec<u8>> = states.zip(&steps).map(|(serial, step)| step.soa.record(serial)).chain([soa.record(now)]).collect();
    let steps = states.clone().into_iter().zip(states.into_iter().skip(1)).zip(steps).flat_map(|((old, new), step)| {
        let (gone, come) = (records(&step.gone), records(&step.come));
        once(Item::Start(old)).chain(gone).chain(once(Item::Start(new))).chain(come)
    });
    Box::new(once(first).chain(steps).chain(once(last)))
}

fn records<'a>(runs: &'a [Run]) -> impl Iterator<Item = Item<'a>> + Send {
    runs.iter().flat_map(|run| split_records(&run.records).map(|record| Item::Record(run.name.clone(), Cow::Borrowed(record))))
}

impl Transfer<'_> {
    /// What is sent.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The type that was asked for.
    #[must_use]
    pub const fn rtype(&self) -> RecordType {
        self.query.rtype
    }

    /// Whose zone is asked for.
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// Writes into `out` that nothing can be sent now, and gives the length of that.
    pub fn unavailable(&self, out: &mut [u8]) -> usize {
        Reply::to(&self.query, out, usize::from(MOST_TCP)).map_or(0, |reply| reply.finish(Rcode::ServFail))
    }

    /// Writes the next message into `out`, which has to have room for the longest message: with less the transfer ends too early, which
    /// whoever asked notices by the end that is missing.
    pub fn fill(&mut self, out: &mut [u8]) -> Filled {
        let Some(mut reply) = Reply::to(&self.query, out, usize::from(MOST_TCP)) else { return Filled::End };
        reply.authoritative = true;
        let empty = reply.len();
        // The name of the record before and where it stands.
        let mut before: Option<(DomainName, usize)> = None;
        let mut paused = false;
        while !paused && let Some(item) = self.items.peek() {
            let place = reply.len();
            let fits = match item {
                Item::Pause => {
                    paused = true;
                    true
                }
                Item::Start(record) => {
                    before = None;
                    reply.put_whole(Section::Answer, &[record])
                }
                Item::Record(name, record) => {
                    let data = record.get(QUESTION.len()..).unwrap_or_default();
                    let known =
                        before.as_ref().filter(|(other, place)| other == name && *place <= MOST_POINTER).map(|(_, place)| *place);
                    let owner = known.map_or_else(|| below(name, self.query.name()), |place| (&[][..], pointer(place)));
                    if known.is_none() {
                        before = Some((name.clone(), place));
                    }
                    reply.put_whole(Section::Answer, &[owner.0, &owner.1, data])
                }
            };
            if !fits {
                break;
            }
            self.items.next();
        }
        match (reply.len() > empty, paused) {
            (true, _) => Filled::Message(reply.finish(Rcode::NoError)),
            (false, true) => Filled::Nothing,
            (false, false) => Filled::End,
        }
    }
}

/// The labels of a name below the zone, whose name is that of the question.
fn below<'a>(name: &'a DomainName, zone: &[u8]) -> (&'a [u8], [u8; 2]) {
    let name = name.as_wire();
    (name.get(..name.len().saturating_sub(zone.len())).unwrap_or_default(), QUESTION)
}
