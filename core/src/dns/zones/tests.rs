//! Requests on a small state, and histories of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::fixture::{pool, set_key, view, views};
use super::super::master;
use super::super::record::RecordType;
use super::super::settings::Settings;
use super::super::{Heads, Snapshot, touched};
use super::*;
use crate::cluster::Cluster;
use crate::id::{Entropy, Revision};
use crate::ipam::{Purpose, Severity};
use crate::net::Labels;
use crate::reason::{Reason, Refusal, Violations};
use crate::schema::PlanContext;
use crate::time::Timestamp;

#[derive(Default)]
struct Site {
    cluster: Cluster,
    clock: u64,
}

impl Site {
    fn usual() -> Self {
        let mut site = Self::default();
        site.cluster.apply(&pool("service", Purpose::ClusterService, &["172.28.0.0/16"]));
        site.zone("example.com").unwrap();
        site
    }

    fn context(&mut self) -> PlanContext {
        self.clock += 1;
        PlanContext { now: Timestamp(self.clock), entropy: Entropy(u128::from(self.clock) << 64) }
    }

    fn take(&mut self, decision: Result<Decision, Refusal>) -> Result<Decision, Refusal> {
        let decision = decision?;
        decision.changes().into_iter().for_each(|change| self.cluster.apply(&change.into()));
        Ok(decision)
    }

    fn zone(&mut self, name: &str) -> Result<Decision, Refusal> {
        let draft = ZoneDraft { name: name.parse().unwrap(), labels: Labels::default(), spec: ZoneSpec::default() };
        let (domain, context) = ("cluster.local".parse().unwrap(), self.context());
        self.take(plan::create_zone(&self.cluster, &domain, draft, context))
    }

    fn end_zone(&mut self, name: &str, force: bool) -> Result<Decision, Refusal> {
        self.take(plan::delete_zone(&self.cluster, &name.parse().unwrap(), "", force))
    }

    fn draft(path: &str, data: &[&str]) -> SetDraft {
        let (key, mut bad) = (set_key(path), Violations::new());
        let texts: Vec<String> = data.iter().map(|text| (*text).to_owned()).collect();
        let read = check::data(key.rtype(), &texts, key.zone(), "data", &mut bad);
        SetDraft { key, labels: Labels::default(), ttl: None, data: bad.finish(read).unwrap() }
    }

    fn set(&mut self, path: &str, data: &[&str]) -> Result<Decision, Refusal> {
        let context = self.context();
        self.take(plan::create_set(&self.cluster, Self::draft(path, data), context))
    }

    fn change_set(&mut self, path: &str, data: &[&str]) -> Result<Decision, Refusal> {
        let context = self.context();
        self.take(plan::update_set(&self.cluster, Self::draft(path, data), context))
    }

    fn end_set(&mut self, path: &str, etag: &str) -> Result<Decision, Refusal> {
        self.take(plan::delete_set(&self.cluster, &set_key(path), etag))
    }
}

fn reason(refused: Result<Decision, Refusal>) -> Reason {
    refused.unwrap_err().reason
}

#[test]
fn zones_and_sets_come_change_and_go_under_their_etags() {
    let mut site = Site::default();
    assert_eq!(reason(site.set("example.com/www/A", &["10.0.0.5"])), Reason::ZoneNotFound);
    site.zone("example.com").unwrap();
    assert_eq!(reason(site.zone("example.com")), Reason::AlreadyExists);
    let made = site.set("example.com/www/A", &["10.0.0.6", "10.0.0.5"]).unwrap().sets[0].after.clone().unwrap();
    assert_eq!((made.meta.version, made.data[0].to_string().as_str()), (1, "10.0.0.5"));
    assert_eq!(reason(site.set("example.com/www/A", &["10.0.0.7"])), Reason::AlreadyExists);
    let same = site.change_set("example.com/www/A", &["10.0.0.5", "10.0.0.6"]).unwrap();
    assert!(same.changes().is_empty(), "another order is no change");
    let changed = site.change_set("example.com/www/A", &["10.0.0.7"]).unwrap().sets[0].after.clone().unwrap();
    assert_eq!((changed.meta.version, changed.meta.uid), (2, made.meta.uid));
    assert_eq!(reason(site.end_set("example.com/www/A", &made.meta.etag())), Reason::EtagMismatch);
    assert_eq!(reason(site.change_set("example.com/ftp/A", &["10.0.0.7"])), Reason::RecordSetNotFound);
    site.end_set("example.com/www/A", &changed.meta.etag()).unwrap();
    assert_eq!(reason(site.end_set("example.com/www/A", "")), Reason::RecordSetNotFound);
    site.end_zone("example.com", false).unwrap();
    assert_eq!(reason(site.end_zone("example.com", false)), Reason::ZoneNotFound);
    assert_eq!(site.cluster.dns, View::default(), "nothing is left");
}

#[test]
fn a_zone_with_records_goes_only_by_force_and_with_all_of_them() {
    let mut site = Site::usual();
    let empty = site.cluster.dns.clone();
    site.set("example.com/@/MX", &["10 mail"]).unwrap();
    site.set("example.com/mail/A", &["10.0.0.5"]).unwrap();
    let refused = site.end_zone("example.com", false).unwrap_err();
    assert_eq!((refused.reason, refused.obstacles.len()), (Reason::ZoneNotEmpty, 2));
    assert_eq!(refused.obstacles[0].subject, "record-sets/example.com/@/MX");
    let gone = site.end_zone("example.com", true).unwrap();
    assert_eq!((gone.changes().len(), site.cluster.dns.count_in(&"example.com".parse().unwrap())), (3, 0));
    assert_ne!(site.cluster.dns, empty);
}

#[test]
fn a_zone_leaves_computed_names_alone() {
    let mut site = Site::usual();
    for name in ["cluster.local", "x.cluster.local", "local", "28.172.in-addr.arpa", "5.28.172.in-addr.arpa"] {
        assert_eq!(reason(site.zone(name)), Reason::ZoneOverlap, "{name}");
    }
    for name in ["xcluster.local", "172.in-addr.arpa", "27.172.in-addr.arpa"] {
        site.zone(name).unwrap();
    }
    assert_eq!(audit(&site.cluster), []);
    site.cluster.apply(&pool("pod", Purpose::Pod, &["172.27.0.0/16"]));
    let findings = audit(&site.cluster);
    assert_eq!((findings.len(), findings[0].severity, findings[0].reason), (1, Severity::Warning, Reason::ZoneOverlap));
}

#[test]
fn a_zone_is_in_a_view_that_there_is() {
    let mut site = Site::usual();
    assert_eq!(reason(site.zone("corp.example@branch")), Reason::ViewNotFound);
    let branch = view("branch", "192.0.2.0/24", "", "");
    site.cluster.apply(&views(vec![branch.clone()]));
    site.zone("corp.example@branch").unwrap();
    keeps_views(&site.cluster.dns, &[branch]).unwrap();
    let refusal = keeps_views(&site.cluster.dns, &[]).unwrap_err();
    assert_eq!((refusal.reason, refusal.obstacles.len()), (Reason::ViewInUse, 1));
    assert_eq!(audit(&site.cluster), []);
    // By hand in the store.
    site.cluster.apply(&views(Vec::new()));
    let findings = audit(&site.cluster);
    assert_eq!((findings.len(), findings[0].severity, findings[0].reason), (1, Severity::Error, Reason::ViewNotFound));
}

#[test]
fn an_alias_is_alone_at_its_name() {
    let mut site = Site::usual();
    site.set("example.com/www/A", &["10.0.0.5"]).unwrap();
    let refused = site.set("example.com/www/CNAME", &["web"]).unwrap_err();
    assert_eq!((refused.reason, refused.metadata["other"].as_str()), (Reason::CnameConflict, "example.com/www/A"));
    site.set("example.com/ftp/CNAME", &["www"]).unwrap();
    for other in ["example.com/ftp/A", "example.com/ftp/TXT"] {
        let data = if other.ends_with('A') { "10.0.0.5" } else { "x" };
        assert_eq!(reason(site.set(other, &[data])), Reason::CnameConflict);
    }
    site.set("example.com/x.ftp/A", &["10.0.0.5"]).unwrap();
    site.change_set("example.com/ftp/CNAME", &["elsewhere.example.org."]).unwrap();
    let apex = check::place(&set_key("example.com/@/CNAME")).unwrap_err();
    assert_eq!(apex.reason, Reason::CnameConflict);
    for nowhere in ["example.com/@/NS", "example.com/*.a/NS"] {
        assert_eq!(check::place(&set_key(nowhere)).unwrap_err().reason, Reason::ConflictingFields);
    }
}

#[test]
fn nothing_is_stored_where_other_servers_answer() {
    let mut site = Site::usual();
    site.set("example.com/www.sub/TXT", &["x"]).unwrap();
    let refused = site.set("example.com/sub/NS", &["ns.sub"]).unwrap_err();
    assert_eq!((refused.reason, refused.obstacles.len()), (Reason::NameDelegated, 1));
    site.end_set("example.com/www.sub/TXT", "").unwrap();
    site.set("example.com/sub/NS", &["ns.sub"]).unwrap();
    assert_eq!(audit(&site.cluster)[0].reason, Reason::RecordSetNotFound, "its server has no address");
    site.set("example.com/ns.sub/A", &["10.0.0.53"]).unwrap();
    assert_eq!(audit(&site.cluster), []);
    for (path, data) in [
        ("example.com/sub/TXT", "x"),
        ("example.com/a.b.sub/MX", "10 mail"),
        ("example.com/a.sub/NS", "ns"),
        ("example.com/a.sub/CNAME", "www"),
    ] {
        let refused = site.set(path, &[data]).unwrap_err();
        assert_eq!(
            (refused.reason, refused.metadata["record-set"].as_str()),
            (Reason::NameDelegated, "example.com/sub/NS"),
            "{path}"
        );
    }
    site.set("example.com/xsub/TXT", &["x"]).unwrap();
}

#[test]
fn a_zone_in_a_zone_takes_its_names_over() {
    let mut site = Site::usual();
    site.set("example.com/www.sub/TXT", &["x"]).unwrap();
    let refused = site.zone("sub.example.com").unwrap_err();
    assert_eq!((refused.reason, refused.metadata["other"].as_str()), (Reason::ZoneOverlap, "example.com"));
    site.end_set("example.com/www.sub/TXT", "").unwrap();
    site.set("example.com/sub/NS", &["ns.sub"]).unwrap();
    site.set("example.com/ns.sub/A", &["10.0.0.53"]).unwrap();
    site.zone("sub.example.com").unwrap();
    let refused = site.set("example.com/www.sub/TXT", &["x"]).unwrap_err();
    assert_eq!((refused.reason, refused.metadata["zone"].as_str()), (Reason::NameDelegated, "sub.example.com"));
    site.set("sub.example.com/www/TXT", &["x"]).unwrap();
    site.end_zone("example.com", true).unwrap();
    site.zone("example.com").unwrap();
    site.zone("com").unwrap();
    assert_eq!(audit(&site.cluster), []);
    assert_eq!(site.cluster.dns.zone_of(&"a.sub.example.com".parse().unwrap(), None).unwrap().name.as_str(), "sub.example.com");
    assert_eq!(site.cluster.dns.zone_of(&"example.org".parse().unwrap(), None), None);
}

#[test]
fn every_bad_record_of_a_set_is_named() {
    let zone: ZoneName = "example.com".parse().unwrap();
    let read = |kind: &str, texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let mut bad = Violations::new();
        let read = check::data(kind.parse().unwrap(), &texts, &zone, "data", &mut bad);
        bad.finish(read).map_err(|refusal| {
            refusal.violations.iter().map(|violation| (violation.field.clone(), violation.reason)).collect::<Vec<_>>()
        })
    };
    let named = |all: &[(&str, Reason)]| all.iter().map(|(field, reason)| ((*field).to_owned(), *reason)).collect::<Vec<_>>();
    assert_eq!(read("A", &[]), Err(named(&[("data", Reason::FieldRequired)])));
    assert_eq!(read("A", &["10.0.0.1"; 101]), Err(named(&[("data", Reason::CountOutOfBounds)])));
    let bad = [("data[0]", Reason::RecordMalformed), ("data[2]", Reason::RecordMalformed), ("data[3]", Reason::DuplicateValue)];
    assert_eq!(read("A", &["x", "10.0.0.1", "", "10.0.0.1"]), Err(named(&bad)));
    assert_eq!(read("CNAME", &["a", "b"]), Err(named(&[("data", Reason::CnameConflict)])));
    let texts: Vec<String> = (0..90).map(|at| format!("{at} {}", "x".repeat(250))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(read("TXT", &texts), Err(named(&[("data", Reason::FieldTooLong)])));
    for doubled in ["10 mail.example.com", "10 example.com", "10 MAIL.Example.Com"] {
        assert_eq!(read("MX", &[doubled]), Err(named(&[("data[0]", Reason::NameMalformed)])), "{doubled}");
    }
    assert!(read("MX", &["10 mail.example.com."]).is_ok() && read("MX", &["10 mailexample.com"]).is_ok());
    assert!(read("TXT", &["example.com"]).is_ok());
    assert_eq!(check::owner("www.example.com.", Some(&zone)).unwrap_err().reason, Reason::NameMalformed);
    assert_eq!(check::owner("www", Some(&zone)).unwrap().as_str(), "www");
}

#[test]
fn times_and_mailboxes_are_bounded() {
    assert_eq!(check::seconds(86_401, check::MOST_TTL).unwrap_err().reason, Reason::CountOutOfBounds);
    assert_eq!((check::seconds(0, 5), check::seconds_or(0, 5, 3)), (Ok(0), Ok(3)));
    assert_eq!(check::expiry(7200, 7200).unwrap_err().reason, Reason::ConflictingFields);
    for (text, wire) in [("hostmaster@example.com", "hostmaster.example.com."), ("a.b@example.com.", "a\\.b.example.com.")] {
        let mailbox = check::mailbox(text).unwrap();
        assert_eq!((mailbox.to_string().as_str(), check::mail_address(&mailbox).as_str()), (wire, text.trim_end_matches('.')));
    }
    for bad in ["", "example.com", "@example.com", "a@", "a b@example.com", "a@b@example.com"] {
        assert_eq!(check::mailbox(bad).unwrap_err().reason, Reason::NameMalformed, "{bad}");
    }
    assert_eq!(check::rtype("SOA".parse().unwrap()).unwrap_err().reason, Reason::RecordMalformed);
    assert_eq!(check::rtype("TYPE99".parse().unwrap()).unwrap_err().reason, Reason::RecordMalformed);
    assert_eq!(check::rtype("MX".parse().unwrap()), Ok(RecordType::MX));
}

impl Site {
    /// Imports a file in all its parts, and says how many those were.
    fn import(&mut self, zone: &str, text: &str) -> Result<(Import, usize), Refusal> {
        let (name, domain) = (zone.parse().unwrap(), "cluster.local".parse().unwrap());
        let file = master::read(text, &name, "text")?;
        let context = self.context();
        let first = import(&self.cluster, &domain, (&name, &file), "text", context)?;
        let (mut next, mut parts) = (first.clone(), 0);
        while parts == 0 || !next.decision.changes().is_empty() {
            assert!(next.decision.changes().len() <= MOST_IMPORTED + 1);
            parts += 1;
            self.take(Ok(next.decision)).unwrap();
            let errors = audit(&self.cluster).into_iter().filter(|finding| finding.severity == Severity::Error).count();
            assert_eq!(errors, 0, "in between the rules hold too");
            let context = self.context();
            next = import(&self.cluster, &domain, (&name, &file), "text", context)?;
        }
        Ok((first, parts))
    }
}

#[test]
fn an_imported_zone_is_what_the_file_says() {
    let mut site = Site::default();
    let text = "$TTL 60\n@ SOA ns.dns.cluster.local. hostmaster 1 7200 1800 86400 30\n NS ns.dns.cluster.local.\n\
                www A 10.0.0.5\nftp 60 CNAME www\nmail 5 A 10.0.0.6\n";
    let (import, parts) = site.import("example.com", text).unwrap();
    assert_eq!((parts, import.parts, import.created, import.updated, import.deleted), (1, 1, 3, 0, 0));
    let zone = site.cluster.dns.zone("example.com").unwrap().clone();
    assert_eq!(zone.spec, ZoneSpec { ttl: 60, ..ZoneSpec::default() }, "what follows anyway is not said");
    assert_eq!(site.cluster.dns.set(&set_key("example.com/www/A")).unwrap().ttl, None);
    let before = site.cluster.dns.clone();
    let (again, _) = site.import("example.com", text).unwrap();
    assert_eq!((again.unchanged, again.created + again.updated + again.deleted, &site.cluster.dns), (3, 0, &before));
    let other = "@ SOA ns1 it 1 100 50 200 10\n NS ns1\n NS ns2\nftp A 10.0.0.7\nwww A 10.0.0.8\n";
    let (changed, _) = site.import("example.com", other).unwrap();
    assert_eq!((changed.created, changed.updated, changed.deleted, changed.unchanged), (1, 1, 2, 0));
    let spec = &site.cluster.dns.zone("example.com").unwrap().spec;
    assert_eq!((spec.name_servers.len(), spec.refresh, spec.ttl), (2, 100, 60));
    assert_eq!(site.cluster.dns.zone("example.com").unwrap().meta.uid, zone.meta.uid);
}

#[test]
fn an_import_is_refused_whole_with_all_that_is_wrong() {
    let mut site = Site::usual();
    let before = site.cluster.dns.clone();
    let refused = site.import("example.com", "a A 10.0.0.1\na CNAME b\nsub NS x\nwww.sub TXT y\n").unwrap_err();
    let reasons: Vec<Reason> = refused.violations.iter().map(|bad| bad.reason).collect();
    assert_eq!(reasons, [Reason::CnameConflict, Reason::CnameConflict, Reason::NameDelegated]);
    assert_eq!(site.import("x.cluster.local", "a A 10.0.0.1").unwrap_err().reason, Reason::ZoneOverlap);
    assert_eq!(site.cluster.dns, before);
}

#[test]
fn a_large_zone_is_imported_in_parts() {
    let mut site = Site::default();
    let names = |from: usize, kind: &str| (from..from + 250).map(|at| format!("n{at} {kind}\n")).collect::<String>();
    let (import, parts) = site.import("example.com", &names(0, "A 10.0.0.1")).unwrap();
    assert_eq!((import.parts, parts, import.created), (3, 3, 250));
    let (import, parts) = site.import("example.com", &names(125, "CNAME www.example.org.")).unwrap();
    assert_eq!((import.parts, parts, import.created, import.deleted), (5, 5, 250, 250));
    let texts = |name: usize| (0..60).map(move |at| format!("b{name} TXT \"{at} {}\"\n", "x".repeat(240)));
    let big: String = (0..20).flat_map(texts).collect();
    let (import, parts) = site.import("example.com", &big).unwrap();
    assert!(import.parts > 3 && parts == import.parts, "bytes count too: {}", import.parts);
}

const ZONES: [&str; 4] = ["example.com", "sub.example.com", "a.sub.example.com", "com"];
const OWNERS: [&str; 8] = ["@", "*", "a", "sub", "a.sub", "ns.sub", "b.a.sub", "*.sub"];
const SETS: [(&str, &str); 6] =
    [("A", "10.0.0.5"), ("NS", "ns.sub.example.com."), ("CNAME", "a"), ("MX", "10 a"), ("TXT", "x"), ("SRV", "0 0 80 a.sub")];

/// Any request about few names, so that most meet others.
fn step() -> impl Strategy<Value = (u8, usize, usize, usize)> {
    (0..10_u8, 0..ZONES.len(), 0..OWNERS.len(), 0..SETS.len())
}

fn take_step(site: &mut Site, (what, zone, owner, set): (u8, usize, usize, usize)) -> Result<Decision, Refusal> {
    let (kind, data) = SETS[set];
    let path = format!("{}/{}/{kind}", ZONES[zone], OWNERS[owner]);
    match what {
        0 | 1 => site.zone(ZONES[zone]),
        2 => site.end_zone(ZONES[zone], owner == 0),
        3 | 4 => site.end_set(&path, ""),
        _ if check::place(&set_key(&path)).is_err() => Ok(Decision::default()),
        _ => site.set(&path, &[data]),
    }
}

proptest! {
    #[test]
    fn any_history_keeps_the_rules_and_names_follow_it(steps in prop::collection::vec(step(), 1..60)) {
        let settings = Arc::new(Settings::new("cluster.local".parse().unwrap(), super::super::Seed(1)).unwrap());
        let mut site = Site::usual();
        let mut names = Snapshot::build(Arc::clone(&settings), &site.cluster, Heads::at(Revision(1)));
        for step in steps {
            let before = site.cluster.clone();
            let Ok(decision) = take_step(&mut site, step) else {
                prop_assert_eq!(&before.dns, &site.cluster.dns, "a refusal changes nothing");
                continue;
            };
            let errors: Vec<_> = audit(&site.cluster).into_iter().filter(|finding| finding.severity == Severity::Error).collect();
            prop_assert_eq!(errors, []);
            let (mut sources, mut moving) = (BTreeSet::new(), before);
            for change in decision.changes().into_iter().map(crate::cluster::Change::from) {
                touched(&moving, &change, &mut sources);
                moving.apply(&change);
            }
            names.update(&site.cluster, &sources, Heads::at(Revision(2)));
            let anew = Snapshot::build(Arc::clone(&settings), &site.cluster, Heads::at(Revision(2)));
            prop_assert!(names.same_names(&anew), "after {step:?}");
        }
    }
}
