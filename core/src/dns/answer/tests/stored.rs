//! Zones that operators store, beside the shop.

use std::fmt::Write as _;

use super::super::super::fixture::{set, zone};
use super::*;
use crate::cluster::{Change, Cluster};
use crate::dns::zones::{Change as ZoneChange, RecordSet, Zone, ZoneSpec};

const SOA: &str = "SOA ns.dns.cluster.local. hostmaster.example.com. 77 7200 1800 86400 30";

fn site() -> Cluster {
    let mut cluster = shop();
    let mut alias = service("shop/out", ServiceType::ExternalName, "", &[]);
    alias.spec.external_name = "WWW.example.com".to_owned();
    for change in [
        zone("example.com"),
        set("example.com/@/MX", &["10 mail", "20 mail", "30 elsewhere.example.org."]),
        set("example.com/@/TXT", &["\"v=spf1 -all\" more"]),
        set("example.com/mail/A", &["10.0.0.25"]),
        set("example.com/mail/AAAA", &["fd00::25"]),
        set("example.com/www/CNAME", &["web"]),
        set("example.com/web/A", &["10.0.0.80", "10.0.0.81"]),
        set("example.com/_sip._tcp/SRV", &["0 1 5060 mail", "1 1 5060 web.shop.svc.cluster.local."]),
        set("example.com/loop/CNAME", &["pool"]),
        set("example.com/pool/CNAME", &["loop"]),
        set("example.com/out/CNAME", &["example.org."]),
        set("example.com/in/CNAME", &["db.shop.svc.cluster.local."]),
        set("example.com/lost/CNAME", &["nothing.db"]),
        set("example.com/@/CAA", &["0 issue \"ca.example.net\""]),
        set("example.com/*.wild/A", &["10.0.1.1"]),
        set("example.com/*.wild/MX", &["10 mail"]),
        set("example.com/a.b.wild/TXT", &["x"]),
        set("example.com/*.alias/CNAME", &["web"]),
        set("example.com/db/A", &["10.0.0.3"]),
        set("example.com/sub/NS", &["ns.sub", "ns.far.sub", "ns.example.org."]),
        set("example.com/ns.sub/A", &["10.0.0.53"]),
        set("example.com/ns.far.sub/AAAA", &["fd00::53"]),
        zone("in.example.com"),
        set("in.example.com/x/A", &["10.0.2.1"]),
        zone("10.in-addr.arpa"),
        set("10.in-addr.arpa/5.0.0/PTR", &["web.example.com."]),
        put(alias),
    ] {
        cluster.apply(&change);
    }
    cluster
}

fn ask(name: &str, rtype: &str) -> Message {
    ask_with(&snapshot(&site(), 77), UDP, &query(name, rtype)).unwrap().1
}

fn is_negative(message: &Message, rcode: Rcode, soa: &str) {
    assert_eq!((message.rcode, message.authoritative, message.truncated), (rcode, true, false));
    assert_eq!(lines(&message.authority), [soa.to_owned()]);
}

#[test]
fn every_type_is_served_with_the_time_to_live_of_its_zone() {
    assert_eq!(lines(&ask("web.example.com", "A").answer).len(), 2);
    assert_eq!(lines(&ask("example.com", "TXT").answer), ["example.com. 300 TXT \"v=spf1 -all\" \"more\""]);
    assert_eq!(lines(&ask("example.com", "CAA").answer), ["example.com. 300 CAA 0 issue \"ca.example.net\""]);
    assert_eq!(lines(&ask("5.0.0.10.in-addr.arpa", "PTR").answer), ["5.0.0.10.in-addr.arpa. 300 PTR web.example.com."]);
    let mut cluster = site();
    let Change::Dns(ZoneChange::RecordSet(key, Some(record))) = set("example.com/web/A", &["10.0.0.80"]) else { panic!("a set") };
    let record = RecordSet { ttl: Some(0), ..(*record).clone() };
    cluster.apply(&Change::Dns(ZoneChange::RecordSet(key, Some(record.into()))));
    let message = ask_with(&snapshot(&cluster, 77), UDP, &query("web.example.com", "A")).unwrap().1;
    assert_eq!(lines(&message.answer), ["web.example.com. 0 A 10.0.0.80"]);
}

#[test]
fn the_apex_says_who_serves_the_zone() {
    let start = ask("example.com", "SOA");
    assert_eq!((lines(&start.answer), start.authority.len()), (vec![format!("example.com. 300 {SOA}")], 0));
    let servers = ask("example.com", "NS");
    assert_eq!(lines(&servers.answer), ["example.com. 300 NS ns.dns.cluster.local."]);
    assert_eq!(lines(&servers.additional), ["ns.dns.cluster.local. 5 A 172.28.0.10"]);
    let mut cluster = site();
    let named = ZoneSpec {
        primary: Some("a.ns.example.com".parse().unwrap()),
        mailbox: Some("a\\.b.example.org".parse().unwrap()),
        name_servers: ["b.ns.example.com", "a.ns.example.com"].map(|name| name.parse().unwrap()).into(),
        ttl: 60,
        negative_ttl: 90,
        ..ZoneSpec::default()
    };
    let old = cluster.dns.zone("example.com").unwrap();
    let changed = Zone { spec: named, ..(**old).clone() };
    cluster.apply(&Change::Dns(ZoneChange::Zone(changed.name.clone(), Some(changed.into()))));
    cluster.apply(&set("example.com/a.ns/A", &["10.0.0.53"]));
    let names = snapshot(&cluster, 77);
    let ask = |name, rtype| ask_with(&names, UDP, &query(name, rtype)).unwrap().1;
    let servers = ask("example.com", "NS");
    assert_eq!((servers.answer.len(), lines(&servers.additional)), (2, vec!["a.ns.example.com. 60 A 10.0.0.53".to_owned()]));
    let soa = "SOA a.ns.example.com. a\\.b.example.org. 77 7200 1800 86400 90";
    assert_eq!(lines(&ask("example.com", "SOA").answer), [format!("example.com. 60 {soa}")]);
    is_negative(&ask("gone.example.com", "A"), Rcode::NxDomain, &format!("example.com. 60 {soa}"));
}

#[test]
fn what_is_not_there_is_told_by_the_zone_it_would_be_in() {
    let soa = format!("example.com. 30 {SOA}");
    for name in ["gone.example.com", "x.web.example.com", "a.b.gone.example.com", "x.a.b.wild.example.com"] {
        is_negative(&ask(name, "A"), Rcode::NxDomain, &soa);
    }
    for (name, rtype) in
        [("mail.example.com", "MX"), ("web.example.com", "ANY"), ("_tcp.example.com", "A"), ("b.wild.example.com", "A")]
    {
        is_negative(&ask(name, rtype), Rcode::NoError, &soa);
    }
    let inner = "in.example.com. 30 SOA ns.dns.cluster.local. hostmaster.in.example.com. 77 7200 1800 86400 30";
    is_negative(&ask("gone.in.example.com", "A"), Rcode::NxDomain, inner);
    assert_eq!(ask("example.org", "A").rcode, Rcode::Refused);
    assert_eq!(ask("com", "A").rcode, Rcode::Refused, "above a zone nothing is ours");
}

#[test]
fn hosts_are_named_with_their_addresses_wherever_they_lie() {
    let mail = ask("example.com", "MX");
    assert_eq!(mail.answer.len(), 3);
    assert_eq!(lines(&mail.additional), ["mail.example.com. 300 A 10.0.0.25", "mail.example.com. 300 AAAA fd00::25"]);
    let sip = ask("_sip._tcp.example.com", "SRV");
    let addresses =
        ["mail.example.com. 300 A 10.0.0.25", "mail.example.com. 300 AAAA fd00::25", "web.shop.svc.cluster.local. 5 A 172.28.0.2"];
    assert_eq!(lines(&sip.additional), addresses);
}

#[test]
fn aliases_are_followed_through_all_our_zones_and_loops_end() {
    let www =
        ["www.example.com. 300 CNAME web.example.com.", "web.example.com. 300 A 10.0.0.80", "web.example.com. 300 A 10.0.0.81"];
    assert_eq!(lines(&ask("www.example.com", "A").answer), www);
    let within = ask("in.example.com", "A");
    assert_eq!(within.rcode, Rcode::NoError, "the zone's own name hides the alias");
    let out = ask("out.example.com", "A");
    assert_eq!((lines(&out.answer), out.rcode), (vec!["out.example.com. 300 CNAME example.org.".to_owned()], Rcode::NoError));
    let lost = ask("lost.example.com", "A");
    assert_eq!((lost.answer.len(), lost.rcode, lost.authority.len()), (1, Rcode::NxDomain, 1));
    let round = ask("loop.example.com", "A");
    assert_eq!((round.rcode, round.answer.len()), (Rcode::ServFail, 11));
    let service = ask("out.shop.svc.cluster.local", "A");
    assert_eq!(lines(&service.answer)[..2], ["out.shop.svc.cluster.local. 5 CNAME www.example.com.".to_owned(), www[0].to_owned()]);
    assert_eq!(service.answer.len(), 4);
}

#[test]
fn a_long_chain_is_followed_to_its_tenth_alias() {
    let mut cluster = site();
    for at in 0..12 {
        cluster.apply(&set(&format!("example.com/c{at}/CNAME"), &[&format!("c{}", at + 1)]));
    }
    cluster.apply(&set("example.com/c12/A", &["10.0.0.1"]));
    let names = snapshot(&cluster, 77);
    for (first, rcode) in [(2, Rcode::NoError), (1, Rcode::ServFail)] {
        let message = ask_with(&names, UDP, &query(&format!("c{first}.example.com"), "A")).unwrap().1;
        assert_eq!((message.rcode, message.answer.len()), (rcode, 11), "from c{first}");
    }
}

#[test]
fn wildcards_stand_for_names_that_are_not_there() {
    for name in ["x.wild.example.com", "x.y.wild.example.com"] {
        assert_eq!(lines(&ask(name, "A").answer), [format!("{name}. 300 A 10.0.1.1")]);
        is_negative(&ask(name, "TXT"), Rcode::NoError, &format!("example.com. 30 {SOA}"));
    }
    let mail = ask("x.wild.example.com", "MX");
    assert_eq!(lines(&mail.answer), ["x.wild.example.com. 300 MX 10 mail.example.com."]);
    assert_eq!(mail.additional.len(), 2, "the addresses stand at the right place for any name");
    assert_eq!(lines(&ask("any.alias.example.com", "A").answer)[0], "any.alias.example.com. 300 CNAME web.example.com.");
    assert_eq!(ask("any.alias.example.com", "A").answer.len(), 3);
    assert_eq!(lines(&ask("*.wild.example.com", "A").answer), ["*.wild.example.com. 300 A 10.0.1.1"]);
    for name in ["x.b.wild.example.com", "wild.example.com"] {
        assert!(ask(name, "A").answer.is_empty(), "{name}: something nearer is there");
    }
}

#[test]
fn a_delegated_name_is_referred_to_its_servers() {
    for (name, rtype) in [
        ("sub.example.com", "A"),
        ("sub.example.com", "NS"),
        ("a.b.sub.example.com", "A"),
        ("ns.sub.example.com", "A"),
        ("far.sub.example.com", "MX"),
    ] {
        let message = ask(name, rtype);
        assert_eq!((message.rcode, message.authoritative, message.answer.len()), (Rcode::NoError, false, 0), "{name}");
        let servers = ["ns.sub.example.com.", "ns.example.org.", "ns.far.sub.example.com."];
        let mut said: Vec<&str> = message.authority.iter().map(|record| record.data.as_str()).collect();
        said.sort_unstable();
        let mut expected = servers.to_vec();
        expected.sort_unstable();
        assert_eq!(said, expected, "{name}");
        assert!(message.authority.iter().all(|record| record.name.to_string() == "sub.example.com."));
        let mut glue = lines(&message.additional);
        glue.sort_unstable();
        assert_eq!(glue, ["ns.far.sub.example.com. 300 AAAA fd00::53", "ns.sub.example.com. 300 A 10.0.0.53"], "{name}");
    }
    is_negative(&ask("sub.example.com", "DS"), Rcode::NoError, &format!("example.com. 30 {SOA}"));
}

#[test]
fn about_the_keys_of_a_zone_in_a_zone_the_outer_one_is_asked() {
    let mut cluster = site();
    [zone("in.example.com"), zone("alone.example")].iter().for_each(|change| cluster.apply(change));
    let ask = |name, rtype| ask_with(&snapshot(&cluster, 77), UDP, &query(name, rtype)).unwrap().1;
    is_negative(&ask("in.example.com", "DS"), Rcode::NoError, &format!("example.com. 30 {SOA}"));
    is_negative(
        &ask("no.in.example.com", "DS"),
        Rcode::NxDomain,
        "in.example.com. 30 SOA ns.dns.cluster.local. hostmaster.in.example.com. 77 7200 1800 86400 30",
    );
    // Around it there is none of ours.
    is_negative(
        &ask("alone.example", "DS"),
        Rcode::NoError,
        "alone.example. 30 SOA ns.dns.cluster.local. hostmaster.alone.example. 77 7200 1800 86400 30",
    );
}

#[test]
fn a_referral_without_room_for_the_addresses_is_cut_off() {
    let mut cluster = site();
    let mut hosts = Vec::new();
    for at in 0..12 {
        let mut host = String::new();
        write!(host, "ns{at}-{}.cut", "x".repeat(30)).unwrap();
        cluster.apply(&set(&format!("example.com/{host}/A"), &["10.0.0.53"]));
        hosts.push(host);
    }
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    cluster.apply(&set("example.com/cut/NS", &hosts[..7]));
    let names = snapshot(&cluster, 77);
    let small = ask_with(&names, UDP, &plain("x.cut.example.com", "A")).unwrap();
    assert!(small.0.len() <= 512 && small.1.truncated && small.1.authority.len() == 7 && small.1.additional.len() < 7);
    let whole = ask_with(&names, TCP, &plain("x.cut.example.com", "A")).unwrap().1;
    assert_eq!((whole.truncated, whole.additional.len()), (false, 7));
}

#[test]
fn the_inner_zone_wins_over_what_leads_to_it() {
    let mut cluster = site();
    cluster.apply(&set("example.com/in/NS", &["x.in"]));
    cluster.apply(&set("example.com/x.in/A", &["10.9.9.9"]));
    let names = snapshot(&cluster, 77);
    let ask = |name, rtype| ask_with(&names, UDP, &query(name, rtype)).unwrap().1;
    let message = ask("x.in.example.com", "A");
    assert_eq!((message.authoritative, lines(&message.answer)), (true, vec!["x.in.example.com. 300 A 10.0.2.1".to_owned()]));
    assert_eq!(lines(&ask("in.example.com", "NS").answer), ["in.example.com. 300 NS ns.dns.cluster.local."]);
}

#[test]
fn the_question_keeps_its_letters() {
    let mut message = query("web.example.com", "A");
    message[13..16].copy_from_slice(b"WeB");
    let (bytes, _) = ask_with(&snapshot(&site(), 77), UDP, &message).unwrap();
    assert_eq!(bytes.windows(3).filter(|part| part.eq_ignore_ascii_case(b"web")).collect::<Vec<_>>(), [b"WeB"]);
}
