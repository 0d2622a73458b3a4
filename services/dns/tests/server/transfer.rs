//! Zones for other servers: what `dig` and `kdig` get, and a Knot that is told of changes and serves the same.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use polder_core::dns::message::Message;
use polder_core::dns::wire::encode_query;
use polder_core::dns::{Rcode, RecordType};
use polder_core::lb::ServiceType;
use polder_dns::DnsConfig;
use polder_proto::dns::v1::*;
use polder_store::{Commit, Outcome, Write};
use tokio::time::{Instant, sleep};

use super::dig::{ask, short};
use super::forward::metric;
use super::site::{Site, commit, outside, own_address, put, served, service, shop};
use super::zones::{Client, first_view, new_set, new_zone};

/// Everybody here may have the cluster's domain.
fn open() -> DnsConfig {
    DnsConfig { transfer_to: vec!["127.0.0.0/8".to_owned()], ..DnsConfig::default() }
}

/// Makes a zone with these secondaries.
async fn zone(client: &mut Client, name: &str, transfer_to: &str, notify: &[String]) -> Zone {
    let mut wanted = new_zone(name);
    let zone = wanted.zone.as_mut().unwrap();
    (zone.transfer_to, zone.notify) = (vec![transfer_to.to_owned()], notify.into());
    let made = client.create_zone(wanted).await.unwrap().into_inner();
    served(client, made.revision).await;
    made.zone.unwrap()
}

/// Stores records in a zone; gives its serial number.
async fn store(client: &mut Client, path: &str, data: &[&str]) -> u64 {
    let made = client.create_record_set(new_set(path, data)).await.unwrap().into_inner();
    served(client, made.revision).await;
    made.revision
}

/// The records of an answer, each line with single blanks.
fn lines(text: &str) -> Vec<String> {
    let records = text.lines().filter(|line| !line.is_empty() && !line.starts_with(';'));
    records.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn serial(site: &Site, zone: &str) -> u64 {
    short(site, &format!("{zone} SOA"))[0].split(' ').nth(2).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_and_kdig_get_the_same_zones() {
    let (_folder, site) = Site::shop_with(open()).await;
    let mut client = first_view(&site).await;
    zone(&mut client, "example.com", "127.0.0.1", &[]).await;
    for (path, data) in [
        ("example.com/@/MX", ["10 mail"].as_slice()),
        ("example.com/mail/A", &["10.0.0.25"]),
        ("example.com/*.app/TXT", &["one", "two words"]),
        ("example.com/sub/NS", &["ns.sub"]),
        ("example.com/ns.sub/AAAA", &["fd00::53"]),
    ] {
        store(&mut client, path, data).await;
    }
    for zone in ["example.com", "cluster.local"] {
        let dug = lines(&ask("dig", &site, &format!("{zone} AXFR")));
        let kdug = lines(&ask("kdig", &site, &format!("{zone} AXFR")));
        assert!(dug.len() > 8 && dug[0].contains(" SOA ") && dug.first() == dug.last(), "{dug:?}");
        assert_eq!(dug.iter().collect::<BTreeSet<_>>(), kdug.iter().collect::<BTreeSet<_>>());
        let request = ExportZoneRequest { zone: zone.to_owned() };
        let mut pieces = client.export_zone(request).await.unwrap().into_inner();
        let mut exported = BTreeSet::new();
        while let Some(piece) = pieces.message().await.unwrap() {
            exported.extend(lines(&piece.text));
        }
        assert_eq!(dug.into_iter().collect::<BTreeSet<_>>(), exported, "what is exported is what is sent");
    }
    let reverse = lines(&ask("dig", &site, "28.172.in-addr.arpa AXFR"));
    assert!(reverse.is_empty(), "no pool makes it a zone here: {reverse:?}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_zone_takes_several_messages_and_so_does_much_that_is_new() {
    let (_folder, site) = Site::shop().await;
    let mut client = first_view(&site).await;
    let empty = zone(&mut client, "example.com", "127.0.0.1", &[]).await.serial;
    for nth in 0..12 {
        let texts: Vec<String> = (0..60).map(|text| format!("{text:0200}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        store(&mut client, &format!("example.com/n{nth}/TXT"), &texts).await;
    }
    let dug = ask("dig", &site, "example.com AXFR");
    assert!(dug.contains("XFR size: 723 records (messages 3,"), "{dug}");
    let records = lines(&dug);
    assert_eq!((records.len(), records.iter().collect::<BTreeSet<_>>().len()), (723, 722));
    // From the empty zone in twelve steps, each between the SOA records of two states, and one of the newest at both ends.
    let stepped = ask("dig", &site, &format!("example.com IXFR={empty}"));
    assert!(stepped.contains("XFR size: 746 records (messages 3,"), "{stepped}");
    assert_eq!(lines(&stepped).into_iter().filter(|line| line.contains(" TXT ")).collect::<BTreeSet<_>>().len(), 720);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_is_sent_and_what_may_not_be_had_is_refused() {
    let (_folder, site) = Site::shop_with(open()).await;
    let mut client = first_view(&site).await;
    let made = zone(&mut client, "example.com", "127.0.0.0/8", &[]).await;
    let closed = zone(&mut client, "closed.example", "192.0.2.0/24", &["127.0.0.1:9".to_owned()]).await;
    client.create_zone(new_zone("nobodys.example")).await.unwrap();
    let second = store(&mut client, "example.com/www/A", &["10.0.0.80"]).await;
    let newest = store(&mut client, "example.com/ftp/A", &["10.0.0.81"]).await;
    let start =
        |serial: u64| format!("example.com. 300 IN SOA ns.dns.cluster.local. hostmaster.example.com. {serial} 7200 1800 86400 30");
    let www = "www.example.com. 300 IN A 10.0.0.80".to_owned();
    let ftp = "ftp.example.com. 300 IN A 10.0.0.81".to_owned();
    let first = u64::from(made.serial);
    let new = |from: u64| lines(&ask("dig", &site, &format!("example.com IXFR={from}")));
    let whole = [start(newest), start(first), start(second), www, start(second), start(newest), ftp.clone(), start(newest)];
    assert_eq!(new(first), whole);
    assert_eq!(new(second), [start(newest), start(second), start(newest), ftp, start(newest)]);
    assert_eq!(new(newest), [start(newest)]);
    assert_eq!(new(1).len(), 5, "whoever has a state that nobody knows gets the zone");

    let by_udp = ask("dig", &site, &format!("+notcp example.com IXFR={first}"));
    assert_eq!(lines(&by_udp), [start(newest)], "that there is something new, and no more");
    for (by_tcp, name, rtype) in [
        (true, "closed.example", RecordType::AXFR),
        (true, "closed.example", RecordType::IXFR),
        (true, "nobodys.example", RecordType::AXFR),
        (true, "www.example.com", RecordType::AXFR),
        (true, "example.org", RecordType::AXFR),
        (false, "nobodys.example", RecordType::IXFR),
        (false, "example.com", RecordType::AXFR),
    ] {
        let answer = sent(&site, by_tcp, name, rtype);
        assert_eq!((answer.rcode, answer.answer.len()), (Rcode::Refused, 0), "{name} {rtype} {by_tcp}");
    }
    let count =
        |kind: &str, result: &str| metric(&site, &format!("polder_dns_transfers_total{{kind=\"{kind}\",result=\"{result}\"}}"));
    assert_eq!((count("ixfr", "steps"), count("ixfr", "current"), count("ixfr", "whole")), (2, 1, 1));
    assert_eq!((count("axfr", "refused"), count("ixfr", "refused"), count("axfr", "whole")), (4, 1, 0));

    let opened = Zone { transfer_to: vec!["127.0.0.1".to_owned()], notify: Vec::new(), ..closed };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["transfer_to".to_owned()] });
    let update = UpdateZoneRequest { zone: Some(opened), update_mask, ..UpdateZoneRequest::default() };
    let opened = client.update_zone(update).await.unwrap().into_inner();
    served(&mut client, opened.revision).await;
    let shown = opened.zone.unwrap();
    assert_eq!((shown.transfer_to, shown.notify), (vec!["127.0.0.1/32".to_owned()], vec!["127.0.0.1:9".to_owned()]));
    assert_eq!(sent(&site, true, "closed.example", RecordType::AXFR).rcode, Rcode::NoError);

    // The rest of a connection is as any other.
    let several = ask("dig", &site, "+tcp +keepopen example.com AXFR www.example.com A");
    assert!(several.contains("XFR size: 5 records") && several.contains("10.0.0.80"), "{several}");
    site.stop().await;
}

/// The first message that answers a question.
fn sent(site: &Site, by_tcp: bool, name: &str, rtype: RecordType) -> Message {
    let query = encode_query(7, &name.parse().unwrap(), rtype);
    let patience = Some(Duration::from_secs(5));
    let mut answer = vec![0; 65_535];
    let length = if by_tcp {
        let mut stream = TcpStream::connect(site.dns()).unwrap();
        stream.set_read_timeout(patience).unwrap();
        stream.write_all(&[&u16::try_from(query.len()).unwrap().to_be_bytes(), query.as_slice()].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let length = usize::from(u16::from_be_bytes(length));
        stream.read_exact(&mut answer[..length]).unwrap();
        length
    } else {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(patience).unwrap();
        socket.send_to(&query, site.dns()).unwrap();
        socket.recv(&mut answer).unwrap()
    };
    Message::read(&answer[..length]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn serial_numbers_rise_with_the_zone_alone_and_are_the_same_everywhere() {
    let (_folder, backend) = polder_store::testing::embedded();
    let one = Site::over(backend.clone()).await;
    one.apply(&shop()).await;
    let mut client = first_view(&one).await;
    let zones = ["cluster.local", "example.com", "apps.example", "2.0.192.in-addr.arpa"];
    for name in ["example.com", "2.0.192.in-addr.arpa"] {
        let made = client.create_zone(new_zone(name)).await.unwrap().into_inner();
        served(&mut client, made.revision).await;
    }
    let mut wanted = new_zone("apps.example");
    wanted.zone.as_mut().unwrap().publish_services = true;
    let made = client.create_zone(wanted).await.unwrap().into_inner();
    served(&mut client, made.revision).await;
    let serials = |site: &Site| zones.map(|zone| serial(site, zone));
    let before = serials(&one);
    assert!(before.iter().all(|serial| *serial > 0), "{before:?}");

    // Something on a lease moves nothing, and no more does who answers for addresses.
    for key in ["/polder/ipam/alive/node-a", "/polder/lb/head/announcements"] {
        let write = Commit { guards: Vec::new(), writes: vec![Write::put(key, "x")] };
        assert!(matches!(backend.commit(write).await.unwrap(), Outcome::Committed { .. }));
    }
    // What comes after them makes sure that both are seen.
    let stored = store(&mut client, "example.com/www/A", &["10.0.0.1"]).await;
    assert_eq!(serials(&one), [before[0], stored, stored, stored]);

    let revision = commit(&backend, &[put(service("shop/new", ServiceType::ClusterIp, "", &["172.28.0.60"]))]).await.0;
    served(&mut client, revision).await;
    let after = serials(&one);
    assert_eq!(after, [revision, stored, revision, revision]);

    let other = Site::over(backend.clone()).await;
    let mut second = first_view(&other).await;
    served(&mut second, revision).await;
    assert_eq!(serials(&other), after);
    let listed = second.list_zones(ListZonesRequest::default()).await.unwrap().into_inner().zones;
    let shown: BTreeSet<(String, u64)> = listed.into_iter().map(|zone| (zone.name, zone.serial.into())).collect();
    assert_eq!(shown, zones.iter().map(|zone| (*zone).to_owned()).zip(after).collect());
    for site in [one, other] {
        site.stop().await;
    }
}

/// A Knot that is a secondary of the site; it ends with the test.
struct Knot {
    process: Child,
    address: Ipv4Addr,
    folder: tempfile::TempDir,
}

impl Drop for Knot {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Knot {
    /// Below the ports that are given to whoever asks for a free one.
    const PORT: u16 = 10_053;

    fn of(site: &Site, address: Ipv4Addr, zones: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (at, primary) = (folder.path().display(), site.dns());
        let zone = |name: &&str| {
            format!("  - domain: {name}\n    master: polder\n    acl: polder\n    zonefile-sync: -1\n    storage: \"{at}\"\n")
        };
        let zones: String = zones.iter().map(zone).collect();
        let config = format!(
            "server:\n    listen: {address}@{}\n    rundir: \"{at}\"\ndatabase:\n    storage: \"{at}\"\n\
             log:\n  - target: stderr\n    any: warning\n\
             remote:\n  - id: polder\n    address: {}@{}\n\
             acl:\n  - id: polder\n    address: 127.0.0.1\n    action: notify\nzone:\n{zones}",
            Self::PORT,
            primary.ip(),
            primary.port(),
        );
        let file = folder.path().join("knot.conf");
        std::fs::write(&file, config).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let process = Command::new("knotd").arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let process = process.unwrap_or_else(|error| panic!("knotd is needed for this test: {error}"));
        Self { process, address, folder }
    }

    fn answer(&self, name: &str, rtype: &str) -> Vec<String> {
        let (at, port) = (format!("@{}", self.address), Self::PORT.to_string());
        let asked = [&at, "-p", &port, "+short", "+retry=0", "+timeout=2", name, rtype];
        let output = Command::new("kdig").args(asked).output().unwrap();
        let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Waits until it has the zone as the site has it.
    async fn has(&self, site: &Site, zone: &str) {
        let until = Instant::now() + Duration::from_secs(30);
        let wanted = serial(site, zone);
        loop {
            let start = self.answer(zone, "SOA");
            if start.first().and_then(|soa| soa.split(' ').nth(2)) == Some(&wanted.to_string()) {
                return;
            }
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < until, "{zone} is at {start:?} and not at {wanted}; {}", log());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_is_told_and_serves_the_same() {
    let address = own_address(53);
    let notify = vec![format!("{address}:{}", Knot::PORT)];
    let (_folder, site) = Site::shop_with(DnsConfig { notify: notify.clone(), ..open() }).await;
    let mut client = first_view(&site).await;
    zone(&mut client, "example.com", "127.0.0.0/8", &notify).await;
    store(&mut client, "example.com/www/A", &["10.0.0.80"]).await;
    let zones = ["example.com", "cluster.local"];
    let knot = Knot::of(&site, address, &zones);
    for zone in zones {
        knot.has(&site, zone).await;
    }
    assert_eq!(knot.answer("www.example.com", "A"), ["10.0.0.80"]);
    assert_eq!(knot.answer("web.shop.svc.cluster.local", "A"), ["172.28.0.2"]);

    // From now on it looks by itself in two hours again: what it has sooner it was told of.
    let steps = || metric(&site, "polder_dns_transfers_total{kind=\"ixfr\",result=\"steps\"}");
    let before = steps();
    store(&mut client, "example.com/ftp/A", &["10.0.0.81", "10.0.0.82"]).await;
    let path = DeleteRecordSetRequest {
        zone: "example.com".to_owned(),
        name: "www".to_owned(),
        r#type: "A".to_owned(),
        ..DeleteRecordSetRequest::default()
    };
    let gone = client.delete_record_set(path).await.unwrap().into_inner();
    served(&mut client, gone.revision).await;
    site.apply(&[outside("shop/front", &["192.0.2.7"]), put(service("shop/web", ServiceType::ClusterIp, "", &["172.28.0.9"]))])
        .await;
    for zone in zones {
        knot.has(&site, zone).await;
    }
    assert_eq!(knot.answer("ftp.example.com", "A"), ["10.0.0.81", "10.0.0.82"]);
    assert!(knot.answer("www.example.com", "A").is_empty());
    assert_eq!(knot.answer("web.shop.svc.cluster.local", "A"), ["172.28.0.9"]);
    assert!(steps() >= before + 2, "it was sent what is new, and not all there is");
    assert!(metric(&site, "polder_dns_notifies_total{result=\"acknowledged\"}") > 0);
    site.stop().await;
}
