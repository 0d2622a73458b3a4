//! The counters of one socket. Every zone that was asked for has its row; counting a query is a few additions to it, and neither waits
//! nor takes memory.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use polder_core::dns::{Rcode, RecordType, Scope, Sent};

use super::zones::{MOST_ZONES, Zones};

/// Types counted by name; the others together are `other`, and so are queries that could not be read.
pub(super) const TYPES: [RecordType; 14] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::PTR,
    RecordType::CNAME,
    RecordType::MX,
    RecordType::TXT,
    RecordType::NS,
    RecordType::SOA,
    RecordType::DS,
    RecordType::ANY,
    RecordType::AXFR,
    RecordType::IXFR,
    RecordType::CAA,
];
pub(super) const RCODES: [Rcode; 8] = [
    Rcode::NoError,
    Rcode::NxDomain,
    Rcode::ServFail,
    Rcode::Refused,
    Rcode::FormErr,
    Rcode::NotImp,
    Rcode::BadVers,
    Rcode::BadCookie,
];
/// In bytes: those of CoreDNS.
pub(super) const SIZES: [u64; 14] = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000];
/// In nanoseconds: those of CoreDNS, from a quarter of a millisecond, and some below them, where our own names are.
pub(super) const TIMES: [u64; 18] = [
    16_000,
    64_000,
    250_000,
    500_000,
    1_000_000,
    2_000_000,
    4_000_000,
    8_000_000,
    16_000_000,
    32_000_000,
    64_000_000,
    128_000_000,
    256_000_000,
    512_000_000,
    1_024_000_000,
    2_048_000_000,
    4_096_000_000,
    8_192_000_000,
];

/// Why a query gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It is no query, or not even the refusal of it has room.
    Unreadable,
    /// Its network of clients has had too many answers.
    Limited,
    /// The answer could not be sent.
    Unsent,
}

impl Lost {
    pub(super) const ALL: [Self; 3] = [Self::Unreadable, Self::Limited, Self::Unsent];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Limited => "limited",
            Self::Unsent => "unsent",
        }
    }
}

/// Why a connection was closed although its client kept to its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// A new one took its place.
    Displaced,
    /// It was new, and its network had as many as it may have.
    Refused,
}

impl Closed {
    pub(super) const ALL: [Self; 2] = [Self::Displaced, Self::Refused];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Displaced => "displaced",
            Self::Refused => "refused",
        }
    }
}

/// What a socket is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Labels {
    pub(super) server: String,
    pub(super) proto: &'static str,
    pub(super) family: &'static str,
}

impl Labels {
    pub(crate) fn udp(server: SocketAddr) -> Self {
        Self::new(server, "dns", "udp")
    }

    pub(crate) fn tcp(server: SocketAddr, is_secured: bool) -> Self {
        Self::new(server, if is_secured { "tls" } else { "dns" }, "tcp")
    }

    fn new(server: SocketAddr, scheme: &str, proto: &'static str) -> Self {
        Self { server: format!("{scheme}://{server}"), proto, family: if server.is_ipv4() { "1" } else { "2" } }
    }
}

/// A counter. Where one thread alone counts it need not keep others out.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    fn add(&self, number: u64, alone: bool) {
        if alone {
            self.0.store(self.get().wrapping_add(number), Ordering::Relaxed);
        } else {
            self.0.fetch_add(number, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A histogram: how many values up to each bound and not up to the one before; those above all bounds; their sum.
#[derive(Debug)]
pub(super) struct Spread<const N: usize> {
    pub(super) buckets: [Cell; N],
    pub(super) above: Cell,
    pub(super) sum: Cell,
}

impl<const N: usize> Spread<N> {
    fn new() -> Self {
        Self { buckets: std::array::from_fn(|_| Cell::default()), above: Cell::default(), sum: Cell::default() }
    }

    fn add(&self, bounds: &[u64; N], (value, times): (u64, u64), alone: bool) {
        // From the lowest: most values are small.
        let place = bounds.iter().position(|bound| *bound >= value);
        place.and_then(|place| self.buckets.get(place)).unwrap_or(&self.above).add(times, alone);
        self.sum.add(value.saturating_mul(times), alone);
    }
}

/// The counters of one zone on one socket.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) types: [Cell; TYPES.len()],
    pub(super) other: Cell,
    pub(super) rcodes: [Cell; RCODES.len()],
    pub(super) queries: Spread<{ SIZES.len() }>,
    pub(super) answers: Spread<{ SIZES.len() }>,
    pub(super) times: Spread<{ TIMES.len() }>,
}

impl Row {
    fn new() -> Self {
        Self {
            types: std::array::from_fn(|_| Cell::default()),
            other: Cell::default(),
            rcodes: std::array::from_fn(|_| Cell::default()),
            queries: Spread::new(),
            answers: Spread::new(),
            times: Spread::new(),
        }
    }
}

/// The place of a zone's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(pub(super) usize);

impl Place {
    pub(super) const OUTSIDE: Self = Self(0);
    pub(super) const CLUSTER: Self = Self(1);
    pub(super) const REVERSE_IPV4: Self = Self(2);
    pub(super) const REVERSE_IPV6: Self = Self(3);
    pub(super) const OTHER: Self = Self(4);
    /// The first of those of stored zones.
    pub(super) const STORED: usize = 5;
}

/// The counters of one socket.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(super) labels: Labels,
    zones: Arc<Zones>,
    /// One thread counts here, and no other.
    alone: bool,
    /// A row is made when its zone is first asked for.
    rows: Box<[OnceLock<Box<Row>>]>,
    lost: [Cell; Lost::ALL.len()],
    connections: Cell,
    closed: [Cell; Closed::ALL.len()],
}

impl Lane {
    pub(super) fn new(labels: Labels, zones: Arc<Zones>, alone: bool) -> Self {
        let rows = std::iter::repeat_with(OnceLock::new).take(Place::STORED + MOST_ZONES).collect();
        let (lost, closed) = (std::array::from_fn(|_| Cell::default()), std::array::from_fn(|_| Cell::default()));
        Self { labels, zones, alone, rows, lost, connections: Cell::default(), closed }
    }

    /// Counts an answer to a query. Says where, for [`Self::took`].
    pub(crate) fn answered(&self, sent: &Sent, query: &[u8]) -> Place {
        let place = match sent.scope {
            Scope::Cluster => Place::CLUSTER,
            Scope::ReverseIpv4 => Place::REVERSE_IPV4,
            Scope::ReverseIpv6 => Place::REVERSE_IPV6,
            Scope::Stored(length) => self.zones.place(query, length),
            Scope::Outside | Scope::Unknown => Place::OUTSIDE,
        };
        self.count(place, sent, query.len());
        place
    }

    /// Counts an answer that others have given, to a query of so many bytes.
    pub(crate) fn forwarded(&self, sent: &Sent, query: usize, took: Duration) {
        self.count(Place::OUTSIDE, sent, query);
        self.took(Place::OUTSIDE, 1, took);
    }

    fn count(&self, place: Place, sent: &Sent, query: usize) {
        let Some(row) = self.rows.get(place.0) else { return };
        let row = row.get_or_init(|| Box::new(Row::new()));
        let rtype = TYPES.iter().position(|rtype| Some(*rtype) == sent.rtype);
        rtype.and_then(|place| row.types.get(place)).unwrap_or(&row.other).add(1, self.alone);
        let rcode = RCODES.iter().position(|rcode| *rcode == sent.rcode);
        if let Some(cell) = rcode.and_then(|place| row.rcodes.get(place)) {
            cell.add(1, self.alone);
        }
        row.queries.add(&SIZES, (query as u64, 1), self.alone);
        row.answers.add(&SIZES, (sent.length as u64, 1), self.alone);
    }

    /// Counts that so many answers took so long each.
    pub(crate) fn took(&self, place: Place, answers: u64, time: Duration) {
        if let Some(row) = self.rows.get(place.0).and_then(OnceLock::get) {
            let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            row.times.add(&TIMES, (nanos, answers), self.alone);
        }
    }

    /// Counts queries that get no answer.
    pub(crate) fn lost(&self, why: Lost, number: usize) {
        if let Some(cell) = self.lost.get(why as usize) {
            cell.add(number as u64, self.alone);
        }
    }

    /// Says how many connections are open.
    pub(crate) fn connections(&self, open: usize) {
        self.connections.0.store(open as u64, Ordering::Relaxed);
    }

    /// Counts a connection that was closed.
    pub(crate) fn closed(&self, why: Closed) {
        if let Some(cell) = self.closed.get(why as usize) {
            cell.add(1, self.alone);
        }
    }

    /// How many connections are open, and how many were closed, by why.
    pub(super) fn held(&self) -> (u64, impl Iterator<Item = (Closed, u64)>) {
        (self.connections.get(), Closed::ALL.into_iter().zip(&self.closed).map(|(why, cell)| (why, cell.get())))
    }

    /// Every row with the name of its zone.
    pub(super) fn rows(&self) -> impl Iterator<Item = (String, &Row)> {
        let made = self.rows.iter().enumerate().filter_map(|(place, row)| Some((Place(place), row.get()?)));
        made.map(|(place, row)| (self.zones.name(place), row.as_ref()))
    }

    /// How many queries got no answer, by why.
    pub(super) fn losses(&self) -> impl Iterator<Item = (Lost, u64)> {
        Lost::ALL.into_iter().zip(&self.lost).map(|(why, cell)| (why, cell.get()))
    }
}
