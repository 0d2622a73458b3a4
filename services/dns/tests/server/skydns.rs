//! What other programs store in the way of SkyDNS: written by etcdctl, read by dig.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use polder_dns::DnsConfig;
use polder_proto::dns::v1::*;
use polder_runtime::config::{Period, ProcessConfig};
use polder_runtime::process::Process;
use polder_store::etcd::{Etcd as EtcdBackend, EtcdConfig};
use polder_store::testing::{Etcd, Faulty, embedded};
use polder_store::{KeyRange, Store};

use super::dig::{ask, short};
use super::forward::metric;
use super::site::{PROGRAM, Site, back, served};
use super::zones::{first_view, new_set, new_zone};

/// Writes as another program does.
fn etcdctl(etcd: &Etcd, arguments: &[&str]) -> String {
    let output = Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .arg(format!("--endpoints={}", etcd.endpoints().join(",")))
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("etcdctl is needed for this test: {error}"));
    assert!(output.status.success(), "etcdctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn put(etcd: &Etcd, path: &str, value: &str) {
    etcdctl(etcd, &["put", &format!("/skydns{path}"), value]);
}

fn config() -> DnsConfig {
    let zones = ["example.org", "2.0.192.in-addr.arpa"].map(str::to_owned).into();
    DnsConfig { skydns_prefix: "/skydns".to_owned(), skydns_zones: zones, ..DnsConfig::default() }
}

/// A server that is filled from an etcd, with the zones in which that shows.
async fn filled(store: Store, config: DnsConfig) -> Site {
    let site = Site::with(store, config).await;
    let mut client = first_view(&site).await;
    for zone in ["example.org", "2.0.192.in-addr.arpa"] {
        let mut wanted = new_zone(zone);
        wanted.zone.as_mut().unwrap().transfer_to = vec!["127.0.0.0/8".to_owned()];
        let revision = client.create_zone(wanted).await.unwrap().into_inner().revision;
        served(&mut client, revision).await;
    }
    site
}

/// Asks until the answer is this one.
async fn answers(site: &Site, question: &str, wanted: &[&str]) {
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let got = short(site, question);
        if got == wanted {
            return;
        }
        assert!(tokio::time::Instant::now() < until, "{question}: {got:?}, and not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn serial(site: &Site) -> u64 {
    short(site, "example.org SOA")[0].split(' ').nth(2).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_answered() {
    let etcd = Etcd::start().await;
    put(&etcd, "/org/example/early", r#"{"host":"192.0.2.1"}"#);
    let site = filled(Store::open(&etcd.url()).await.unwrap(), config()).await;
    answers(&site, "early.example.org A", &["192.0.2.1"]).await;

    // As ExternalDNS writes: several values of a name, in both families, and the texts of its registry.
    put(&etcd, "/org/example/www/4ac3b8f1", r#"{"host":"192.0.2.7","ttl":60,"targetstrip":1}"#);
    put(&etcd, "/org/example/www/5ac3b8f1", r#"{"host":"192.0.2.8","targetstrip":1}"#);
    put(&etcd, "/org/example/www/6ac3b8f1", r#"{"host":"2001:db8::7","targetstrip":1}"#);
    put(&etcd, "/org/example/a-www/7ac3b8f1", r#"{"text":"heritage=external-dns","targetstrip":1}"#);
    put(&etcd, "/org/example/shop/8ac3b8f1", r#"{"host":"www.example.org","text":"heritage","targetstrip":1}"#);
    answers(&site, "www.example.org A", &["192.0.2.7", "192.0.2.8"]).await;
    answers(&site, "www.example.org AAAA", &["2001:db8::7"]).await;
    answers(&site, "a-www.example.org TXT", &["\"heritage=external-dns\""]).await;
    answers(&site, "shop.example.org A", &["192.0.2.7", "192.0.2.8", "www.example.org."]).await;
    assert!(ask("dig", &site, "4ac3b8f1.www.example.org A").contains("NXDOMAIN"));
    assert!(ask("dig", &site, "+noall +answer www.example.org A").contains("60\tIN\tA\t192.0.2.8"), "one time for the set");

    // As older programs do.
    put(&etcd, "/org/example/db/a", r#"{"host":"192.0.2.9","port":5432,"priority":20,"weight":7}"#);
    put(&etcd, "/arpa/in-addr/192/0/2/7", r#"{"host":"www.example.org"}"#);
    put(&etcd, "/org/example/m", r#"{"host":"mx.example.net","mail":true}"#);
    answers(&site, "db.example.org SRV", &["20 7 5432 a.db.example.org."]).await;
    assert!(ask("dig", &site, "+noall +additional db.example.org SRV").contains("192.0.2.9"));
    answers(&site, "-x 192.0.2.7", &["www.example.org."]).await;
    answers(&site, "m.example.org MX", &["10 mx.example.net."]).await;

    // It is changed, and goes; the serial number moves with each, and is the one of the zone.
    let before = serial(&site);
    put(&etcd, "/org/example/www/4ac3b8f1", r#"{"host":"192.0.2.77","targetstrip":1}"#);
    answers(&site, "www.example.org A", &["192.0.2.77", "192.0.2.8"]).await;
    assert!(serial(&site) > before);
    let zone = site.client().await.get_zone(GetZoneRequest { name: "example.org".to_owned() }).await.unwrap().into_inner();
    assert_eq!(u64::from(zone.zone.unwrap().serial), serial(&site));
    etcdctl(&etcd, &["del", "--prefix", "/skydns/org/example/www/"]);
    answers(&site, "www.example.org A", &[]).await;
    assert!(ask("dig", &site, "www.example.org A").contains("NXDOMAIN"));
    let transfer = ask("dig", &site, "example.org AXFR");
    assert!(transfer.contains("early.example.org.\t300\tIN\tA\t192.0.2.1") && !transfer.contains("192.0.2.77"), "{transfer}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_named_and_what_operators_store_wins() {
    let etcd = Etcd::start().await;
    let site = filled(Store::open(&etcd.url()).await.unwrap(), config()).await;
    put(&etcd, "/org/example/www/x1", r#"{"host":"192.0.2.7","text":"t","targetstrip":1}"#);
    answers(&site, "www.example.org A", &["192.0.2.7"]).await;
    let mut client = site.client().await;
    let asked = ResolveRequest { name: "www.example.org".to_owned(), r#type: "A".to_owned(), ..ResolveRequest::default() };
    let record = client.resolve(asked).await.unwrap().into_inner().answers.remove(0);
    assert_eq!((record.source(), record.object.unwrap().name), (RecordSource::Skydns, "/skydns/org/example/www/x1".to_owned()));

    let set = client.create_record_set(new_set("example.org/www/A", &["192.0.2.99"])).await.unwrap().into_inner();
    served(&mut client, set.revision).await;
    assert_eq!(
        (short(&site, "www.example.org A"), short(&site, "www.example.org TXT")),
        (vec!["192.0.2.99".into()], vec!["\"t\"".into()])
    );
    let gone = DeleteRecordSetRequest {
        zone: "example.org".to_owned(),
        name: "www".to_owned(),
        r#type: "A".to_owned(),
        ..DeleteRecordSetRequest::default()
    };
    let revision = client.delete_record_set(gone).await.unwrap().into_inner().revision;
    served(&mut client, revision).await;
    assert_eq!(short(&site, "www.example.org A"), ["192.0.2.7"]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_end_and_what_is_wrong_is_counted_and_left_out() {
    let etcd = Etcd::start().await;
    let site = filled(Store::open(&etcd.url()).await.unwrap(), config()).await;
    let granted = etcdctl(&etcd, &["lease", "grant", "2"]);
    let lease = format!("--lease={}", granted.split(' ').nth(1).unwrap());
    etcdctl(&etcd, &["put", &lease, "/skydns/org/example/leased", r#"{"host":"192.0.2.2"}"#]);
    put(&etcd, "/org/example/good", r#"{"host":"192.0.2.1"}"#);
    for (path, value) in [
        ("/org/example/bad", "{"),
        ("/org/example/bad/host", r#"{"host":"1.2.3"}"#),
        ("/org//example", r#"{"host":"192.0.2.3"}"#),
        ("/org/example/good/too", r#"{"host":"192.0.2.3","port":70000}"#),
        ("/org/example/last", r#"{"host":"192.0.2.4"}"#),
    ] {
        put(&etcd, path, value);
    }
    answers(&site, "last.example.org A", &["192.0.2.4"]).await;
    for reason in ["json", "host", "key", "number"] {
        assert_eq!(metric(&site, &format!("polder_dns_skydns_unusable_total{{reason=\"{reason}\"}}")), 1, "{reason}");
    }
    assert_eq!(short(&site, "good.example.org A"), ["192.0.2.1"]);
    // Nobody renews the lease.
    answers(&site, "leased.example.org A", &[]).await;
    put(&etcd, "/org/example/good", "no json any more");
    answers(&site, "good.example.org A", &[]).await;
    put(&etcd, "/org/example/good", r#"{"host":"192.0.2.5"}"#);
    answers(&site, "good.example.org A", &["192.0.2.5"]).await;
    site.stop().await;
}

/// A server over an etcd whose watches can be cut and made to lose events.
async fn unsteady(etcd: &Etcd, config: DnsConfig) -> (Arc<Faulty>, Store, Site) {
    let members = EtcdConfig { members: etcd.endpoints(), ..EtcdConfig::default() };
    let faulty = Faulty::over(Arc::new(EtcdBackend::open(&members).await.unwrap()));
    let store = Store::new(Arc::clone(&faulty) as Arc<dyn polder_store::Backend>);
    let site = filled(store.clone(), config).await;
    (faulty, store, site)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_or_all_is_read_again() {
    let etcd = Etcd::start().await;
    let (faulty, store, site) = unsteady(&etcd, config()).await;
    put(&etcd, "/org/example/a", r#"{"host":"192.0.2.1"}"#);
    put(&etcd, "/org/example/b", r#"{"host":"192.0.2.1"}"#);
    answers(&site, "b.example.org A", &["192.0.2.1"]).await;
    // It resumes.
    faulty.set_down(true);
    put(&etcd, "/org/example/a", r#"{"host":"192.0.2.2"}"#);
    assert_eq!(short(&site, "a.example.org A"), ["192.0.2.1"], "what was read stays");
    faulty.set_down(false);
    answers(&site, "a.example.org A", &["192.0.2.2"]).await;
    // It cannot: what it is owed is gone.
    faulty.set_down(true);
    etcdctl(&etcd, &["del", "/skydns/org/example/a"]);
    put(&etcd, "/org/example/c", r#"{"host":"192.0.2.3"}"#);
    let direct = Store::open(&etcd.url()).await.unwrap();
    etcd.compact(direct.range(KeyRange::key("/skydns"), 1, None).await.unwrap().revision).await;
    faulty.set_down(false);
    back(&store).await;
    answers(&site, "c.example.org A", &["192.0.2.3"]).await;
    answers(&site, "a.example.org A", &[]).await;
    assert_eq!(short(&site, "b.example.org A"), ["192.0.2.1"]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_lost_is_found() {
    let etcd = Etcd::start().await;
    let often = DnsConfig { skydns_audit_every: Period(Duration::from_secs(1)), ..config() };
    let (faulty, _, site) = unsteady(&etcd, often).await;
    put(&etcd, "/org/example/a", r#"{"host":"192.0.2.1"}"#);
    answers(&site, "a.example.org A", &["192.0.2.1"]).await;
    faulty.lose_event("/skydns/org/example/a");
    put(&etcd, "/org/example/a", r#"{"host":"192.0.2.2"}"#);
    answers(&site, "a.example.org A", &["192.0.2.2"]).await;
    assert_eq!(metric(&site, "polder_dns_skydns_repairs_total"), 1);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_it_stays_and_a_file_has_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = || DnsConfig { saved_file: folder.path().join("names"), ..config() };
    let mut etcd = Etcd::start().await;
    let store = Store::open(&etcd.url()).await.unwrap();
    let site = filled(store.clone(), config()).await;
    put(&etcd, "/org/example/a", r#"{"host":"192.0.2.1","port":80}"#);
    answers(&site, "a.example.org A", &["192.0.2.1"]).await;
    let before = serial(&site);
    etcd.stop();
    assert_eq!(short(&site, "a.example.org A"), ["192.0.2.1"]);
    site.stop().await;
    let cold = Site::with(store.clone(), config()).await;
    answers(&cold, "a.example.org SRV", &["10 100 80 a.example.org."]).await;
    assert!(ask("dig", &cold, "b.example.org A").contains("NXDOMAIN"));
    assert_eq!(serial(&cold), before);
    etcd.restart().await;
    back(&store).await;
    put(&etcd, "/org/example/a", r#"{"host":"192.0.2.2"}"#);
    answers(&cold, "a.example.org A", &["192.0.2.2"]).await;
    cold.stop().await;
}

#[tokio::test]
async fn an_embedded_store_has_no_other_programs() {
    let (_folder, store) = embedded();
    let process = Process::new(PROGRAM, ProcessConfig::default()).unwrap();
    let refused = polder_dns::build(&config(), store, &process).unwrap_err().to_string();
    assert!(refused.contains("`dns.skydns_prefix`: no other program can write to an embedded store"), "{refused}");
}
