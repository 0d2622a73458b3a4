//! Queries as bytes, answers as text.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::fixture::{given, put, service, settings, settings_with, shop, snapshot};
use super::super::message::{Answered, Message};
use super::super::name::DomainName;
use super::super::wire::{LEAST_BUFFER, encode_query};
use super::*;
use crate::dns::{Heads, PodRecords};
use crate::id::Revision;
use crate::lb::ServiceType;

mod cookie;
mod search;
mod stored;

const UDP: Client = Client { transport: Transport::Udp, turn: 0, address: None };
const TCP: Client = Client { transport: Transport::Tcp, turn: 0, address: None };

fn query(name: &str, rtype: &str) -> Vec<u8> {
    encode_query(0x1234, &name.parse().unwrap(), rtype.parse().unwrap())
}

/// As [`query`], without the OPT record at its end.
fn plain(name: &str, rtype: &str) -> Vec<u8> {
    let mut bytes = query(name, rtype);
    bytes.truncate(bytes.len() - 11);
    bytes[11] = 0;
    bytes
}

fn ask_with(snapshot: &Snapshot, client: Client, query: &[u8]) -> Option<(Vec<u8>, Message)> {
    let mut out = vec![0xee; 65_535];
    let (Outcome::Sent(sent) | Outcome::Forward(sent) | Outcome::Leads(sent) | Outcome::Searches(sent, _)) =
        answer(snapshot, client, query, &mut out)
    else {
        return None;
    };
    out.truncate(sent.length);
    let message = Message::read(&out).expect("our own answers can be read");
    assert_eq!(message.rcode, sent.rcode);
    Some((out, message))
}

fn ask(name: &str, rtype: &str) -> Message {
    ask_with(&snapshot(&shop(), 77), UDP, &query(name, rtype)).unwrap().1
}

fn lines(records: &[Answered]) -> Vec<String> {
    records.iter().map(|record| format!("{} {} {} {}", record.name, record.ttl, record.rtype, record.data)).collect()
}

const SOA: &str = "5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 77 7200 1800 86400 5";

fn is_negative(message: &Message, rcode: Rcode, zone: &str) {
    assert_eq!((message.rcode, message.authoritative, message.truncated), (rcode, true, false));
    assert!(message.answer.is_empty() && message.additional.is_empty());
    assert_eq!(lines(&message.authority), [format!("{zone} {SOA}")]);
}

#[test]
fn addresses() {
    let message = ask("db.shop.svc.cluster.local", "A");
    assert_eq!((message.id, message.rcode, message.authoritative), (0x1234, Rcode::NoError, true));
    assert_eq!(lines(&message.answer), ["db.shop.svc.cluster.local. 5 A 172.28.0.3"]);
    assert!(message.authority.is_empty() && message.additional.is_empty());
    assert_eq!(lines(&ask("db.shop.svc.cluster.local", "AAAA").answer), ["db.shop.svc.cluster.local. 5 AAAA fd00:28::3"]);
    assert_eq!(lines(&ask("p0.peers.shop.svc.cluster.local", "A").answer), ["p0.peers.shop.svc.cluster.local. 5 A 172.27.0.20"]);
    assert_eq!(ask("peers.shop.svc.cluster.local", "A").answer.len(), 3);
}

#[test]
fn ports_with_the_addresses_of_their_targets() {
    let message = ask("_http._tcp.db.shop.svc.cluster.local", "SRV");
    assert_eq!(lines(&message.answer), ["_http._tcp.db.shop.svc.cluster.local. 5 SRV 0 100 80 db.shop.svc.cluster.local."]);
    assert_eq!(
        lines(&message.additional),
        ["db.shop.svc.cluster.local. 5 A 172.28.0.3", "db.shop.svc.cluster.local. 5 AAAA fd00:28::3"]
    );
    let message = ask("_http._tcp.peers.shop.svc.cluster.local", "SRV");
    assert_eq!(message.answer.len(), 3);
    assert_eq!(
        lines(&message.additional),
        [
            "p0.peers.shop.svc.cluster.local. 5 A 172.27.0.20",
            "p1.peers.shop.svc.cluster.local. 5 A 172.27.0.21",
            "172-27-0-23.peers.shop.svc.cluster.local. 5 A 172.27.0.23",
        ]
    );
}

#[test]
fn pods_by_their_addresses() {
    let ours = "172-27-0-5.shop.pod.cluster.local";
    assert_eq!(lines(&ask(ours, "A").answer), [format!("{ours}. 5 A 172.27.0.5")]);
    is_negative(&ask(ours, "AAAA"), Rcode::NoError, "cluster.local.");
    is_negative(&ask("shop.pod.cluster.local", "A"), Rcode::NoError, "cluster.local.");
    for nobodys in ["172-27-0-5.bare", "172-27-0-99.shop", "172-27-0-5.nobody", "web.shop"] {
        is_negative(&ask(&format!("{nobodys}.pod.cluster.local"), "A"), Rcode::NxDomain, "cluster.local.");
    }
}

#[test]
fn pods_by_any_address_where_that_is_wanted() {
    let names = Snapshot::build(Arc::new(settings_with(PodRecords::Insecure)), &shop(), Heads::at(Revision(77)));
    let ask = |name: &str, rtype: &str| {
        let name = format!("{name}.pod.cluster.local");
        ask_with(&names, UDP, &query(&name, rtype)).unwrap().1
    };
    assert_eq!(lines(&ask("192-0-2-1.Bare", "A").answer), ["192-0-2-1.bare.pod.cluster.local. 5 A 192.0.2.1"]);
    assert_eq!(lines(&ask("fd00--1.shop", "AAAA").answer), ["fd00--1.shop.pod.cluster.local. 5 AAAA fd00::1"]);
    is_negative(&ask("192-0-2-1.shop", "AAAA"), Rcode::NoError, "cluster.local.");
    for nobodys in ["192-0-2-1.nobody", "192-0-2-256.shop", "x.192-0-2-1.shop", "web.shop"] {
        is_negative(&ask(nobodys, "A"), Rcode::NxDomain, "cluster.local.");
    }
}

#[test]
fn reverse_names_and_a_virtual_ip_that_is_an_endpoint_too() {
    assert_eq!(lines(&ask("3.0.28.172.in-addr.arpa", "PTR").answer), ["3.0.28.172.in-addr.arpa. 5 PTR db.shop.svc.cluster.local."]);
    let mut cluster = shop();
    let mut front = service("shop/front", ServiceType::ClusterIp, "", &["172.28.0.9"]);
    front.spec.endpoints = vec![given("172.28.0.3", true), given("172.27.0.20", true)];
    cluster.apply(&put(front));
    let names = snapshot(&cluster, 1);
    let ptr = |name| {
        let message = ask_with(&names, UDP, &query(name, "PTR")).unwrap().1;
        message.answer.into_iter().map(|record| record.data).collect::<Vec<_>>()
    };
    assert_eq!(ptr("3.0.28.172.in-addr.arpa"), ["db.shop.svc.cluster.local."]);
    assert_eq!(ptr("20.0.27.172.in-addr.arpa"), ["p0.peers.shop.svc.cluster.local.", "172-27-0-20.front.shop.svc.cluster.local."]);
}

#[test]
fn what_exists_without_such_data_is_nodata() {
    for (name, rtype) in [
        ("web.shop.svc.cluster.local", "AAAA"),
        ("web.shop.svc.cluster.local", "TYPE65"),
        ("web.shop.svc.cluster.local", "ANY"),
        ("web.shop.svc.cluster.local", "SOA"),
        ("peers.shop.svc.cluster.local", "AAAA"),
        ("waiting.shop.svc.cluster.local", "A"),
        ("_tcp.web.shop.svc.cluster.local", "A"),
        ("shop.svc.cluster.local", "A"),
        ("bare.svc.cluster.local", "A"),
        ("svc.cluster.local", "A"),
        ("pod.cluster.local", "A"),
        ("dns-version.cluster.local", "A"),
        ("dns.cluster.local", "A"),
        ("cluster.local", "A"),
    ] {
        is_negative(&ask(name, rtype), Rcode::NoError, "cluster.local.");
    }
    is_negative(&ask("0.28.172.in-addr.arpa", "A"), Rcode::NoError, "28.172.in-addr.arpa.");
}

#[test]
fn what_does_not_exist_is_nxdomain() {
    for name in [
        "nothing.shop.svc.cluster.local",
        "none.shop.svc.cluster.local",
        "nobody.svc.cluster.local",
        "x.web.shop.svc.cluster.local",
        "_smtp._tcp.web.shop.svc.cluster.local",
        "_http._udp.web.shop.svc.cluster.local",
        "x.pay.shop.svc.cluster.local",
        "p2.peers.shop.svc.cluster.local",
        "web.shop.nope.cluster.local",
        "nobody.pod.cluster.local",
        "kubernetes.io.cluster.local",
    ] {
        is_negative(&ask(name, "A"), Rcode::NxDomain, "cluster.local.");
    }
    is_negative(&ask("99.0.28.172.in-addr.arpa", "PTR"), Rcode::NxDomain, "28.172.in-addr.arpa.");
    is_negative(&ask("1.99.27.172.in-addr.arpa", "PTR"), Rcode::NxDomain, "27.172.in-addr.arpa.");
}

#[test]
fn apexes() {
    assert_eq!(lines(&ask("cluster.local", "SOA").answer), [format!("cluster.local. {SOA}")]);
    assert_eq!(lines(&ask("28.172.in-addr.arpa", "SOA").answer), [format!("28.172.in-addr.arpa. {SOA}")]);
    let message = ask("cluster.local", "NS");
    assert_eq!(lines(&message.answer), ["cluster.local. 5 NS ns.dns.cluster.local."]);
    assert_eq!(lines(&message.additional), ["ns.dns.cluster.local. 5 A 172.28.0.10"]);
    assert_eq!(lines(&ask("28.172.in-addr.arpa", "NS").additional), ["ns.dns.cluster.local. 5 A 172.28.0.10"]);
    assert_eq!(lines(&ask("dns-version.cluster.local", "TXT").answer), ["dns-version.cluster.local. 5 TXT \"1.1.0\""]);
}

#[test]
fn aliases_are_followed_inside_our_zones() {
    let message = ask("pay.shop.svc.cluster.local", "A");
    assert_eq!(lines(&message.answer), ["pay.shop.svc.cluster.local. 5 CNAME pay.example.com."]);
    assert_eq!((message.rcode, message.authority.len()), (Rcode::NoError, 0));
    let alias = "store.shop.svc.cluster.local. 5 CNAME db.shop.svc.cluster.local.";
    assert_eq!(lines(&ask("store.shop.svc.cluster.local", "A").answer), [alias, "db.shop.svc.cluster.local. 5 A 172.28.0.3"]);
    assert_eq!(lines(&ask("store.shop.svc.cluster.local", "CNAME").answer), [alias]);
    let message = ask("store.shop.svc.cluster.local", "TXT");
    assert_eq!(
        (lines(&message.answer), lines(&message.authority)),
        (vec![alias.to_owned()], vec![format!("cluster.local. {SOA}")])
    );
}

#[test]
fn a_circle_of_aliases_ends() {
    let mut cluster = shop();
    for (name, target) in [("shop/a", "b"), ("shop/b", "a"), ("shop/lost", "gone")] {
        let mut alias = service(name, ServiceType::ExternalName, "", &[]);
        alias.spec.external_name = format!("{target}.shop.svc.cluster.local");
        cluster.apply(&put(alias));
    }
    let names = snapshot(&cluster, 1);
    let rcode = |name| ask_with(&names, UDP, &query(name, "A")).unwrap().1.rcode;
    assert_eq!(rcode("a.shop.svc.cluster.local"), Rcode::ServFail);
    assert_eq!(rcode("lost.shop.svc.cluster.local"), Rcode::NxDomain);
}

#[test]
fn the_question_keeps_its_letter_case() {
    let (bytes, message) = ask_with(&snapshot(&shop(), 1), UDP, &cased("dB.sHop.SVC.cluster.LOCAL")).unwrap();
    assert_eq!(bytes.get(12..15), Some(b"\x02dB".as_slice()));
    assert_eq!(message.answer.len(), 1);
}

/// A query whose name keeps its case.
fn cased(name: &str) -> Vec<u8> {
    let mut bytes = query(name, "A");
    let mut at = 12;
    for label in name.split('.') {
        bytes[at + 1..=at + label.len()].copy_from_slice(label.as_bytes());
        at += 1 + label.len();
    }
    bytes
}

#[test]
fn names_elsewhere_are_forwarded_or_refused() {
    let names = snapshot(&shop(), 1);
    for name in ["example.com", "local", "1.0.168.192.in-addr.arpa", "in-addr.arpa", ".", "xcluster.local"] {
        let mut out = [0; LEAST_BUFFER];
        let outcome = answer(&names, UDP, &query(name, "A"), &mut out);
        assert!(matches!(outcome, Outcome::Forward(Sent { rcode: Rcode::Refused, .. })), "{name}: {outcome:?}");
    }
}

#[test]
fn a_server_that_was_never_synced_denies_nothing() {
    let names = Snapshot::unsynced(settings());
    let rcode = |name| ask_with(&names, UDP, &query(name, "A")).unwrap().1.rcode;
    assert_eq!(rcode("web.shop.svc.cluster.local"), Rcode::ServFail);
    assert_eq!(rcode("1.0.28.172.in-addr.arpa"), Rcode::ServFail);
    assert_eq!(rcode("example.com"), Rcode::ServFail, "it may be a zone of ours");
}

/// Three hundred endpoints: more than any UDP answer holds.
fn crowd() -> Snapshot {
    let mut cluster = shop();
    let mut crowd = service("shop/crowd", ServiceType::Headless, "", &[]);
    crowd.spec.endpoints = (0..300).map(|n| given(&format!("172.27.{}.{}", 1 + n / 250, n % 250), true)).collect();
    cluster.apply(&put(crowd));
    snapshot(&cluster, 1)
}

#[test]
fn what_does_not_fit_is_truncated_and_whole_by_tcp() {
    let names = crowd();
    let name = "crowd.shop.svc.cluster.local";
    for (bytes, most) in [(plain(name, "A"), 512), (query(name, "A"), 1232), (plain(name, "SRV"), 512)] {
        let (answer, message) = ask_with(&names, UDP, &bytes).unwrap();
        assert!(answer.len() <= most && answer.len() > most - 120, "{}", answer.len());
        assert!(message.truncated && message.additional.is_empty());
        let (_, whole) = ask_with(&names, TCP, &bytes).unwrap();
        assert_eq!((whole.truncated, whole.answer.len()), (false, 300));
    }
    let (_, whole) = ask_with(&names, TCP, &query(name, "SRV")).unwrap();
    assert!(whole.additional.len() > 200, "a pointer reaches the first 16 KiB: {}", whole.additional.len());
}

#[test]
fn a_client_may_ask_for_less_than_we_would_send_but_not_for_more() {
    let names = crowd();
    for (size, most) in [(0_u16, 512), (600, 600), (4096, 1232), (65_535, 1232)] {
        let mut bytes = query("crowd.shop.svc.cluster.local", "A");
        let at = bytes.len() - 8;
        bytes[at..at + 2].copy_from_slice(&size.to_be_bytes());
        let (answer, message) = ask_with(&names, UDP, &bytes).unwrap();
        assert!(message.truncated && answer.len() <= most && answer.len() + 16 > most, "{size}: {}", answer.len());
    }
}

#[test]
fn additional_records_that_do_not_fit_are_left_out_in_silence() {
    let mut cluster = shop();
    let mut group = service("shop/group", ServiceType::Headless, "", &[]);
    group.spec.endpoints = (1..=7).map(|n| given(&format!("172.27.1.{n}"), true)).collect();
    cluster.apply(&put(group));
    let (_, message) = ask_with(&snapshot(&cluster, 1), UDP, &plain("group.shop.svc.cluster.local", "SRV")).unwrap();
    assert_eq!((message.truncated, message.answer.len(), message.additional.len()), (false, 7, 0));
}

#[test]
fn addresses_take_turns() {
    let names = snapshot(&shop(), 1);
    let firsts: Vec<String> = (0..4)
        .map(|turn| {
            let client = Client { turn, ..UDP };
            let message = ask_with(&names, client, &query("peers.shop.svc.cluster.local", "A")).unwrap().1;
            assert_eq!(message.answer.len(), 3);
            message.answer[0].data.clone()
        })
        .collect();
    assert_eq!(firsts, ["172.27.0.20", "172.27.0.21", "172.27.0.23", "172.27.0.20"]);
}

#[test]
fn headers_that_are_not_queries() {
    let names = snapshot(&shop(), 1);
    let good = plain("db.shop.svc.cluster.local", "A");
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        ask_with(&names, UDP, &bytes).map(|(bytes, message)| (bytes.len(), message.rcode))
    };
    assert_eq!(changed(2, 0x80), None, "an answer is never answered");
    assert_eq!(changed(2, 0x28), Some((12, Rcode::NotImp)), "UPDATE");
    assert_eq!(changed(5, 0), Some((12, Rcode::FormErr)), "no question");
    assert_eq!(changed(5, 2), Some((12, Rcode::FormErr)), "two questions");
    assert_eq!(changed(12, 0xc0), Some((12, Rcode::FormErr)), "a pointer in the question");
    assert_eq!(changed(11, 1), Some((12, Rcode::FormErr)), "an additional record that is not there");
    assert_eq!(changed(good.len() - 1, 3).map(|(_, rcode)| rcode), Some(Rcode::Refused), "class CHAOS");
    assert_eq!(ask_with(&names, UDP, &good[..11]), None);
    for rtype in ["AXFR", "IXFR"] {
        assert_eq!(ask_with(&names, TCP, &plain("cluster.local", rtype)).unwrap().1.rcode, Rcode::Refused);
    }
    assert_eq!(ask_with(&names, UDP, &plain("cluster.local", "OPT")).unwrap().1.rcode, Rcode::FormErr);
}

#[test]
fn edns() {
    let names = snapshot(&shop(), 1);
    let good = query("db.shop.svc.cluster.local", "A");
    let opt = |bytes: &[u8]| bytes[bytes.len() - 11..].to_vec();
    let (bytes, _) = ask_with(&names, UDP, &good).unwrap();
    assert_eq!(opt(&bytes), [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[11], 1);
    let (bytes, _) = ask_with(&names, UDP, &plain("db.shop.svc.cluster.local", "A")).unwrap();
    assert_eq!(bytes[11], 0, "no OPT to a client that has none");

    let at = good.len() - 5;
    let mut newer = good.clone();
    newer[at] = 1;
    let (bytes, message) = ask_with(&names, UDP, &newer).unwrap();
    assert_eq!((message.rcode, message.answer.len(), opt(&bytes)[5]), (Rcode::BadVers, 0, 1));
    let mut dnssec = good.clone();
    dnssec[at + 1] = 0x80;
    assert_eq!(opt(&ask_with(&names, UDP, &dnssec).unwrap().0)[7], 0x80);
    let mut twice = good.clone();
    twice.extend_from_slice(&good[good.len() - 11..]);
    twice[11] = 2;
    assert_eq!(ask_with(&names, UDP, &twice).unwrap().1.rcode, Rcode::FormErr);
}

/// What a client may never see, whatever it sent.
fn is_sound(names: &Snapshot, client: Client, bytes: &[u8], room: usize) -> Result<(), TestCaseError> {
    let mut out = vec![0xee; room + 1];
    let outcome = answer(names, client, bytes, &mut out[..room]);
    prop_assert_eq!(out[room], 0xee);
    let (Outcome::Sent(sent) | Outcome::Forward(sent) | Outcome::Leads(sent) | Outcome::Searches(sent, _)) = outcome else {
        return Ok(());
    };
    prop_assert!(sent.length <= room && sent.length >= HEADER);
    prop_assert!(client.transport == Transport::Tcp || sent.length <= 1232);
    prop_assert_eq!(&out[..2], &bytes[..2]);
    prop_assert!(out[2] & 0x80 != 0 && out[3] & 0x80 == 0, "an answer, and no promise of recursion");
    prop_assert!(Message::read(&out[..sent.length]).is_some());
    Ok(())
}

fn any_client() -> impl Strategy<Value = Client> {
    let transport = prop_oneof![Just(Transport::Udp), Just(Transport::Tcp)];
    (transport, any::<u32>()).prop_map(|(transport, turn)| Client { transport, turn, address: None })
}

proptest! {
    #[test]
    fn any_bytes_are_answered_within_bounds(
        client in any_client(),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        room in 0_usize..1400,
    ) {
        is_sound(&crowd_once(), client, &bytes, room)?;
    }

    #[test]
    fn spoiled_queries_are_answered_within_bounds(
        client in any_client(),
        name in prop::sample::select(vec!["crowd.shop.svc.cluster.local", "store.shop.svc.cluster.local", "20.0.27.172.in-addr.arpa", "x.y"]),
        rtype in prop::sample::select(vec!["A", "SRV", "PTR", "SOA", "TYPE65", "OPT"]),
        spoils in prop::collection::vec((0_usize..80, any::<u8>()), 0..4),
        cut in 0_usize..80,
        room in 0_usize..3000,
    ) {
        let mut bytes = query(name, rtype);
        for (at, byte) in spoils {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(40)));
        is_sound(&crowd_once(), client, &bytes, room)?;
    }

    #[test]
    fn any_name_under_the_zone_is_known_or_denied_with_one_soa(labels in prop::collection::vec("[a-z_]{1,12}", 0..5)) {
        let base: DomainName = "shop.svc.cluster.local".parse().unwrap();
        let parts: Vec<&str> = labels.iter().map(String::as_str).collect();
        let name = base.below(&parts).unwrap();
        let bytes = encode_query(1, &name, RecordType::A);
        let message = ask_with(&crowd_once(), UDP, &bytes).unwrap().1;
        prop_assert!(message.authoritative);
        prop_assert_eq!(message.authority.len(), usize::from(message.answer.is_empty()));
    }
}

/// The crowd, built once: the tests above only read it.
fn crowd_once() -> Snapshot {
    static CROWD: std::sync::OnceLock<Snapshot> = std::sync::OnceLock::new();
    CROWD.get_or_init(crowd).clone()
}
