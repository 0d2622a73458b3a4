//! Use cases: all of them read what is served now.

use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use polder_core::dns::message::Message;
use polder_core::dns::views::Sight;
use polder_core::dns::wire::{MOST_TCP, encode_query};
use polder_core::dns::zones::ZoneName;
use polder_core::dns::{Client, DomainName, Outcome, Record, RecordType, Settings, Snapshot, Source, Transport, answer, answer_in};
use polder_core::id::Revision;
use polder_core::net::{Label, Name};
use polder_core::reason::{Reason, Refusal};
use polder_proto::convert::dns::{Page, Question, RecordKey, no_zone, system_zone};
use polder_proto::dns::v1;
use polder_runtime::clock;

use crate::everywhere::Everywhere;
use crate::names::{Names, Position};
use crate::resolver::{Origin, Resolver};
use crate::seen::Seen;

/// Names with fewer dots are tried with the search list first, as in a pod (`ndots:5`).
const NDOTS: usize = 5;
/// Who asks for people.
const CLIENT: Client = Client { transport: Transport::Tcp, turn: 0, address: None };

/// The use cases of the name server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    names: Arc<Names>,
    resolver: Arc<Resolver>,
    seen: Arc<Seen>,
    name: Name,
    everywhere: Everywhere,
}

/// An answer, with the names that were tried before.
pub(crate) struct Resolution {
    pub(crate) name: DomainName,
    pub(crate) message: Message,
    pub(crate) tried: Vec<DomainName>,
    /// The snapshot that answered.
    pub(crate) names: Arc<Snapshot>,
    /// Where it was found, when it is not all ours.
    pub(crate) origin: Option<Origin>,
}

/// A record on a page.
pub(crate) struct Listed {
    pub(crate) key: RecordKey,
    pub(crate) source: Source,
    pub(crate) record: Record,
}

impl PartialEq for Listed {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Listed {}

impl PartialOrd for Listed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Listed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl Service {
    pub(crate) const fn new(
        names: Arc<Names>,
        resolver: Arc<Resolver>,
        seen: Arc<Seen>,
        name: Name,
        everywhere: Everywhere,
    ) -> Self {
        Self { names, resolver, seen, name, everywhere }
    }

    /// The server's name among its replicas.
    pub(crate) fn name(&self) -> &str {
        self.name.as_str()
    }

    /// What this server has seen of its clients.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// What the configuration of this server says about the cluster's names.
    pub(crate) fn configured<T>(&self, show: impl FnOnce(&Settings) -> T) -> T {
        show(self.names.current().load().settings())
    }

    /// The revision of the newest change of what other programs store.
    pub(crate) fn imported_at(&self) -> Revision {
        self.names.state().imported.at
    }

    /// What is served, once anything is.
    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, Refusal> {
        self.names.ready()?;
        Ok(self.names.current().load_full())
    }

    /// Puts the question to the engine as a pod's resolver would: the first name with an answer, else the last one tried.
    pub(crate) async fn resolve(&self, question: &Question) -> Result<Resolution, Refusal> {
        let names = self.names.current().load_full();
        let mut tried = Vec::new();
        let mut candidates = candidates(&names, question)?.into_iter().peekable();
        while let Some(name) = candidates.next() {
            let (message, origin) = self.ask(&names, &name, question).await?;
            if !message.answer.is_empty() || candidates.peek().is_none() {
                return Ok(Resolution { name, message, tried, names, origin });
            }
            tried.push(name);
        }
        Err(Refusal::new(Reason::Internal, "a question had no name to try"))
    }

    async fn ask(&self, names: &Snapshot, name: &DomainName, question: &Question) -> Result<(Message, Option<Origin>), Refusal> {
        let (query, mut out) = (encode_query(0, name, question.rtype), vec![0; usize::from(MOST_TCP)]);
        let outcome = answer_in(sight(names, question), CLIENT, &query, &mut out);
        let outcome = (outcome, CLIENT.transport);
        let (outcome, origin) = self.resolver.finish(outcome, &query, &mut out, question.local_only).await;
        read(outcome, &out).map(|message| (message, origin))
    }

    /// A page of records in the order of their keys, and whether there are more.
    pub(crate) fn list(&self, wanted: &Page<RecordKey>) -> Result<(Vec<Listed>, bool, Revision), Refusal> {
        let names = self.snapshot()?;
        let parts: Vec<&Snapshot> = match &wanted.zone {
            Some(zone) => vec![known_zone(&names, zone, wanted.view.as_ref())?],
            None => names.with_layers().collect(),
        };
        // The largest of the smallest stands on top: no more than a page and one is ever kept.
        let mut page = BinaryHeap::new();
        let records = parts.into_iter().flat_map(|part| part.records().map(move |(source, record)| (part, source, record)));
        for (part, source, record) in records {
            let later = |key: &RecordKey| wanted.after.as_ref().is_none_or(|after| key > after);
            let Some(key) = key(part, wanted.zone.as_ref(), &record).filter(later) else { continue };
            if wanted.passes(&key, &source, &record) {
                page.push(Listed { key, source, record });
            }
            if page.len() > wanted.size + 1 {
                page.pop();
            }
        }
        let mut page = page.into_sorted_vec();
        let more = page.len() > wanted.size;
        page.truncate(wanted.size);
        Ok((page, more, names.revision()))
    }

    /// The zones that are computed, in no order.
    pub(crate) fn computed_zones(&self) -> Result<Vec<v1::Zone>, Refusal> {
        let names = self.snapshot()?;
        let all = names.reverse_zones().chain([names.settings().zone()]);
        Ok(all.map(|zone| system_zone(&names, zone)).collect())
    }

    /// One zone that is computed.
    pub(crate) fn computed_zone(&self, zone: &ZoneName) -> Result<v1::Zone, Refusal> {
        let names = self.snapshot()?;
        let part = known_zone(&names, zone.domain(), zone.view())?;
        Ok(system_zone(part, zone.domain()))
    }

    /// The zone as the lines of a zone file, without those of names that have no data; its serial number; and where that stands.
    pub(crate) fn export(&self, zone: &ZoneName) -> Result<(Vec<String>, u32, Revision), Refusal> {
        let all = self.snapshot()?;
        let names = known_zone(&all, zone.domain(), zone.view())?;
        let zone = zone.domain();
        let line = |record: &Record| {
            let [zone, name, rtype, data] = key(names, Some(zone), record)?;
            Some(([zone, name.clone(), rtype.clone(), data.clone()], format!("{name} {} IN {rtype} {data}\n", record.ttl)))
        };
        let lines: BTreeSet<_> = names.records().filter_map(|(_, record)| line(&record)).collect();
        let mut out = vec![0; usize::from(MOST_TCP)];
        let message = read(answer(names, CLIENT, &encode_query(0, zone, RecordType::SOA), &mut out), &out)?;
        let start = message.answer.iter().map(|soa| format!("{} {} IN SOA {}\n", soa.name, soa.ttl, soa.data));
        let lines = start.chain(lines.into_iter().map(|(_, line)| line)).collect();
        Ok((lines, names.serial(zone), all.revision()))
    }

    /// Waits until every live server serves `revision`, the newest change if it is 0; answers where this one stands then, and how many
    /// they are.
    pub(crate) async fn wait_everywhere(&self, revision: Revision, within: Duration) -> Result<(Position, usize), Refusal> {
        let until = clock::monotonic() + within;
        let revision = if revision == Revision(0) { self.everywhere.newest(within).await? } else { revision };
        let here = self.wait_for(revision, within).await?;
        let servers = self.everywhere.wait_for(revision, until).await?;
        Ok((here, servers))
    }

    /// Waits until this server serves `revision`.
    pub(crate) async fn wait_for(&self, revision: Revision, within: Duration) -> Result<Position, Refusal> {
        let mut position = self.names.position();
        let reached = tokio::time::timeout(within, position.wait_for(|position| position.revision >= revision)).await;
        if let Ok(Ok(reached)) = reached {
            return Ok(*reached);
        }
        let serving = self.names.position().borrow().revision;
        let message = format!("Revision {revision} is not served after {within:?}; this server stands at {serving}. Try again.");
        Err(Refusal::new(Reason::NotServedYet, message).with("revision", revision).with("serving_revision", serving))
    }
}

/// What whoever asks the question sees.
pub(crate) fn sight<'a>(names: &'a Snapshot, question: &Question) -> Sight<'a> {
    match (question.client, &question.namespace) {
        (None, Some(namespace)) => names.seen_in(namespace),
        (client, _) => names.seen_by(client),
    }
}

/// Where the zone is.
fn known_zone<'a>(names: &'a Snapshot, zone: &DomainName, view: Option<&Label>) -> Result<&'a Snapshot, Refusal> {
    let part = names.within(view).filter(|part| part.zone_containing(zone).is_some_and(|known| known == *zone));
    part.ok_or_else(|| no_zone(&view.map_or_else(|| zone.to_string(), |view| format!("{zone}@{view}"))))
}

/// `None` for a record of another zone, and for a name without data.
fn key(names: &Snapshot, only: Option<&DomainName>, record: &Record) -> Option<RecordKey> {
    let rtype = record.data.record_type()?;
    let zone = names.zone_containing(&record.name);
    if only.is_some() && zone.as_ref() != only {
        return None;
    }
    // An address outside our reverse zones still has its name.
    let view = names.view().map_or_else(String::new, |view| format!("@{view}"));
    let zone = zone.map_or_else(String::new, |zone| format!("{zone}{view}"));
    Some([zone, record.name.to_string(), rtype.to_string(), record.data.to_string()])
}

fn candidates(names: &Snapshot, question: &Question) -> Result<Vec<DomainName>, Refusal> {
    let whole: DomainName = question.name.parse()?;
    let Some(namespace) = question.namespace.as_ref().filter(|_| !question.name.ends_with('.')) else { return Ok(vec![whole]) };
    let zone = names.settings().zone();
    let text = &question.name;
    let searched = [format!("{text}.{namespace}.svc.{zone}"), format!("{text}.svc.{zone}"), format!("{text}.{zone}")];
    // A name that is too long with its suffix is not tried.
    let mut list: Vec<DomainName> = searched.iter().filter_map(|name| name.parse().ok()).collect();
    let first = if text.matches('.').count() < NDOTS { list.len() } else { 0 };
    list.insert(first, whole);
    Ok(list)
}

fn read(outcome: Outcome, out: &[u8]) -> Result<Message, Refusal> {
    let message = outcome.sent().and_then(|sent| out.get(..sent.length)).and_then(Message::read);
    message.ok_or_else(|| Refusal::new(Reason::Internal, "the engine gave no readable answer"))
}
