//! A client's query, as far as its answer depends on it.

use super::super::answer::{Transport, most};
use super::super::cookie::Presented;
use super::super::name::DomainName;
use super::super::record::RecordType;
use super::super::wire::{Head, Query};
use super::asking::Asking;
use super::response::Leading;

pub(super) const FLAG_RECURSION_DESIRED: u8 = 0x01;
pub(super) const FLAG_AUTHENTIC: u8 = 0x20;
pub(super) const FLAG_CHECKING_DISABLED: u8 = 0x10;
pub(super) const CLASS_IN: u16 = 1;

/// What an upstream's answer depends on: equal keys may share one answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The name.
    pub name: DomainName,
    /// The type; the class is always IN.
    pub rtype: RecordType,
    /// DNSSEC records are wanted (RFC 3225).
    pub dnssec_ok: bool,
    /// What does not validate is wanted too (RFC 4035 §3.2.2).
    pub checking_disabled: bool,
}

impl Key {
    /// A plain question.
    #[must_use]
    pub const fn plain(name: DomainName, rtype: RecordType) -> Self {
        Self { name, rtype, dnssec_ok: false, checking_disabled: false }
    }

    /// The plain query for it under the number `id`, with or without EDNS.
    #[must_use]
    pub fn encode(&self, id: u16, edns: bool) -> Vec<u8> {
        Asking { id, edns, ..Asking::default() }.encode(self)
    }
}

/// A client's query that is to be answered with the help of others.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What others are asked.
    pub key: Key,
    pub(super) head: Head,
    /// The question as it came; it is sent back.
    pub(super) question: Box<[u8]>,
    /// The type that the client asked for.
    pub(super) rtype: RecordType,
    pub(super) has_edns: bool,
    /// The cookie that is shown to the client again.
    pub(super) cookie: Option<Presented>,
    /// The client wants to know whether the answer was validated (RFC 6840 §5.8).
    pub(super) wants_authentic: bool,
    /// The longest answer that the client takes.
    pub(super) most: usize,
    /// What our own zones say before others are asked.
    pub(super) leading: Leading,
    /// What others say of their name is told of the name of the question: it is the same with a search path behind it.
    pub(super) searched: bool,
}

impl Asked {
    /// Reads a query. `None` for one that is not to be forwarded: it cannot be read, or does not want recursion.
    #[must_use]
    pub fn read(message: &[u8], transport: Transport) -> Option<Self> {
        let query = Query::read(message).ok()?;
        if query.head.flags & FLAG_RECURSION_DESIRED == 0 || query.class != CLASS_IN || query.is_bad_version() {
            return None;
        }
        let flags = *message.get(3)?;
        let dnssec_ok = query.edns.is_some_and(|edns| edns.dnssec_ok);
        let key = Key {
            name: DomainName::from_wire(query.name())?,
            rtype: query.rtype,
            dnssec_ok,
            checking_disabled: flags & FLAG_CHECKING_DISABLED != 0,
        };
        Some(Self {
            head: query.head,
            question: query.question.into(),
            rtype: query.rtype,
            has_edns: query.edns.is_some(),
            cookie: query.edns.and_then(|edns| edns.cookie),
            wants_authentic: dnssec_ok || flags & FLAG_AUTHENTIC != 0,
            most: usize::from(most(transport, query.edns)),
            leading: Leading::default(),
            searched: false,
            key,
        })
    }

    /// The same query for its name without the search path behind the first `length` bytes. `None` when they are no labels.
    #[must_use]
    pub fn searched(self, length: usize) -> Option<Self> {
        let wanted = self.key.name.as_wire().get(..length)?;
        let name = DomainName::from_wire(&[wanted, b"\0"].concat())?;
        Some(Self { key: Key { name, ..self.key }, searched: true, ..self })
    }

    /// The same query after our own zones have answered it with an alias that leads out of them: others are asked for the alias'
    /// target. `None` when `partial`, which is that answer, does not end in one.
    #[must_use]
    pub fn continued(self, partial: &[u8]) -> Option<Self> {
        let (leading, target) = Leading::read(&self.key, partial)?;
        Some(Self { key: Key { name: target, ..self.key }, leading, ..self })
    }
}
