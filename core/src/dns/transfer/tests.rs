//! Transfers as a secondary reads them.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::answer::{Client, Outcome, Transport, answer};
use super::super::fixture::{
    Pod, drop_service, exposed, pod, pool, public, put, ready, service, set, set_key, settings, shop, zone,
};
use super::super::message::Message;
use super::super::record::RecordType;
use super::super::serial::Heads;
use super::super::snapshot::Snapshot;
use super::super::source::touched;
use super::super::wire::{Rcode, encode_query};
use super::super::zones::{Change as ZoneChange, Zone, ZoneSpec};
use super::*;
use crate::cluster::{Change, Cluster};
use crate::id::Revision;
use crate::ipam::Purpose;
use crate::lb::ServiceType;
use crate::schema::Domain;

const FROM: [u8; 4] = [192, 0, 2, 7];

mod notify;

/// A record as text: owner, time to live, type, data.
type Line = String;

fn secondaries() -> Secondaries {
    Secondaries { transfer_to: vec!["192.0.2.0/24".parse().unwrap()], notify: vec!["192.0.2.7".parse().unwrap()] }
}

/// A zone that others may have.
fn shared(change: Change, ttl: u32) -> Change {
    let Change::Dns(ZoneChange::Zone(name, Some(zone))) = change else { panic!("it is a zone") };
    let spec = ZoneSpec { secondaries: secondaries(), ttl, ..zone.spec.clone() };
    Change::Dns(ZoneChange::Zone(name, Some(Arc::new(Zone { spec, ..Zone::clone(&zone) }))))
}

/// Names as they are published, one state after the other.
struct Served {
    cluster: Cluster,
    heads: [u64; Domain::ALL.len()],
    revision: u64,
    names: Snapshot,
}

impl Served {
    fn new(cluster: Cluster) -> Self {
        let mut settings = (*settings()).clone();
        settings.secondaries = secondaries();
        let names = Snapshot::build(Arc::new(settings), &cluster, Heads::at(Revision(1)));
        Self { cluster, heads: [1; Domain::ALL.len()], revision: 1, names }
    }

    /// Publishes some changes under one revision.
    fn take(&mut self, changes: &[Change]) {
        let mut sources = BTreeSet::new();
        self.revision += 1;
        for change in changes {
            touched(&self.cluster, change, &mut sources);
            self.cluster.apply(change);
            self.heads[change.domain() as usize] = self.revision;
        }
        let heads = Heads::of(|domain| Some(Revision(self.heads[domain as usize])));
        self.names.update(&self.cluster, &sources, heads);
    }

    fn serial(&self, zone: &str) -> u32 {
        self.names.serial(&zone.parse().unwrap())
    }

    /// What a secondary gets that has the zone at a serial number, or not at all.
    fn get(&self, zone: &str, has: Option<u32>) -> (Form, Vec<Line>) {
        let query = has.map_or_else(|| axfr(zone), |serial| ixfr(zone, serial));
        let (_, transfer) = ask(&self.names, FROM.into(), &query).unwrap();
        let mut transfer = transfer.unwrap();
        let (mut out, mut lines) = (vec![0; 65_535], Vec::new());
        loop {
            match transfer.fill(&mut out) {
                Filled::Message(length) => {
                    let message = Message::read(&out[..length]).unwrap();
                    assert_eq!((message.id, message.rcode, message.authoritative), (0x1234, Rcode::NoError, true));
                    assert!(!message.answer.is_empty() && !message.truncated);
                    let line = |record: &crate::dns::message::Answered| {
                        format!("{} {} {} {}", record.name, record.ttl, record.rtype, record.data)
                    };
                    lines.extend(message.answer.iter().map(line));
                }
                Filled::Nothing => {}
                Filled::End => return (transfer.form(), lines),
            }
        }
    }

    /// The whole zone.
    fn whole(&self, zone: &str) -> BTreeSet<Line> {
        let (form, mut lines) = self.get(zone, None);
        let end = lines.pop().unwrap();
        assert_eq!((form, &lines[0]), (Form::Whole, &end), "{zone} lies between two times its start");
        let count = lines.len();
        let lines: BTreeSet<Line> = lines.into_iter().collect();
        assert_eq!(lines.len(), count, "nothing is there twice");
        lines
    }
}

fn axfr(zone: &str) -> Vec<u8> {
    encode_query(0x1234, &zone.parse().unwrap(), RecordType::AXFR)
}

/// The same with the start of the zone that is known in the authority section, as secondaries ask.
fn ixfr(zone: &str, serial: u32) -> Vec<u8> {
    let mut message = encode_query(0x1234, &zone.parse().unwrap(), RecordType::IXFR);
    message.truncate(message.len() - 11);
    (message[9], message[11]) = (1, 0);
    message.extend_from_slice(&[0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 24, 0xc0, 12, 0xc0, 12]);
    message.extend_from_slice(&serial.to_be_bytes());
    message.extend_from_slice(&[0; 16]);
    message
}

fn is_start(line: &str) -> bool {
    line.contains(" SOA ")
}

/// What a secondary makes of an answer to its question for what is new (RFC 1995 §4).
fn applied(mut zone: BTreeSet<Line>, lines: &[Line]) -> BTreeSet<Line> {
    assert!(lines.len() > 3 && is_start(&lines[0]) && lines.first() == lines.last());
    let mut rest = lines[1..lines.len() - 1].iter().peekable();
    while let Some(old) = rest.next() {
        assert!(is_start(old) && zone.remove(old), "{old} is what was there");
        while let Some(gone) = rest.next_if(|line| !is_start(line)) {
            assert!(zone.remove(gone), "{gone} was there");
        }
        assert!(zone.insert(rest.next().unwrap().clone()), "the start is new");
        while let Some(come) = rest.next_if(|line| !is_start(line)) {
            assert!(zone.insert(come.clone()), "{come} was not there");
        }
    }
    zone
}

fn site() -> Served {
    let mut served = Served::new(shop());
    served.take(&[
        shared(zone("example.com"), 60),
        set("example.com/@/MX", &["10 mail"]),
        set("example.com/mail/A", &["10.0.0.25", "10.0.0.26"]),
        set("example.com/*.app/TXT", &["x"]),
        set("example.com/far/NS", &["ns.far", "ns.example.org."]),
        set("example.com/ns.far/A", &["10.0.0.53"]),
        zone("in.example.com"),
        set("in.example.com/www/A", &["10.0.2.1"]),
    ]);
    served
}

const START: &str = "example.com. 60 SOA ns.dns.cluster.local. hostmaster.example.com.";

#[test]
fn a_zone_is_sent_with_its_delegations_and_without_what_is_in_them() {
    let mut served = site();
    let inner = "in.example.com. 300 NS ns.dns.cluster.local.";
    let all = |start: &str, more: &[&str]| -> BTreeSet<Line> {
        let lines = [
            &format!("{START} {start} 7200 1800 86400 30"),
            "example.com. 60 NS ns.dns.cluster.local.",
            "example.com. 60 MX 10 mail.example.com.",
            "mail.example.com. 60 A 10.0.0.25",
            "mail.example.com. 60 A 10.0.0.26",
            "*.app.example.com. 60 TXT \"x\"",
            "far.example.com. 60 NS ns.far.example.com.",
            "far.example.com. 60 NS ns.example.org.",
            "ns.far.example.com. 60 A 10.0.0.53",
        ];
        lines.iter().chain(more).map(|line| (*line).to_owned()).collect()
    };
    assert_eq!(served.whole("example.com"), all("2", &[inner]));

    // The name servers of a zone in it with their addresses, and nothing else of that one.
    let Change::Dns(ZoneChange::Zone(name, Some(own))) = zone("in.example.com") else { panic!("it is one") };
    let spec = ZoneSpec { primary: Some("ns.in.example.com".parse().unwrap()), ..own.spec.clone() };
    let own = Change::Dns(ZoneChange::Zone(name, Some(Arc::new(Zone { spec, ..Zone::clone(&own) }))));
    served.take(&[own, set("in.example.com/ns/A", &["10.0.2.53"]), set("in.example.com/ns/TXT", &["x"])]);
    let after = all("3", &["in.example.com. 300 NS ns.in.example.com.", "ns.in.example.com. 300 A 10.0.2.53"]);
    assert_eq!(served.whole("example.com"), after);
    let (form, lines) = served.get("example.com", Some(2));
    assert_eq!((form, applied(all("2", &[inner]), &lines)), (Form::Steps, after));
}

#[test]
fn computed_zones_are_sent_too() {
    let served = site();
    let cluster = served.whole("cluster.local");
    for line in [
        "cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5",
        "cluster.local. 5 NS ns.dns.cluster.local.",
        "web.shop.svc.cluster.local. 5 A 172.28.0.2",
        "_http._tcp.web.shop.svc.cluster.local. 5 SRV 0 100 80 web.shop.svc.cluster.local.",
        "pay.shop.svc.cluster.local. 5 CNAME pay.example.com.",
    ] {
        assert!(cluster.contains(line), "{line}\n{cluster:#?}");
    }
    let reverse = served.whole("28.172.in-addr.arpa");
    assert!(reverse.contains("2.0.28.172.in-addr.arpa. 5 PTR web.shop.svc.cluster.local."), "{reverse:#?}");
    assert_eq!(served.serial("28.172.in-addr.arpa"), 2, "names of addresses come from everywhere");
}

#[test]
fn only_those_who_may_get_a_zone_that_is_ours() {
    let served = site();
    let asked = |from: [u8; 4], query: &[u8]| ask(&served.names, from.into(), query).map(|(kind, given)| (kind, given.is_some()));
    assert_eq!(asked(FROM, &axfr("example.com")), Some((Kind::Axfr, true)));
    assert_eq!(asked(FROM, &ixfr("EXAMPLE.com", 1)), Some((Kind::Ixfr, true)));
    assert_eq!(asked([192, 0, 3, 7], &axfr("example.com")), Some((Kind::Axfr, false)));
    for nobodys in ["in.example.com", "mail.example.com", "example.org", ".", "com"] {
        assert_eq!(asked(FROM, &axfr(nobodys)), Some((Kind::Axfr, false)), "{nobodys}");
    }
    assert_eq!(asked(FROM, &encode_query(1, &"example.com".parse().unwrap(), RecordType::SOA)), None);
    assert_eq!(asked(FROM, b"no message"), None);
    let unsynced = Snapshot::unsynced(settings());
    assert!(ask(&unsynced, FROM.into(), &axfr("cluster.local")).unwrap().1.is_none());
}

#[test]
fn what_is_no_transfer_is_refused_or_says_what_there_is() {
    let served = site();
    let said = |names: &Snapshot, transport, query: &[u8]| {
        let mut out = vec![0; 65_535];
        let Outcome::Sent(sent) = answer(names, Client { transport, turn: 0, address: None }, query, &mut out) else {
            panic!("it is answered")
        };
        let message = Message::read(&out[..sent.length]).unwrap();
        (message.rcode, message.answer.iter().map(|record| record.data.clone()).collect::<Vec<_>>())
    };
    let start = "ns.dns.cluster.local. hostmaster.example.com. 2 7200 1800 86400 30".to_owned();
    let refused = (Rcode::Refused, Vec::new());
    assert_eq!(said(&served.names, Transport::Udp, &ixfr("example.com", 1)), (Rcode::NoError, vec![start]));
    assert_eq!(said(&served.names, Transport::Udp, &ixfr("in.example.com", 1)), refused, "nobody may have that zone");
    assert_eq!(said(&served.names, Transport::Udp, &axfr("example.com")), refused);
    assert_eq!(said(&served.names, Transport::Tcp, &ixfr("example.com", 1)), refused);
    let unsynced = Snapshot::unsynced(settings());
    assert_eq!(said(&unsynced, Transport::Tcp, &axfr("example.com")), (Rcode::ServFail, Vec::new()), "nothing is known yet");
}

#[test]
fn whoever_has_the_newest_is_told_so() {
    let mut served = site();
    for has in [2, 3, 2 + (1 << 30)] {
        let (form, lines) = served.get("example.com", Some(has));
        assert_eq!((form, lines), (Form::Current, vec![format!("{START} 2 7200 1800 86400 30")]), "{has}");
    }
    assert_eq!(served.get("example.com", Some(1)).0, Form::Whole, "nobody knows that state");
    let before = served.whole("example.com");
    // Others change in between.
    served.take(&[zone("example.org")]);
    served.take(&[put(service("shop/new", ServiceType::ClusterIp, "", &["172.28.0.9"]))]);
    let (form, lines) = served.get("example.com", Some(2));
    assert_eq!((form, lines.len(), served.serial("example.com")), (Form::Steps, 4, 3));
    assert_eq!(applied(before, &lines), served.whole("example.com"));
}

#[test]
fn a_long_history_is_forgotten_from_its_beginning() {
    let mut served = site();
    for nth in 0..1001_u32 {
        served.take(&[set("example.com/n/A", &[&format!("10.1.{}.{}", nth / 256, nth % 256)])]);
    }
    assert_eq!(served.get("example.com", Some(2)).0, Form::Whole);
    assert_eq!(served.get("example.com", Some(3)).0, Form::Steps);
    let text = format!("\"{}\"", "x".repeat(250));
    let large = |from: u32| -> Vec<String> { (from..from + 60).map(|nth| format!("{nth} {text}")).collect() };
    let known = served.serial("example.com");
    for nth in 0..200 {
        let large = large(nth);
        let large: Vec<&str> = large.iter().map(String::as_str).collect();
        served.take(&[set("example.com/big/TXT", &large)]);
        served.take(&[Change::Dns(ZoneChange::RecordSet(set_key("example.com/big/TXT"), None))]);
    }
    assert_eq!(served.get("example.com", Some(known)).0, Form::Whole, "bytes count too");
    assert_eq!(served.get("example.com", Some(known + 399)).0, Form::Steps);
}

#[test]
fn the_more_zones_others_have_the_shorter_are_histories() {
    let mut served = site();
    let text = format!("\"{}\"", "x".repeat(250));
    let large: Vec<String> = (0..60).map(|nth| format!("{nth} {text}")).collect();
    let large: Vec<&str> = large.iter().map(String::as_str).collect();
    let known = served.serial("example.com");
    for _ in 0..20 {
        served.take(&[set("example.com/big/TXT", &large)]);
        served.take(&[Change::Dns(ZoneChange::RecordSet(set_key("example.com/big/TXT"), None))]);
    }
    assert_eq!(served.get("example.com", Some(known)).0, Form::Steps);
    let others: Vec<Change> = (0..600).map(|nth| shared(zone(&format!("z{nth}.example")), 60)).collect();
    served.take(&others);
    assert_eq!(served.get("example.com", Some(known)).0, Form::Whole, "600 kB are more than its part of 64 MiB now");
    assert_eq!(served.get("example.com", Some(known + 39)).0, Form::Steps);
}

#[test]
fn a_zone_that_nobody_may_have_has_no_history() {
    let mut served = Served::new(shop());
    let open = |served: &Served| served.get("example.com", Some(2)).0;
    served.take(&[zone("example.com")]);
    served.take(&[set("example.com/www/A", &["10.0.0.1"])]);
    served.take(&[shared(zone("example.com"), 300)]);
    assert_eq!(open(&served), Form::Whole);
    let before = served.whole("example.com");
    served.take(&[set("example.com/ftp/A", &["10.0.0.1"])]);
    let (form, lines) = served.get("example.com", Some(4));
    assert_eq!((form, applied(before, &lines)), (Form::Steps, served.whole("example.com")));
}

#[test]
fn a_zone_of_many_names_takes_many_messages() {
    let mut served = site();
    let service = |nth: u32| {
        let vip = format!("172.28.{}.{}", nth / 250, nth % 250);
        put(service(&format!("shop/s{nth}"), ServiceType::ClusterIp, "", &[&vip]))
    };
    let many: Vec<Change> = (0..9000).map(service).collect();
    served.take(&many);
    let (_, lines) = served.get("cluster.local", None);
    assert!(lines.len() > 27_000, "{}", lines.len());
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len() - 1);
    assert_eq!(served.whole("example.com").len(), 10, "names of others are passed over");
    let query = axfr("cluster.local");
    let mut transfer = ask(&served.names, FROM.into(), &query).unwrap().1.unwrap();
    assert_eq!(transfer.fill(&mut [0; 64]), Filled::End, "a small buffer ends it, and does not lose records in the middle");
}

/// The zones that the histories are about.
const ZONES: [&str; 5] = ["cluster.local", "28.172.in-addr.arpa", "example.com", "sub.example.com", "172.in-addr.arpa"];

fn any_change() -> impl Strategy<Value = Change> {
    let kinds = prop_oneof![Just(ServiceType::ClusterIp), Just(ServiceType::Headless), Just(ServiceType::LoadBalancer)];
    let services = (0..4_u8, kinds, 0..3_u8).prop_map(|(name, kind, label)| {
        put(service(&format!("shop/s{name}"), kind, &format!("app=a{label}"), &[&format!("172.28.1.{name}")]))
    });
    let outside = (0..4_u8).prop_map(|name| exposed(&format!("shop/s{name}"), &[&format!("172.30.0.{name}")]));
    let gone = (0..4_u8).prop_map(|name| drop_service(&format!("shop/s{name}")));
    let pods = (0..4_u8, 0..3_u8, any::<bool>()).prop_map(|(name, label, is_ready)| {
        let (name, address, labels) = (format!("shop/p{name}"), format!("172.28.2.{name}"), format!("app=a{label}"));
        if is_ready {
            return ready(&name, &address, &labels);
        }
        pod(&Pod { name: &name, addresses: &[&address], labels: &labels, host: "h.s1", ready: false })
    });
    let zones = (2..ZONES.len(), 0..3_u8, 1..3_u32).prop_map(|(name, how, ttl)| match how {
        0 => shared(zone(ZONES[name]), ttl),
        1 => shared(public(ZONES[name]), ttl),
        _ => Change::Dns(ZoneChange::Zone(ZONES[name].parse().unwrap(), None)),
    });
    let owners = prop_oneof![Just("@"), Just("a"), Just("ns.sub"), Just("sub"), Just("*.a"), Just("1.0.30"), Just("s1.shop")];
    let data = prop_oneof![Just(("A", "10.0.0.")), Just(("MX", "10 a")), Just(("NS", "ns.sub.example.com.")), Just(("PTR", "a"))];
    let sets = (2..ZONES.len(), owners, data, 0..4_u8).prop_filter_map("a place", |(zone, owner, (kind, text), nth)| {
        let path = format!("{}/{owner}/{kind}", ZONES[zone]);
        let text = if kind == "A" { format!("{text}{nth}") } else { text.to_owned() };
        let key = set_key(&path);
        let made = if nth == 3 { Change::Dns(ZoneChange::RecordSet(Arc::clone(&key), None)) } else { set(&path, &[&text]) };
        crate::dns::zones::check::place(&key).is_ok().then_some(made)
    });
    let pools = prop_oneof![Just("172.28.0.0/16"), Just("172.29.0.0/16")];
    let pools = pools.prop_map(|range| pool("service", Purpose::ClusterService, &[range]));
    prop_oneof![3 => services, 2 => outside, 1 => gone, 3 => pods, 2 => zones, 6 => sets, 1 => pools]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// From every state that a zone ever had, what is new leads to exactly the state of now; and no two states share a serial number.
    #[test]
    fn what_is_new_makes_the_zone_of_then_the_zone_of_now(
        batches in prop::collection::vec(prop::collection::vec(any_change(), 0..4), 1..16),
    ) {
        let mut served = Served::new(Cluster::default());
        let mut states: Vec<(&str, u32, BTreeSet<Line>)> = Vec::new();
        for batch in &batches {
            served.take(batch);
            for zone in ZONES {
                let is_ours = ask(&served.names, FROM.into(), &axfr(zone)).unwrap().1.is_some();
                if !is_ours {
                    states.retain(|(other, ..)| *other != zone);
                    continue;
                }
                let now = served.whole(zone);
                for (_, serial, then) in states.iter().filter(|(other, ..)| *other == zone) {
                    match served.get(zone, Some(*serial)) {
                        (Form::Current, _) => prop_assert_eq!(then, &now, "{} at {}", zone, serial),
                        (Form::Steps, lines) => prop_assert_eq!(&applied(then.clone(), &lines), &now, "{} from {}", zone, serial),
                        (Form::Whole, lines) => prop_assert_eq!(lines.len(), now.len() + 1),
                    }
                }
                states.push((zone, served.serial(zone), now));
            }
        }
    }
}
