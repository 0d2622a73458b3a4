//! Telling secondaries that there is something new (RFC 1996): who is to be told when.
//!
//! Each server of a zone is told of the newest serial number, again until it answers, five times at most; and never more often than once a
//! second, whatever changes meanwhile. Nothing of it is stored: a server that starts tells all of them once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::super::message::Reader;
use super::super::name::DomainName;
use super::super::record::RecordType;
use super::super::snapshot::Snapshot;
use super::super::wire::HEADER;
use super::content::Soa;
use crate::net::Label;

/// How often somebody is told the same at most.
const MOST_TRIES: u32 = 5;
/// The shortest time between two messages about a zone to one server, and the time until the second attempt. The next ones take twice as
/// long each.
const PACE: Duration = Duration::from_secs(1);
/// Opcode and AA bit of a message.
const FLAGS: u8 = OPCODE << 3 | 0x04;
const OPCODE: u8 = 4;

/// A message to a secondary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Where it goes.
    pub to: SocketAddr,
    /// The zone that it is about.
    pub zone: DomainName,
    /// What is sent.
    pub message: Vec<u8>,
}

/// What became of telling somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    /// It is known there now.
    Acknowledged,
    /// The answer was an error: it is no secondary of the zone, or does not take our word.
    Refused,
    /// There was no answer.
    Unanswered,
}

/// How far one server was told of one zone.
#[derive(Debug, Clone, Copy, Default)]
struct Tell {
    /// The serial number that it is to know.
    serial: u32,
    id: u16,
    tries: u32,
    /// When the next message goes; `None` while there is none to send.
    due: Option<Duration>,
    /// When the last one went.
    sent: Option<Duration>,
}

impl Tell {
    fn renew(&mut self, serial: u32, now: Duration) {
        let due = self.sent.map_or(now, |sent| now.max(sent + PACE));
        *self = Self { serial, tries: 0, due: Some(due), ..*self };
    }
}

/// Who is to be told when. All times are those since some moment.
#[derive(Debug, Default)]
pub struct Notifier {
    tells: BTreeMap<Subject, Tell>,
}

/// Who is told, of which zone, and the view that it is in.
type Subject = (SocketAddr, DomainName, Option<Label>);

impl Notifier {
    /// Takes in what is served now.
    pub fn follow(&mut self, snapshot: &Snapshot, now: Duration) {
        let mut current = BTreeSet::new();
        let zones = snapshot.with_layers().flat_map(|names| names.notified().map(move |zone| (names.view(), zone)));
        for (view, (zone, secondaries, serial)) in zones {
            for server in &secondaries.notify {
                let key = (server.0, zone.clone(), view.cloned());
                let is_new = !self.tells.contains_key(&key);
                let tell = self.tells.entry(key.clone()).or_default();
                if is_new || tell.serial != serial {
                    tell.renew(serial, now);
                }
                current.insert(key);
            }
        }
        self.tells.retain(|key, _| current.contains(key));
    }

    /// When there is something to do.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.tells.values().filter_map(|tell| tell.due).min()
    }

    /// The messages that are to be sent now, at most so many, and how many servers are given up. `draw` gives numbers for messages, which
    /// nobody should guess.
    pub fn due(&mut self, snapshot: &Snapshot, now: Duration, most: usize, mut draw: impl FnMut() -> u16) -> (Vec<Notify>, u64) {
        let (mut messages, mut given_up) = (Vec::new(), 0);
        for ((to, zone, view), tell) in self.tells.iter_mut().filter(|(_, tell)| tell.due.is_some_and(|due| due <= now)) {
            if messages.len() == most {
                break;
            }
            if tell.tries == MOST_TRIES {
                tell.due = None;
                given_up += 1;
                continue;
            }
            if tell.tries == 0 {
                tell.id = draw();
            }
            tell.sent = Some(now);
            tell.due = Some(now + PACE * (1 << tell.tries));
            tell.tries += 1;
            // What is followed is what is served: the view is there.
            let names = snapshot.within(view.as_ref()).unwrap_or(snapshot);
            messages.push(Notify { to: *to, zone: zone.clone(), message: message(names, zone, tell.id) });
        }
        (messages, given_up)
    }

    /// Takes in what came from somewhere; `None` when it answers nothing that was sent there.
    pub fn answered(&mut self, from: SocketAddr, message: &[u8]) -> Option<Told> {
        let mut reader = Reader::new(message);
        let [id, flags, questions, ..] = reader.numbers::<6>()?;
        let (zone, [rtype, class]) = (reader.name()?, reader.numbers()?);
        let is_answer = flags & 0x8000 != 0 && flags >> 11 & 0x0f == u16::from(OPCODE);
        if !is_answer || questions != 1 || rtype != RecordType::SOA.0 || class != 1 {
            return None;
        }
        let about = self.tells.range_mut((from, zone.clone(), None)..);
        let mut about = about.take_while(|((to, told, _), _)| *to == from && *told == zone).map(|(_, tell)| tell);
        let tell = about.find(|tell| tell.tries > 0 && tell.due.is_some() && tell.id == id)?;
        tell.due = None;
        Some(if flags & 0x0f == 0 { Told::Acknowledged } else { Told::Refused })
    }
}

/// A message about a zone, with its start as a hint (RFC 1996 §3.7).
fn message(snapshot: &Snapshot, zone: &DomainName, id: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + zone.as_wire().len() + 128);
    message.extend_from_slice(&id.to_be_bytes());
    message.extend_from_slice(&[FLAGS, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    message.extend_from_slice(zone.as_wire());
    message.extend_from_slice(&RecordType::SOA.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(&Soa::of(snapshot, zone.as_wire()).record(snapshot.serial(zone)));
    message
}
