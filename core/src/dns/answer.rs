//! The answer: one pure function for every transport and for the `Resolve` RPC. No locks, no I/O, no allocation.

use super::name::is_under;
use super::record::RecordType;
use super::snapshot::{Set, Snapshot};
use super::wire::{FIXED, HEADER, MOST_POINTER, MOST_TCP, MOST_UDP, PLAIN_UDP, QUESTION, Query, Rcode, Reply, Section, Unreadable};

/// The longest chain of aliases that is followed.
const MOST_ALIASES: usize = 8;
const CLASS_IN: u16 = 1;
/// SOA timers after the serial number: refresh, retry, expire (seconds). Nobody may transfer yet; the values are the usual ones.
const SOA_TIMERS: [u32; 3] = [7200, 1800, 86_400];

/// How a query came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP: answers have a size limit.
    Udp,
    /// TCP: any answer that is a message at all.
    Tcp,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// How the query came in.
    pub transport: Transport,
    /// Counts the queries: the addresses of a name take turns at being the first.
    pub turn: u32,
}

/// An answer, written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The message's length.
    pub length: usize,
    /// What became of the query.
    pub rcode: Rcode,
    /// The type asked for, where the question could be read.
    pub rtype: Option<RecordType>,
}

/// What to do with a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Send the message in the out buffer.
    Sent(Sent),
    /// The name is in no zone of ours. The out buffer has the refusal that a server without an upstream sends.
    Forward(Sent),
    /// Send nothing.
    Dropped,
}

/// Answers one query from the snapshot, into `out`, which should have [`super::wire::LEAST_BUFFER`] bytes at least and room for
/// the largest answer that the transport may carry.
///
/// Any bytes may come in. What is not a query is dropped, what cannot be read gets FORMERR, and a snapshot that was never synced
/// gives SERVFAIL: it does not know that a name does not exist.
#[must_use]
pub fn answer(snapshot: &Snapshot, client: Client, query: &[u8], out: &mut [u8]) -> Outcome {
    let query = match Query::read(query) {
        Ok(query) => query,
        Err(Unreadable::Silent) => return Outcome::Dropped,
        Err(Unreadable::Bad(head, rcode)) => {
            let reply = Reply::bare(head, out);
            return reply.map_or(Outcome::Dropped, |reply| sent(reply, rcode, None));
        }
    };
    let most = match (client.transport, query.edns) {
        (Transport::Tcp, _) => MOST_TCP,
        (Transport::Udp, None) => PLAIN_UDP,
        (Transport::Udp, Some(edns)) => edns.size.min(MOST_UDP),
    };
    let Some(reply) = Reply::to(&query, out, usize::from(most)) else { return Outcome::Dropped };
    let transfer = matches!(query.rtype, RecordType::AXFR | RecordType::IXFR);
    if query.is_bad_version() {
        sent(reply, Rcode::BadVers, Some(query.rtype))
    } else if query.class != CLASS_IN || transfer {
        sent(reply, Rcode::Refused, Some(query.rtype))
    } else {
        Asked { snapshot, query: &query, turn: client.turn }.answer(reply)
    }
}

fn sent(reply: Reply<'_>, rcode: Rcode, rtype: Option<RecordType>) -> Outcome {
    Outcome::Sent(Sent { length: reply.finish(rcode), rcode, rtype })
}

/// What stands at a name.
enum Found<'a> {
    Set(&'a Set),
    Alias(&'a Set),
    Start,
    NoData,
    Missing,
}

/// A readable query with what it is asked of.
struct Asked<'a> {
    snapshot: &'a Snapshot,
    query: &'a Query<'a>,
    turn: u32,
}

impl<'a> Asked<'a> {
    fn answer(&self, mut reply: Reply<'_>) -> Outcome {
        let rtype = Some(self.query.rtype);
        if !self.snapshot.is_synced() {
            return self.unsynced(reply);
        }
        // The name in hand, and where in the message it stands: first the question's, then those it is an alias for.
        let (mut name, mut place) = (self.query.name(), HEADER);
        for hop in 0..=MOST_ALIASES {
            let found = self.find(name);
            let zone = match found {
                Found::Set(_) | Found::Alias(_) => None,
                Found::Start | Found::NoData | Found::Missing => match self.snapshot.zone_of(name) {
                    Some(zone) => Some(zone),
                    None if hop == 0 => return forward(reply, rtype),
                    // The alias leads out of our zones: whoever asks goes on from there.
                    None => return sent(reply, Rcode::NoError, rtype),
                },
            };
            reply.authoritative = true;
            match (found, zone) {
                (Found::Set(set), _) => {
                    if reply.put_set(set, pointer(place), self.turn) && hop == 0 {
                        reply.put_additional(set);
                    }
                    return sent(reply, Rcode::NoError, rtype);
                }
                (Found::Alias(set), _) => {
                    let target = reply.len() + FIXED;
                    if target > MOST_POINTER || !reply.put_set(set, pointer(place), 0) {
                        return sent(reply, Rcode::NoError, rtype);
                    }
                    (name, place) = (set.first_data(), target);
                }
                (other, Some(zone)) => {
                    let is_start = matches!(other, Found::Start);
                    self.put_soa(&mut reply, is_start, zone, place + name.len() - zone.len());
                    let rcode = if matches!(other, Found::Missing) { Rcode::NxDomain } else { Rcode::NoError };
                    return sent(reply, rcode, rtype);
                }
                (_, None) => break,
            }
        }
        sent(reply, Rcode::ServFail, rtype)
    }

    fn find(&self, name: &[u8]) -> Found<'a> {
        let Some(node) = self.snapshot.node(name) else { return Found::Missing };
        if let Some(set) = node.set(self.query.rtype) {
            return Found::Set(set);
        }
        if self.query.rtype == RecordType::SOA && self.snapshot.zone_of(name).is_some_and(|zone| zone.len() == name.len()) {
            return Found::Start;
        }
        node.set(RecordType::CNAME).map_or(Found::NoData, Found::Alias)
    }

    /// Nothing is known yet, not even which reverse zones are ours.
    fn unsynced(&self, reply: Reply<'_>) -> Outcome {
        let name = self.query.name();
        let ours = is_under(name, self.snapshot.settings().zone().as_wire()) || name.ends_with(b"\x04arpa\0");
        let rtype = Some(self.query.rtype);
        if ours { sent(reply, Rcode::ServFail, rtype) } else { forward(reply, rtype) }
    }

    /// Appends the start of `zone`, whose name stands at `place` in the message: as the answer, or as the reason why there is none
    /// (RFC 2308 §3; its time to live is then how long that may be kept).
    fn put_soa(&self, reply: &mut Reply<'_>, is_answer: bool, zone: &[u8], place: usize) {
        let settings = self.snapshot.settings();
        let section = if is_answer { Section::Answer } else { Section::Authority };
        let [high, low] = pointer(place);
        let [t0, t1, t2, t3] = settings.negative_ttl.to_be_bytes();
        let fixed = [high, low, 0, 6, 0, 1, t0, t1, t2, t3];
        let own = settings.zone().as_wire();
        let suffix: &[u8] = if zone == own { &[high, low] } else { own };
        let [refresh, retry, expire] = SOA_TIMERS.map(u32::to_be_bytes);
        let serial = self.snapshot.serial().to_be_bytes();
        let minimum = settings.negative_ttl.to_be_bytes();
        let names: [&[u8]; 4] = [b"\x02ns\x03dns", suffix, b"\x0ahostmaster", suffix];
        let [mname, at, rname, again] = names;
        reply.put_record(section, fixed, &[mname, at, rname, again, &serial, &refresh, &retry, &expire, &minimum]);
    }
}

fn forward(reply: Reply<'_>, rtype: Option<RecordType>) -> Outcome {
    Outcome::Forward(Sent { length: reply.finish(Rcode::Refused), rcode: Rcode::Refused, rtype })
}

/// A compression pointer to a place in the message (RFC 1035 §4.1.4).
fn pointer(place: usize) -> [u8; 2] {
    if place == HEADER {
        return QUESTION;
    }
    let [high, low] = u16::try_from(place & MOST_POINTER).unwrap_or_default().to_be_bytes();
    [high | 0xc0, low]
}

#[cfg(test)]
mod tests;
