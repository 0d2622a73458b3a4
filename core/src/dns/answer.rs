//! The answer: one pure function for every transport and for the `Resolve` RPC. No locks, no I/O, and no allocation but for a question
//! in letters of mixed case.

mod explain;
mod find;
mod pods;
mod ports;
mod scope;
mod search;

use std::net::IpAddr;

pub use self::explain::{Standing, Step, explain};
use self::find::{Found, find, zone_for};
use self::ports::in_order;
pub use self::scope::Scope;
use self::search::{Completed, complete};
use super::name::is_under;
use super::record::RecordType;
use super::snapshot::{At, Implied, Set, Snapshot};
use super::views::Sight;
use super::wire::{
    CLASS_IN, Edns, FIXED, HEADER, MOST_POINTER, MOST_TCP, MOST_UDP, PLAIN_UDP, Query, Rcode, Reply, Section, Unreadable, pointer,
};

/// The longest chain of aliases that is followed.
const MOST_ALIASES: usize = 10;
/// The most hosts of one set whose addresses are looked up.
const MOST_HOSTS: usize = 16;

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
    /// The address that it asks from; `None`: it is in no view.
    pub address: Option<IpAddr>,
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
    /// Whether the query has a cookie: the last [16 bytes](super::cookie::Checked::server) of the message are still to be written.
    pub cookie: bool,
    /// Whose name was asked for.
    pub scope: Scope,
}

/// What to do with a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Send the message in the out buffer.
    Sent(Sent),
    /// The name is in no zone of ours. The out buffer has the refusal that a server without an upstream sends.
    Forward(Sent),
    /// The name is an alias that leads out of our zones. The out buffer has what a server without an upstream sends: the alias.
    Leads(Sent),
    /// The name is not there, and may be one outside with the search path of a pod behind it: so many first bytes of the name, with the
    /// root after them. The out buffer has what a server without an upstream sends: that it is not there.
    Searches(Sent, usize),
    /// Send nothing.
    Dropped,
}

impl Outcome {
    /// The answer in the out buffer, if it is to be sent as it is.
    #[must_use]
    pub const fn sent(self) -> Option<Sent> {
        match self {
            Self::Sent(sent) | Self::Forward(sent) | Self::Leads(sent) | Self::Searches(sent, _) => Some(sent),
            Self::Dropped => None,
        }
    }

    /// The same, with whose name was asked for.
    #[must_use]
    pub fn within(self, scope: impl FnOnce() -> Scope) -> Self {
        match self {
            Self::Sent(sent) => Self::Sent(Sent { scope: scope(), ..sent }),
            Self::Leads(sent) => Self::Leads(Sent { scope: scope(), ..sent }),
            Self::Searches(sent, length) => Self::Searches(Sent { scope: scope(), ..sent }, length),
            Self::Forward(sent) => Self::Forward(Sent { scope: Scope::Outside, ..sent }),
            Self::Dropped => Self::Dropped,
        }
    }
}

/// Answers one query from the snapshot, into `out`, which should have [`super::wire::LEAST_BUFFER`] bytes at least and room for
/// the largest answer that the transport may carry.
///
/// Any bytes may come in. What is not a query is dropped, what cannot be read gets FORMERR, and a snapshot that was never synced
/// gives SERVFAIL: it does not know that a name does not exist.
#[must_use]
pub fn answer(snapshot: &Snapshot, client: Client, query: &[u8], out: &mut [u8]) -> Outcome {
    answer_in(snapshot.seen_by(client.address), client, query, out)
}

/// The same of what is seen, whoever asks.
#[must_use]
pub fn answer_in(sight: Sight<'_>, client: Client, query: &[u8], out: &mut [u8]) -> Outcome {
    let query = match Query::read(query) {
        Ok(query) => query,
        Err(Unreadable::Silent) => return Outcome::Dropped,
        Err(Unreadable::Bad(head, rcode)) => {
            let reply = Reply::bare(head, out);
            return reply.map_or(Outcome::Dropped, |reply| sent(reply, rcode, None));
        }
        Err(Unreadable::Bare(head, edns)) => {
            let reply = Reply::empty(head, Some(edns), out, usize::from(most(client.transport, Some(edns))));
            let rcode = if edns.is_bad_version() { Rcode::BadVers } else { Rcode::NoError };
            return reply.map_or(Outcome::Dropped, |reply| sent(reply, rcode, None));
        }
    };
    let Some(reply) = Reply::to(&query, out, usize::from(most(client.transport, query.edns))) else { return Outcome::Dropped };
    let transfer = matches!(query.rtype, RecordType::AXFR | RecordType::IXFR) && sight.names().is_synced();
    let asked = Asked { sight, query: &query, turn: client.turn };
    if query.is_bad_version() {
        sent(reply, Rcode::BadVers, Some(query.rtype))
    } else if query.class != CLASS_IN {
        sent(reply, Rcode::Refused, Some(query.rtype))
    } else {
        let outcome = if transfer { asked.transfer(reply, client.transport) } else { asked.answer(reply) };
        outcome.within(|| Scope::of(sight.tables(query.name()), query.name()))
    }
}

/// The answer without records that tells the client to ask again by TCP, for one that gets no other by UDP.
#[must_use]
pub fn cut_short(query: &[u8], out: &mut [u8]) -> Outcome {
    let Some((mut reply, rtype)) = without_records(query, out) else { return Outcome::Dropped };
    reply.cut_off();
    sent(reply, Rcode::NoError, rtype)
}

/// The answer to a client that has to ask again, with the cookie that this answer has.
#[must_use]
pub fn bad_cookie(query: &[u8], out: &mut [u8]) -> Outcome {
    without_records(query, out).map_or(Outcome::Dropped, |(reply, rtype)| sent(reply, Rcode::BadCookie, rtype))
}

/// The start of an answer by UDP, and the type that is asked for, if any is.
fn without_records<'a>(query: &[u8], out: &'a mut [u8]) -> Option<(Reply<'a>, Option<RecordType>)> {
    let most = |edns| usize::from(most(Transport::Udp, edns));
    match Query::read(query) {
        Ok(query) => Some((Reply::to(&query, out, most(query.edns))?, Some(query.rtype))),
        Err(Unreadable::Bare(head, edns)) => Some((Reply::empty(head, Some(edns), out, most(Some(edns)))?, None)),
        Err(Unreadable::Silent | Unreadable::Bad(..)) => None,
    }
}

/// The longest answer that a client takes.
pub(super) fn most(transport: Transport, edns: Option<Edns>) -> u16 {
    match (transport, edns) {
        (Transport::Tcp, _) => MOST_TCP,
        (Transport::Udp, None) => PLAIN_UDP,
        (Transport::Udp, Some(edns)) => edns.size.min(MOST_UDP),
    }
}

fn finished(reply: Reply<'_>, rcode: Rcode, rtype: Option<RecordType>) -> Sent {
    let cookie = reply.has_cookie();
    Sent { length: reply.finish(rcode), rcode, rtype, cookie, scope: Scope::Unknown }
}

fn sent(reply: Reply<'_>, rcode: Rcode, rtype: Option<RecordType>) -> Outcome {
    Outcome::Sent(finished(reply, rcode, rtype))
}

/// A readable query with what it is asked of.
struct Asked<'a> {
    sight: Sight<'a>,
    query: &'a Query<'a>,
    turn: u32,
}

impl<'a> Asked<'a> {
    /// Zones are sent by [`super::transfer`], and what comes here is refused. Only a question by UDP for what is new is told that there is
    /// something (RFC 1995 §2), where somebody may have the zone: whoever asks for its SOA record may know it too.
    fn transfer(&self, mut reply: Reply<'_>, transport: Transport) -> Outcome {
        let (zone, rtype) = (self.query.name(), self.query.rtype);
        let by_udp = rtype == RecordType::IXFR && transport == Transport::Udp;
        let shared = self.sight.tables(zone).shared_zone(zone).filter(|_| by_udp);
        if shared.is_none_or(|(_, shared)| shared.secondaries.transfer_to.is_empty()) {
            return sent(reply, Rcode::Refused, Some(rtype));
        }
        reply.authoritative = true;
        self.put_soa(&mut reply, true, zone, HEADER);
        sent(reply, Rcode::NoError, Some(rtype))
    }

    fn answer(&self, mut reply: Reply<'_>) -> Outcome {
        let rtype = Some(self.query.rtype);
        if !self.sight.names().is_synced() {
            // Nothing is known yet, not even which zones are ours.
            return sent(reply, Rcode::ServFail, rtype);
        }
        // The name in hand, and where in the message it stands: first the question's, then those it is an alias for.
        let (mut name, mut place) = (self.query.name(), HEADER);
        for hop in 0..=MOST_ALIASES {
            let (mut found, mut outside) = (find(self.sight, name, self.query.rtype), None);
            if hop == 0 && matches!(found, Found::Missing) {
                match complete(self.sight, name, self.query.rtype) {
                    Some(Completed::Here(completed)) => found = completed,
                    Some(Completed::Outside(length)) => outside = Some(length),
                    None => {}
                }
            }
            let zone = match found {
                Found::Start | Found::NoData | Found::Missing => match zone_for(self.sight, name, self.query.rtype) {
                    Some(zone) => Some(zone),
                    None if hop == 0 => return forward(reply, rtype),
                    None => return leads(reply, rtype),
                },
                _ => None,
            };
            if let Found::Elsewhere(servers, length) = found {
                if hop > 0 {
                    return leads(reply, rtype);
                }
                self.refer(&mut reply, servers, place + name.len() - length, length);
                return sent(reply, Rcode::NoError, rtype);
            }
            reply.authoritative = true;
            match (found, zone) {
                (Found::Set(set), _) => {
                    self.put_answer(&mut reply, set, place, hop == 0);
                    return sent(reply, Rcode::NoError, rtype);
                }
                (Found::Address(address), _) => {
                    self.put_address(&mut reply, address, place);
                    return sent(reply, Rcode::NoError, rtype);
                }
                (Found::Ports(service, port), _) => {
                    self.put_ports(&mut reply, (service, port), place, (hop == 0).then_some(name.len()));
                    return sent(reply, Rcode::NoError, rtype);
                }
                (Found::Fronts(address), _) => {
                    self.put_fronts(&mut reply, address, place);
                    return sent(reply, Rcode::NoError, rtype);
                }
                (Found::Alias(set), _) => {
                    let target = reply.len() + FIXED;
                    if target > MOST_POINTER || !reply.put_set(Section::Answer, set, pointer(place), 0) {
                        return sent(reply, Rcode::NoError, rtype);
                    }
                    (name, place) = (set.first_data(), target);
                }
                (other, Some(zone)) => {
                    let is_start = matches!(other, Found::Start);
                    if !is_start && self.sight.tables(zone).awaits(zone) {
                        break;
                    }
                    self.put_soa(&mut reply, is_start, zone, place + name.len() - zone.len());
                    let rcode = if matches!(other, Found::Missing) { Rcode::NxDomain } else { Rcode::NoError };
                    return match (outside, sent(reply, rcode, rtype)) {
                        (Some(length), Outcome::Sent(sent)) => Outcome::Searches(sent, length),
                        (_, sent) => sent,
                    };
                }
                (_, None) => break,
            }
        }
        sent(reply, Rcode::ServFail, rtype)
    }

    /// Appends what answers the question under the name at `place`, and addresses of the hosts in it.
    fn put_answer(&self, reply: &mut Reply<'_>, set: Set<'_>, place: usize, is_first: bool) {
        let start = reply.len();
        if !reply.put_set(Section::Answer, set, pointer(place), self.turn) {
            return;
        }
        if is_first {
            let (block, records) = set.additional();
            reply.put_additional(&[block], records);
        }
        for (at, host) in hosts(set) {
            self.put_addresses(reply, host, start + at);
        }
    }

    /// The start of a computed record of this type, up to its length.
    fn fixed(&self, [high, low]: [u8; 2], rtype: RecordType) -> [u8; FIXED - 2] {
        let ([r0, r1], [t0, t1, t2, t3]) = (rtype.0.to_be_bytes(), self.sight.names().settings().ttl.to_be_bytes());
        [high, low, r0, r1, 0, 1, t0, t1, t2, t3]
    }

    /// Appends an address that no table has under the name at `place`.
    fn put_address(&self, reply: &mut Reply<'_>, address: IpAddr, place: usize) {
        if !reply.put_whole(Section::Answer, &[self.address_record(address, pointer(place)).as_bytes()]) {
            reply.cut_off();
        }
    }

    /// Says who answers for the name that stands at `place` and has `length` bytes (RFC 1034 §4.3.2): the servers, and the addresses
    /// of those that can be found no other way; without these the answer is cut off (RFC 9471).
    fn refer(&self, reply: &mut Reply<'_>, servers: Set<'_>, place: usize, length: usize) {
        let start = reply.len();
        let name = self.query.name();
        let delegated = name.get(name.len() - length..).unwrap_or_default();
        if !reply.put_set(Section::Authority, servers, pointer(place), 0) {
            return;
        }
        for (at, host) in hosts(servers) {
            if !self.put_addresses(reply, host, start + at) && is_under(host, delegated) {
                reply.cut_off();
            }
        }
    }

    /// Appends the addresses of a host whose name stands at `place`. Says whether all of them fitted.
    fn put_addresses(&self, reply: &mut Reply<'_>, host: &[u8], place: usize) -> bool {
        let seen = place <= MOST_POINTER && !self.sight.hides(host);
        match self.sight.tables(host).at(host).filter(|_| seen) {
            Some(At::Kept(node)) => {
                let mut sets = [RecordType::A, RecordType::AAAA].into_iter().filter_map(|rtype| node.set(rtype));
                sets.all(|set| reply.put_addresses(set, pointer(place)))
            }
            Some(At::Implied(Implied::Front(service))) => {
                in_order(service).all(|address| reply.put_additional(&[self.address_record(address, pointer(place)).as_bytes()], 1))
            }
            _ => true,
        }
    }

    /// Appends the start of `zone`, whose name stands at `place` in the message: as the answer, or as the reason why there is none
    /// (RFC 2308 §3; its time to live is then how long that may be kept).
    fn put_soa(&self, reply: &mut Reply<'_>, is_answer: bool, zone: &[u8], place: usize) {
        let at = pointer(place);
        let snapshot = self.sight.tables(zone);
        let own = snapshot.settings().zone().as_wire();
        let start = snapshot.start(zone, if zone == own { &at } else { own });
        let (section, ttl) =
            if is_answer { (Section::Answer, start.ttl) } else { (Section::Authority, start.ttl.min(start.negative_ttl)) };
        let [high, low] = at;
        let [t0, t1, t2, t3] = ttl.to_be_bytes();
        let fixed = [high, low, 0, 6, 0, 1, t0, t1, t2, t3];
        let [server, after, mailbox, again] = start.names;
        let [serial, refresh, retry, expire, minimum] = start.numbers();
        reply.put_record(section, fixed, &[server, after, mailbox, again, &serial, &refresh, &retry, &expire, &minimum]);
    }
}

/// The hosts of a set whose addresses are looked up, each once, with its place in the set.
fn hosts(set: Set<'_>) -> impl Iterator<Item = (usize, &[u8])> {
    let is_first = move |(nth, (_, host)): &(usize, (usize, &[u8]))| !set.targets().take(*nth).any(|(_, other)| other == *host);
    set.targets().take(MOST_HOSTS).enumerate().filter(is_first).map(|(_, found)| found)
}

fn forward(reply: Reply<'_>, rtype: Option<RecordType>) -> Outcome {
    Outcome::Forward(finished(reply, Rcode::Refused, rtype))
}

/// The answer to the first name is ours; whoever asks goes on from there.
fn leads(reply: Reply<'_>, rtype: Option<RecordType>) -> Outcome {
    Outcome::Leads(finished(reply, Rcode::NoError, rtype))
}

#[cfg(test)]
mod tests;
