//! Why a name is answered as it is: the same steps that the answer takes, told to people.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::name::{DomainName, suffixes};
use super::super::record::{Data, RecordType};
use super::super::settings::PodRecords;
use super::super::snapshot::{Set, Snapshot};
use super::super::source::Source;
use super::super::views::Sight;
use super::super::wire::split_records;
use super::MOST_ALIASES;
use super::find::{Found, find, zone_for};
use super::ports::numbers;
use super::search::{Completed, complete};
use crate::reason::Reason;

/// The most objects that one step names.
const MOST_SOURCES: usize = 8;

/// How a step came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It leads on, or to an answer.
    Well,
    /// Here the answer is that there is nothing.
    Missing(Option<Reason>),
    /// Somebody else answers.
    Elsewhere,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was looked at: `view`, `zone`, `delegation`, `name`, `type`, `alias`, `search`.
    pub step: &'static str,
    /// How it came out.
    pub standing: Standing,
    /// For people.
    pub message: String,
    /// The objects whose records were found.
    pub sources: Vec<Source>,
}

/// The steps from a name to its answer; the last one says what the answer is.
#[must_use]
pub fn explain(sight: Sight<'_>, name: &DomainName, rtype: RecordType) -> Vec<Step> {
    let mut told = Told { sight, rtype, steps: Vec::new() };
    if let Some(view) = sight.view() {
        told.add("view", Standing::Well, format!("whoever asks is in view `{view}`"));
    }
    if !sight.names().is_synced() {
        told.add("zone", Standing::Missing(Some(Reason::NotSynced)), "the store was never read: nothing is known".to_owned());
        return told.steps;
    }
    let mut name = name.clone();
    for hop in 0..=MOST_ALIASES {
        match told.one(&name, hop == 0) {
            Some(target) => name = target,
            None => return told.steps,
        }
    }
    told.add("alias", Standing::Missing(None), format!("more than {MOST_ALIASES} aliases in a row are not followed: SERVFAIL"));
    told.steps
}

struct Told<'a> {
    sight: Sight<'a>,
    rtype: RecordType,
    steps: Vec<Step>,
}

impl Told<'_> {
    fn add(&mut self, step: &'static str, standing: Standing, message: String) {
        self.steps.push(Step { step, standing, message, sources: Vec::new() });
    }

    /// The same of what stands at a name.
    fn found(&mut self, step: &'static str, name: &DomainName, message: String) {
        let sources: BTreeSet<Arc<Source>> = self.tables(name).records_at(name).map(|(source, _)| source).collect();
        let sources = sources.into_iter().take(MOST_SOURCES).map(Arc::unwrap_or_clone).collect();
        self.steps.push(Step { step, standing: Standing::Well, message, sources });
    }

    fn tables(&self, name: &DomainName) -> &Snapshot {
        self.sight.tables(name.as_wire())
    }

    /// What becomes of one name; gives the next one where it is an alias.
    fn one(&mut self, name: &DomainName, is_first: bool) -> Option<DomainName> {
        let Some(zone) = zone_for(self.sight, name.as_wire(), self.rtype).and_then(DomainName::from_wire) else {
            let message = format!("`{name}` lies in no zone of Polder's: it is for upstreams, where there are any");
            self.add("zone", Standing::Elsewhere, message);
            return None;
        };
        let kind = match (self.tables(name).view(), self.tables(&zone).is_stored(&zone)) {
            (Some(view), _) => format!("which is stored in view `{view}`"),
            (None, true) => "which is stored".to_owned(),
            (None, false) => "whose names follow from the cluster".to_owned(),
        };
        self.add("zone", Standing::Well, format!("`{name}` lies in zone `{zone}`, {kind}"));
        if self.sight.hides(name.as_wire()) {
            let message = "its namespace is not among the visible ones of the view: for others the name may exist".to_owned();
            self.add("view", Standing::Missing(None), message);
        }
        match find(self.sight, name.as_wire(), self.rtype) {
            Found::Set(set) => self.has(name, split_records(set.answer()).count()),
            Found::Ports(service, port) => self.has(name, numbers(service, port).count()),
            Found::Fronts(address) => self.has(name, self.tables(name).fronts(address).count()),
            Found::Address(_) if self.tables(name).contains(name.as_wire()) => self.has(name, 1),
            Found::Address(address) => {
                self.add("name", Standing::Well, format!("`{name}` says its address itself: {address}"));
            }
            Found::Start => self.add("type", Standing::Well, format!("`{name}` is the start of its zone")),
            Found::Alias(set) => return self.alias(name, set),
            Found::Elsewhere(servers, length) => self.delegated(name, servers, length),
            // Nobody can say yet that something is not there.
            Found::NoData | Found::Missing if self.tables(&zone).awaits(zone.as_wire()) => {
                let message = format!("what other programs store for `{zone}` has not been read yet: SERVFAIL");
                self.add("zone", Standing::Missing(Some(Reason::NotSynced)), message);
            }
            Found::NoData => self.no_data(name),
            Found::Missing => self.missing(name, &zone, is_first),
        }
        None
    }

    fn has(&mut self, name: &DomainName, count: usize) {
        let records = if count == 1 { "1 record".to_owned() } else { format!("{count} records") };
        let message = format!("{} has {records} of type {}", self.standing_for(name), self.rtype);
        self.found("type", name, message);
    }

    /// The name, or the wildcard that stands for it, as the subject of a sentence.
    fn standing_for(&self, name: &DomainName) -> String {
        let tables = self.tables(name);
        let wild = || tables.wildcard(tables.stored_zone_of(name.as_wire())?, name.as_wire());
        match wild().filter(|_| !tables.contains(name.as_wire())) {
            Some((wild, _)) => format!("`{wild}`, which stands for `{name}`,"),
            None => format!("`{name}`"),
        }
    }

    fn alias(&mut self, name: &DomainName, set: Set<'_>) -> Option<DomainName> {
        let target = DomainName::from_wire(set.first_data())?;
        let message = format!("{} is an alias for `{target}`", self.standing_for(name));
        self.found("alias", name, message);
        Some(target)
    }

    fn delegated(&mut self, name: &DomainName, servers: Set<'_>, length: usize) {
        let cut = suffixes(name.as_wire()).find(|suffix| suffix.len() == length).and_then(DomainName::from_wire);
        let hosts = servers.targets().filter_map(|(_, host)| DomainName::from_wire(host)).map(|host| format!("`{host}`"));
        let hosts = hosts.take(MOST_SOURCES).collect::<Vec<_>>().join(", ");
        let cut = cut.unwrap_or_else(|| name.clone());
        self.add("delegation", Standing::Elsewhere, format!("other servers answer for `{cut}` and what is below it: {hosts}"));
    }

    fn no_data(&mut self, name: &DomainName) {
        let tables = self.tables(name);
        let types: BTreeSet<String> =
            tables.records_at(name).filter_map(|(_, record)| record.data.record_type()).map(|rtype| rtype.to_string()).collect();
        let has = if types.is_empty() {
            let waits = tables.records_at(name).any(|(_, record)| record.data == Data::Exists);
            let why = if waits { ": what is called so has none yet, or never has any" } else { ": names below it do" };
            format!("no records of its own{why}")
        } else {
            format!("records of type {}", types.into_iter().collect::<Vec<_>>().join(", "))
        };
        let message = format!("{} exists and has {has}; none of type {}", self.standing_for(name), self.rtype);
        self.found("type", name, message);
        if let Some(step) = self.steps.last_mut() {
            step.standing = Standing::Missing(None);
        }
    }

    fn missing(&mut self, name: &DomainName, zone: &DomainName, is_first: bool) {
        let tables = self.tables(name);
        if let Some(place) = tables.at(name.as_wire())
            && !self.sight.hides(name.as_wire())
            && self.sight.hides_names_of(place)
        {
            let message = format!("`{name}` is the address of something in a namespace that the view does not see");
            return self.add("view", Standing::Missing(None), message);
        }
        let nearest = suffixes(name.as_wire()).skip(1).find(|suffix| tables.contains(suffix));
        let nearest = nearest.and_then(DomainName::from_wire).unwrap_or_else(|| zone.clone());
        let (reason, why) = self.why_missing(name, &nearest, zone);
        let message = format!("`{name}` does not exist; the nearest name above it that does is `{nearest}`{why}");
        self.add("name", Standing::Missing(reason), message);
        if is_first {
            self.search(name);
        }
    }

    /// What is not there, as far as the shape of the name tells.
    fn why_missing(&self, name: &DomainName, nearest: &DomainName, zone: &DomainName) -> (Option<Reason>, String) {
        let cluster = self.sight.names().settings().zone();
        let label = |name: &DomainName| name.to_string().split('.').next().unwrap_or_default().to_owned();
        let below = suffixes(name.as_wire()).find(|suffix| suffixes(suffix).nth(1) == Some(nearest.as_wire()));
        let below = below.and_then(DomainName::from_wire).map_or_else(String::new, |name| label(&name));
        let place = |labels: &[&str]| cluster.below(labels);
        let depth = suffixes(nearest.as_wire()).count().saturating_sub(suffixes(cluster.as_wire()).count());
        if zone != cluster {
            (None, String::new())
        } else if Some(nearest) == place(&["svc"]).as_ref() || Some(nearest) == place(&["pod"]).as_ref() {
            (Some(Reason::NamespaceNotFound), format!(": there is no namespace `{below}`"))
        } else if depth == 2 && place(&["svc"]).is_some_and(|svc| nearest.is_under(&svc)) {
            (Some(Reason::ServiceNotFound), format!(": namespace `{}` has no service `{below}`", label(nearest)))
        } else if depth == 2 && self.sight.names().settings().pods == PodRecords::Disabled {
            (None, ": pods have no names here (`dns.pod_records`)".to_owned())
        } else if depth == 2 {
            (None, format!(": no pod of namespace `{}` holds such an address", label(nearest)))
        } else if depth >= 3 {
            (None, format!(": the service has no port or ready endpoint of the name `{below}`"))
        } else {
            (None, String::new())
        }
    }

    fn search(&mut self, name: &DomainName) {
        match complete(self.sight, name.as_wire(), self.rtype) {
            Some(Completed::Here(_)) => {
                let message = "it was found further along the search path of pods, and is answered under this name".to_owned();
                self.add("search", Standing::Well, message);
            }
            Some(Completed::Outside(length)) => {
                let wanted: Option<Vec<u8>> = name.as_wire().get(..length).map(|labels| [labels, &[0]].concat());
                let wanted =
                    wanted.as_deref().and_then(DomainName::from_wire).map_or_else(String::new, |name| format!(" `{name}`"));
                self.add(
                    "search",
                    Standing::Elsewhere,
                    format!("at the end of the search path of pods is{wanted}, which is for upstreams"),
                );
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::fixture::{set, shop, snapshot, view, views, zone};
    use super::super::super::wire::{Rcode, encode_query};
    use super::super::{Client, Outcome, Transport, answer_in};
    use super::*;
    use crate::cluster::Cluster;

    fn site() -> Cluster {
        let mut cluster = shop();
        let changes = [
            views(vec![view("tenant", "192.0.2.0/24", "", "bare")]),
            zone("example.com"),
            set("example.com/www/A", &["10.0.0.1"]),
            set("example.com/*.app/A", &["10.0.0.2"]),
            set("example.com/sub/NS", &["ns.example.org."]),
            set("example.com/shop/CNAME", &["web.shop.svc.cluster.local."]),
            set("example.com/ring/CNAME", &["ring"]),
        ];
        changes.iter().for_each(|change| cluster.apply(change));
        cluster
    }

    const NAMES: [&str; 18] = [
        "web.shop.svc.cluster.local",
        "wbe.shop.svc.cluster.local",
        "web.shp.svc.cluster.local",
        "_no._tcp.web.shop.svc.cluster.local",
        "9-9-9-9.shop.pod.cluster.local",
        "shop.svc.cluster.local",
        "waiting.shop.svc.cluster.local",
        "pay.shop.svc.cluster.local",
        "store.shop.svc.cluster.local",
        "x.cluster.local",
        "www.example.com",
        "x.app.example.com",
        "no.example.com",
        "far.sub.example.com",
        "shop.example.com",
        "ring.example.com",
        "example.org",
        "3.0.28.172.in-addr.arpa",
    ];

    fn told(from: &str, name: &str, rtype: RecordType) -> Vec<Step> {
        let names = snapshot(&site(), 7);
        explain(names.seen_by((!from.is_empty()).then(|| from.parse().unwrap())), &name.parse().unwrap(), rtype)
    }

    #[test]
    fn the_last_step_says_what_is_wrong() {
        let last = |from: &str, name: &str, rtype| {
            let step = told(from, name, rtype).pop().unwrap();
            let reason = if let Standing::Missing(reason) = step.standing { reason } else { None };
            (format!("{}: {}", step.step, step.message), reason)
        };
        let a = |name: &str| last("", name, RecordType::A);
        let missing = |name: &str, nearest: &str, why: &str| {
            format!(
                "name: `{name}.cluster.local.` does not exist; the nearest name above it that does is `{nearest}cluster.local.`{why}"
            )
        };
        let expected = [
            (NAMES[0], "type: `web.shop.svc.cluster.local.` has 1 record of type A".to_owned(), None),
            (
                NAMES[1],
                missing("wbe.shop.svc", "shop.svc.", ": namespace `shop` has no service `wbe`"),
                Some(Reason::ServiceNotFound),
            ),
            (NAMES[2], missing("web.shp.svc", "svc.", ": there is no namespace `shp`"), Some(Reason::NamespaceNotFound)),
            (NAMES[4], missing("9-9-9-9.shop.pod", "shop.pod.", ": no pod of namespace `shop` holds such an address"), None),
            (NAMES[9], missing("x", "", ""), None),
            (
                NAMES[11],
                "type: `*.app.example.com.`, which stands for `x.app.example.com.`, has 1 record of type A".to_owned(),
                None,
            ),
            (
                NAMES[13],
                "delegation: other servers answer for `sub.example.com.` and what is below it: `ns.example.org.`".to_owned(),
                None,
            ),
            (NAMES[14], "type: `web.shop.svc.cluster.local.` has 1 record of type A".to_owned(), None),
            (NAMES[15], "alias: more than 10 aliases in a row are not followed: SERVFAIL".to_owned(), None),
            (
                NAMES[16],
                "zone: `example.org.` lies in no zone of Polder's: it is for upstreams, where there are any".to_owned(),
                None,
            ),
        ];
        for (name, message, reason) in expected {
            assert_eq!(a(name), (message, reason), "{name}");
        }
        assert_eq!(a("waiting.shop.svc.cluster.local").0.split(':').next(), Some("type"));
        let hidden = last("192.0.2.1", "web.shop.svc.cluster.local", RecordType::A).0;
        assert!(hidden.starts_with("name: "), "{hidden}");
        let steps = told("192.0.2.1", "web.shop.svc.cluster.local", RecordType::A);
        assert_eq!(steps.iter().map(|step| step.step).collect::<Vec<_>>(), ["view", "zone", "view", "name"]);
        let steps = told("", "web.shop.svc.cluster.local", RecordType::A);
        assert_eq!(steps[1].sources.iter().map(ToString::to_string).collect::<Vec<_>>(), ["service/shop/web"]);
    }

    proptest! {
        #[test]
        fn what_is_explained_is_what_is_answered(
            name in prop::sample::select(NAMES.to_vec()),
            rtype in prop::sample::select(vec!["A", "AAAA", "SRV", "PTR", "SOA", "NS", "CNAME", "DS"]),
            from in prop::sample::select(vec!["203.0.113.1", "192.0.2.1"]),
        ) {
            let (names, rtype): (_, RecordType) = (snapshot(&site(), 7), rtype.parse().unwrap());
            let (sight, name): (_, DomainName) = (names.seen_by(Some(from.parse().unwrap())), name.parse().unwrap());
            let mut out = [0; 1232];
            let client = Client { transport: Transport::Udp, turn: 0, address: None };
            let outcome = answer_in(sight, client, &encode_query(1, &name, rtype), &mut out);
            let steps = explain(sight, &name, rtype);
            let last = steps.last().unwrap();
            let negative = u16::from_be_bytes([out[6], out[7]]) == 0;
            match (outcome, last.standing) {
                (Outcome::Forward(_) | Outcome::Leads(_), Standing::Elsewhere) => {}
                (Outcome::Sent(sent), Standing::Elsewhere) => prop_assert!(negative && sent.rcode == Rcode::NoError, "{:?}", steps),
                (Outcome::Sent(sent), Standing::Well) => prop_assert!(!negative && sent.rcode == Rcode::NoError, "{:?}", steps),
                (Outcome::Sent(sent), Standing::Missing(_)) => {
                    let aliased = steps.iter().any(|step| step.step == "alias");
                    let expected = match last.step {
                        "alias" => Rcode::ServFail,
                        "type" => Rcode::NoError,
                        _ => Rcode::NxDomain,
                    };
                    prop_assert!(sent.rcode == expected && (negative || aliased), "{:?} {:?}", sent, steps);
                }
                (outcome, _) => prop_assert!(false, "{:?} {:?}", outcome, steps),
            }
        }
    }
}
