//! One thing that happened to an address.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use polder_core::cluster::Change;
use polder_core::ipam::lookup::Standing;
use polder_core::ipam::{self, Allocation, Reservation};
use polder_core::lb::{self, Service};
use polder_core::reason::{Malformed, Reason};
use polder_core::schema::Schema as _;
use polder_core::time::Timestamp;
use polder_proto::convert::common::{object, show_time};
use polder_proto::convert::ipam::lookup::show_standing;
use polder_proto::ipam::v1 as pb;
use polder_proto::stored::Stored;
use polder_store::journal::{JournalChange, JournalEntry};

use crate::page::Fields;

/// The place of an event among all: its time, and where it stands in its batch. The text sorts as the events do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventKey(Timestamp, String);

impl EventKey {
    pub(crate) fn new(at: Timestamp, batch: &str, place: (usize, usize)) -> Self {
        Self(at, format!("{batch}.{:04x}.{:04x}", place.0, place.1))
    }

    /// The place just before everything that happened at this time.
    pub(crate) const fn before(at: Timestamp) -> Self {
        Self(at, String::new())
    }

    /// When it happened.
    pub(crate) const fn at(&self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}~{}", self.0.0, self.1)
    }
}

impl FromStr for EventKey {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bad = || Malformed::new(Reason::PageTokenMalformed, "not a token of this list");
        let (at, place) = text.split_once('~').filter(|_| text.len() <= 128).ok_or_else(bad)?;
        u64::from_str_radix(at, 16).map(|at| Self(Timestamp(at), place.to_owned())).map_err(|_| bad())
    }
}

/// Who has an address, as one record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    By(Arc<Allocation>),
    Service(Arc<Service>),
    Reserved(Arc<Reservation>),
    Nobody,
}

impl Held {
    fn of(change: Option<&Change>, address: IpAddr) -> Self {
        match change {
            Some(Change::Ipam(ipam::Change::Allocation(_, Some(record))))
                if record.is_held() && record.holdings.iter().any(|holding| holding.address == address) =>
            {
                Self::By(Arc::clone(record))
            }
            Some(Change::Ipam(ipam::Change::Reservation(_, Some(record))))
                if record.ranges.iter().any(|range| range.contains(address)) =>
            {
                Self::Reserved(Arc::clone(record))
            }
            Some(Change::Lb(lb::Change::Service(_, Some(record))))
                if record.cluster.iter().chain(&record.external).any(|vip| vip.address == address) =>
            {
                Self::Service(Arc::clone(record))
            }
            _ => Self::Nobody,
        }
    }

    const fn standing(&self) -> Standing {
        match self {
            Self::By(_) => Standing::Allocated,
            Self::Service(_) => Standing::Service,
            Self::Reserved(_) => Standing::Reserved,
            Self::Nobody => Standing::Free,
        }
    }

    const fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody)
    }
}

/// Something that happened to an address: somebody got it, or lost it.
pub(crate) struct Event {
    pub(crate) key: EventKey,
    pub(crate) at: Timestamp,
    pub(crate) before: Held,
    pub(crate) after: Held,
    actor: String,
    request_id: String,
    trace_id: String,
}

impl Event {
    /// What a change of one key meant for the address; `None` when nothing.
    pub(crate) fn of(entry: &JournalEntry, change: &JournalChange, address: IpAddr, key: EventKey) -> Option<Self> {
        let record = |value: &Option<_>| {
            value.as_ref().and_then(|value: &prost::bytes::Bytes| Stored::decode(&change.key, Some(value)).ok().flatten())
        };
        let before = Held::of(record(&change.before).as_ref(), address);
        let after = Held::of(record(&change.after).as_ref(), address);
        if before.is_nobody() == after.is_nobody() {
            return None;
        }
        let (actor, request_id, trace_id) = (entry.actor.clone(), entry.request_id.clone(), entry.trace_id.clone());
        Some(Self { at: key.at(), key, before, after, actor, request_id, trace_id })
    }

    pub(crate) fn show(&self) -> pb::AddressEvent {
        let (subject, verb) = match (&self.before, &self.after) {
            (before, Held::Nobody) => (before, "lost it"),
            (_, after) => (after, "got it"),
        };
        let (object, name) = match subject {
            Held::By(record) => {
                let owner = &record.owner;
                let namespace = owner.namespace.as_ref().map(ToString::to_string).unwrap_or_default();
                let object = object(owner.kind.as_str(), &namespace, owner.name.as_str(), &record.meta.uid.to_string());
                (Some(object), format!("{} {}", owner.kind.as_str(), owner.full_name()))
            }
            Held::Service(record) => {
                let key = &record.key;
                let object = object("service", key.namespace.as_str(), key.name.as_str(), &record.meta.uid.to_string());
                (Some(object), format!("service {key}"))
            }
            Held::Reserved(record) => {
                let object = object("reservation", "", record.name.as_str(), &record.meta.uid.to_string());
                (Some(object), format!("reservation {}", record.name))
            }
            Held::Nobody => (None, String::new()),
        };
        pb::AddressEvent {
            time: Some(show_time(self.at)),
            standing: show_standing(self.after.standing()).into(),
            object,
            description: format!("{name} {verb}"),
            actor: self.actor.clone(),
            request_id: self.request_id.clone(),
            trace_id: self.trace_id.clone(),
        }
    }
}

impl Fields for Event {
    const KNOWN: &'static [&'static str] = &["actor", "request_id", "trace_id"];

    fn values<'a>(&'a self, field: &str) -> Vec<Cow<'a, str>> {
        vec![Cow::Borrowed(match field {
            "actor" => &self.actor,
            "request_id" => &self.request_id,
            _ => &self.trace_id,
        })]
    }
}
