//! What is stored in the way of SkyDNS: what it means, at which names, beside what operators store.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::fixture::{set, set_key, settings, zone};
use super::super::serial::Heads;
use super::super::snapshot::Snapshot;
use super::super::source::{Source, touched};
use super::super::zones::{Change as ZoneChange, ZoneName};
use super::*;
use crate::cluster::{Change, Cluster};
use crate::id::Revision;

/// What a test stores: `"/org/example/www"` with a host and some more.
fn fields(host: &str) -> Fields {
    Fields { host: host.to_owned(), ..Fields::default() }
}

fn stripped(host: &str) -> Fields {
    Fields { targetstrip: 1, ..fields(host) }
}

fn text(text: &str) -> Fields {
    Fields { text: text.to_owned(), ..Fields::default() }
}

fn view(entries: &[(&str, Fields)]) -> View {
    let zones: Vec<ZoneName> = ["example.org", "2.0.192.in-addr.arpa"].map(|zone| zone.parse().unwrap()).into();
    let mut view = View::unread(zones.into()).emptied();
    for (path, fields) in entries {
        let entry = Entry::read(path, fields).unwrap();
        view.put(&Key::from(format!("/skydns{path}")), Some(Arc::new(entry)));
    }
    view
}

fn cluster(changes: &[Change]) -> Cluster {
    let mut cluster = Cluster::default();
    let zones = [zone("example.org"), zone("2.0.192.in-addr.arpa")];
    zones.iter().chain(changes).for_each(|change| cluster.apply(change));
    cluster
}

fn snapshot(cluster: &Cluster, view: View) -> Snapshot {
    Snapshot::build_with(settings(), cluster, view, Heads::at(Revision(1)))
}

/// `name ttl TYPE data` of everything that is imported.
fn lines(cluster: &Cluster, view: View) -> Vec<String> {
    let names = snapshot(cluster, view);
    let imported = names.records().filter(|(source, _)| matches!(source, Source::SkyDns(_)));
    let mut lines: Vec<String> = imported
        .map(|(_, record)| format!("{} {} {} {}", record.name, record.ttl, record.data.record_type().unwrap(), record.data))
        .map(|line| line.replace(".example.org.", ""))
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

fn served(entries: &[(&str, Fields)]) -> Vec<String> {
    lines(&cluster(&[]), view(entries))
}

#[test]
fn what_external_dns_writes_stands_at_its_names() {
    let registry = Fields { text: "heritage=external-dns".to_owned(), targetstrip: 1, ttl: 60, ..Fields::default() };
    assert_eq!(
        served(&[
            ("/org/example/www/4ac3b8f1", stripped("192.0.2.7")),
            ("/org/example/www/5ac3b8f1", stripped("192.0.2.8")),
            ("/org/example/www/6ac3b8f1", stripped("2001:db8::7")),
            ("/org/example/a-www/7ac3b8f1", registry.clone()),
            ("/org/example/shop/8ac3b8f1", Fields { text: registry.text, ..stripped("lb.example.net") }),
            ("/org/example/*/9ac3b8f1", stripped("192.0.2.9")),
            ("/org/example/0ac3b8f1", stripped("192.0.2.10")),
        ]),
        [
            "* 300 A 192.0.2.9",
            "a-www 60 TXT \"heritage=external-dns\"",
            "example.org. 300 A 192.0.2.10",
            "shop 300 CNAME lb.example.net.",
            "www 300 A 192.0.2.7",
            "www 300 A 192.0.2.8",
            "www 300 AAAA 2001:db8::7",
        ]
    );
}

#[test]
fn without_targetstrip_an_entry_stands_at_its_name_and_as_one_of_several_above() {
    let db = |host: &str| Fields { port: 5432, priority: 5, ..fields(host) };
    assert_eq!(
        served(&[("/org/example/db/a", db("192.0.2.1")), ("/org/example/db/b", Fields { weight: 7, ..db("b.example.net") })]),
        [
            "a.db 300 A 192.0.2.1",
            "a.db 300 SRV 5 100 5432 a.db",
            "b.db 300 SRV 5 7 5432 b.example.net.",
            "db 300 A 192.0.2.1",
            "db 300 SRV 5 100 5432 a.db",
            "db 300 SRV 5 7 5432 b.example.net.",
        ]
    );
    // The name above has its own.
    let both = [("/org/example/db", fields("192.0.2.9")), ("/org/example/db/a", fields("192.0.2.1"))];
    assert_eq!(served(&both), ["a.db 300 A 192.0.2.1", "db 300 A 192.0.2.9"]);
    // No host is the zone's, and a wildcard is nobody's value.
    assert_eq!(served(&[("/org/example/www", fields("192.0.2.1"))]), ["www 300 A 192.0.2.1"]);
    assert_eq!(served(&[("/org/example/app/*", fields("192.0.2.1"))]), ["*.app 300 A 192.0.2.1"]);
    assert_eq!(served(&[("/org/example/dns/apex/x", fields("192.0.2.1"))]), ["example.org. 300 A 192.0.2.1"]);
}

#[test]
fn mail_text_and_reverse_names() {
    let mail = Fields { mail: true, ..fields("mx.example.net") };
    assert_eq!(served(&[("/org/example/m", mail)]), ["m 300 MX 10 mx.example.net."]);
    let own = Fields { mail: true, priority: 3, ..fields("192.0.2.1") };
    assert_eq!(served(&[("/org/example/m", own)]), ["m 300 A 192.0.2.1", "m 300 MX 3 m"]);
    let long = served(&[("/org/example/t", text(&"x".repeat(300)))]);
    assert_eq!(long, [format!("t 300 TXT \"{}\" \"{}\"", "x".repeat(255), "x".repeat(45))]);
    assert_eq!(
        served(&[("/arpa/in-addr/192/0/2/7", fields("www.example.org")), ("/arpa/in-addr/192/0/3/7", fields("elsewhere.org"))]),
        ["7.2.0.192.in-addr.arpa. 300 PTR www"]
    );
}

#[test]
fn an_alias_is_alone_and_a_set_has_one_time_to_live() {
    let two = [("/org/example/w/a", stripped("x.example.net")), ("/org/example/w/b", stripped("y.example.net"))];
    assert_eq!(served(&two), ["w 300 CNAME x.example.net."]);
    let beside = [("/org/example/w/a", stripped("x.example.net")), ("/org/example/w/b", stripped("192.0.2.1"))];
    assert_eq!(served(&beside), ["w 300 A 192.0.2.1"]);
    assert_eq!(served(&[("/org/example/a", stripped("x.example.net"))]), [""; 0], "not at the apex");
    let ttl = |ttl, host: &str| Fields { ttl, ..stripped(host) };
    let times = [("/org/example/w/a", ttl(60, "192.0.2.1")), ("/org/example/w/b", ttl(1 << 40, "192.0.2.2"))];
    assert_eq!(served(&times), ["w 60 A 192.0.2.1", "w 60 A 192.0.2.2"]);
}

#[test]
fn what_operators_store_wins() {
    let entries = [
        ("/org/example/www/a", Fields { text: "t".to_owned(), ..stripped("192.0.2.1") }),
        ("/org/example/alias/a", stripped("x.example.net")),
        ("/org/example/cut/deep/a", stripped("192.0.2.2")),
    ];
    let lines = |changes: &[Change]| lines(&cluster(changes), view(&entries));
    let all = ["alias 300 CNAME x.example.net.", "deep.cut 300 A 192.0.2.2", "www 300 A 192.0.2.1", "www 300 TXT \"t\""];
    assert_eq!(lines(&[]), all);
    assert_eq!(lines(&[set("example.org/www/A", &["192.0.2.99"])]), [all[0], all[1], all[3]]);
    assert_eq!(lines(&[set("example.org/www/CNAME", &["y.example.net."])]), [all[0], all[1]]);
    assert_eq!(lines(&[set("example.org/alias/TXT", &["x"])]), all[1..]);
    assert_eq!(lines(&[set("example.org/cut/NS", &["ns.example.net."])]), [all[0], all[2], all[3]]);
    assert_eq!(lines(&[zone("cut.example.org")]), [all[0], all[2], all[3]], "a zone that is not filled");
    let gone = Change::Dns(ZoneChange::Zone("example.org".parse().unwrap(), None));
    assert_eq!(lines(&[gone]), [""; 0], "a zone has to be stored");
}

#[test]
fn what_cannot_be_used_says_why() {
    let why = |path: &str, fields: Fields| Entry::read(path, &fields).unwrap_err().why;
    for path in
        ["", "/", "org/example", "/org//www", "/org/example/", "/org/ex.ample", "/org/*/www", "/org/a b", "/org/@", "/org/ä"]
    {
        assert_eq!(why(path, fields("192.0.2.1")), Why::Key, "{path}");
    }
    let long: Vec<String> = (0..5).map(|_| "x".repeat(60)).collect();
    assert_eq!(why(&format!("/{}", long.join("/")), fields("192.0.2.1")), Why::Key);
    for host in ["192.0.2.300", "1.2.3", "a b", "a..b", "*.example.org", "a.example@b", "[::1]", "ä.example"] {
        assert_eq!(why("/org/www", fields(host)), Why::Host, "{host}");
    }
    let one = || fields("192.0.2.1");
    let numbers = [
        Fields { port: 65_536, ..one() },
        Fields { port: -2, ..one() },
        Fields { priority: 65_536, ..one() },
        Fields { weight: -1, ..one() },
        Fields { ttl: -1, ..one() },
        Fields { targetstrip: 3, ..one() },
        Fields { targetstrip: -1, ..one() },
    ];
    numbers.into_iter().for_each(|fields| assert_eq!(why("/org/www", fields.clone()), Why::Number, "{fields:?}"));
    assert_eq!(why("/org/www", Fields { ttl: 60, ..Fields::default() }), Why::Empty);
    assert_eq!(Entry::read("/org/www", &Fields { port: -1, ..one() }).unwrap().port, None);
    let bad = Entry::read("/org/www", &fields("a b")).unwrap_err();
    assert_eq!(bad.to_string(), "`host` is `a b`: neither an address nor a name");
}

#[test]
fn a_crowd_at_a_name_is_bounded() {
    let entries: Vec<(String, Fields)> =
        (0..150).map(|n| (format!("/org/example/crowd/x{n:03}"), stripped(&format!("192.0.2.{n}")))).collect();
    let entries: Vec<(&str, Fields)> = entries.iter().map(|(path, fields)| (path.as_str(), fields.clone())).collect();
    assert_eq!(served(&entries).len(), 100);
}

#[test]
fn until_it_was_read_nobody_says_that_a_name_is_not_there() {
    use super::super::{RecordType, Standing, explain};
    use crate::reason::Reason;

    let zones: Arc<[ZoneName]> = vec!["example.org".parse().unwrap()].into();
    let ask = |view: View, name: &str| {
        use super::super::{Client, Transport, answer};
        let query = super::super::wire::encode_query(7, &name.parse().unwrap(), RecordType::A);
        let mut out = [0; 512];
        let changes = [set("example.org/www/A", &["192.0.2.1"])];
        let client = Client { transport: Transport::Udp, turn: 0, address: None };
        answer(&snapshot(&cluster(&changes), view), client, &query, &mut out).sent().unwrap().rcode.to_string()
    };
    let unread = View::unread(Arc::clone(&zones));
    assert_eq!(["www.example.org", "x.example.org"].map(|name| ask(unread.clone(), name)), ["NOERROR", "SERVFAIL"]);
    assert_eq!(ask(unread.clone(), "7.2.0.192.in-addr.arpa"), "NXDOMAIN", "a zone that nobody fills");
    assert_eq!(ask(unread.emptied(), "x.example.org"), "NXDOMAIN");
    let names = snapshot(&cluster(&[]), unread.clone());
    let told = explain(names.seen_by(None), &"x.example.org".parse().unwrap(), RecordType::A).pop().unwrap();
    assert_eq!((told.step, told.standing), ("zone", Standing::Missing(Some(Reason::NotSynced))));
    assert!(!unread.is_read() && View::default().is_read());
}

/// A step of a history: an entry that comes or goes, or something of an operator.
#[derive(Debug, Clone)]
enum Step {
    Entry(&'static str, Option<Fields>),
    Stored(Change),
}

fn steps() -> impl Strategy<Value = Step> {
    let paths = prop_oneof![
        Just("/org/example/a"),
        Just("/org/example/a/b"),
        Just("/org/example/a/c"),
        Just("/org/example/a/c/d"),
        Just("/org/example/in/a"),
        Just("/org/example/in/*"),
        Just("/org/example/dns/apex/x"),
    ];
    let hosts = prop_oneof![Just("192.0.2.1"), Just("2001:db8::1"), Just("x.example.net"), Just("a.example.org"), Just("")];
    let values = (hosts, 0..3_i64, 0..2_i64, any::<bool>(), 1..3_i64).prop_map(|(host, targetstrip, port, mail, ttl)| Fields {
        port: 80 * port,
        mail,
        text: if host.is_empty() || mail { "t".to_owned() } else { String::new() },
        ttl: 60 * ttl,
        targetstrip,
        ..fields(host)
    });
    let entry = (paths, prop::option::weighted(0.7, values)).prop_map(|(path, fields)| Step::Entry(path, fields));
    let owners = prop_oneof![Just("a/A"), Just("a/CNAME"), Just("c.a/TXT"), Just("a/NS"), Just("@/A")];
    let sets = (owners, any::<bool>()).prop_map(|(owner, there)| {
        let path = format!("example.org/{owner}");
        let data = match owner.rsplit('/').next() {
            Some("A") => "192.0.2.99",
            Some("TXT") => "stored",
            _ => "other.example.net.",
        };
        Step::Stored(if there { set(&path, &[data]) } else { Change::Dns(ZoneChange::RecordSet(set_key(&path), None)) })
    });
    let zones = (prop_oneof![Just("example.org"), Just("in.example.org")], any::<bool>()).prop_map(|(name, there)| {
        Step::Stored(if there { zone(name) } else { Change::Dns(ZoneChange::Zone(name.parse().unwrap(), None)) })
    });
    prop_oneof![5 => entry, 2 => sets, 1 => zones]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_snapshot_that_was_moved_is_one_built_anew(steps in prop::collection::vec(steps(), 1..40)) {
        let (mut state, mut imported) = (cluster(&[]), view(&[]));
        let mut names = snapshot(&state, imported.clone());
        for step in steps {
            match step {
                Step::Entry(path, fields) => {
                    let entry = fields.map(|fields| Arc::new(Entry::read(path, &fields).unwrap()));
                    imported.put(&Key::from(format!("/skydns{path}")), entry);
                    names.import(&state, imported.clone(), Heads::at(Revision(1)));
                }
                Step::Stored(change) => {
                    let mut sources = BTreeSet::new();
                    touched(&state, &change, &mut sources);
                    state.apply(&change);
                    names.update(&state, &sources, Heads::at(Revision(1)));
                }
            }
            prop_assert!(names.same_names(&snapshot(&state, imported.clone())), "{state:?} {imported:?}");
        }
        let keys: Vec<Key> = imported.entries().map(|(key, _)| Arc::clone(key)).collect();
        keys.iter().for_each(|key| imported.put(key, None));
        prop_assert_eq!(imported, view(&[]), "nothing is left behind");
    }

    #[test]
    fn no_name_has_an_alias_beside_others(steps in prop::collection::vec(steps(), 1..40)) {
        let mut imported = view(&[]);
        for step in steps {
            let Step::Entry(path, Some(fields)) = step else { continue };
            let entry = Entry::read(path, &fields).unwrap();
            prop_assert_eq!(Entry::read(path, &entry.fields()).unwrap(), entry.clone());
            imported.put(&Key::from(format!("/skydns{path}")), Some(Arc::new(entry)));
        }
        let lines = lines(&cluster(&[]), imported);
        for alias in lines.iter().filter(|line| line.contains(" CNAME ")) {
            let name = alias.split(' ').next().unwrap();
            let here = lines.iter().filter(|line| line.split(' ').next() == Some(name)).count();
            prop_assert_eq!(here, 1, "{:?}", lines);
        }
    }
}
