use polder_core::id::Uid;
use polder_core::meta::Meta;
use polder_core::net::Labels;
use polder_core::time::Timestamp;

use super::*;

const META: Meta =
    Meta { uid: Uid(0x0102), version: 3, created: Timestamp(1_700_000_000_000_000), updated: Timestamp(1_700_000_000_000_001) };

fn labels() -> Labels {
    Labels::new([("site".to_owned(), "12".to_owned())]).unwrap()
}

/// A zone with every field set.
fn zone() -> Change {
    let name: ZoneName = "site-12.example".parse().unwrap();
    let spec = ZoneSpec {
        primary: Some("ns1.site-12.example".parse().unwrap()),
        mailbox: Some("a\\.b.site-12.example".parse().unwrap()),
        name_servers: ["ns1.site-12.example", "ns2.example"].map(|text| text.parse().unwrap()).into(),
        ttl: 60,
        negative_ttl: 10,
        refresh: 7201,
        retry: 1801,
        expire: 86_401,
        publish_services: true,
        secondaries: Secondaries {
            transfer_to: ["192.0.2.0/24", "fd00::7/128"].map(|text| text.parse().unwrap()).into(),
            notify: ["192.0.2.53", "[fd00::7]:5353"].map(|text| text.parse().unwrap()).into(),
        },
    };
    Change::Zone(name.clone(), Some(Arc::new(Zone { name, meta: META, labels: labels(), spec })))
}

/// A set with every field set.
fn set(path: &str, data: &[&str], ttl: Option<u32>) -> Change {
    let key = Arc::new(read_key(path).unwrap());
    let read = |text: &&str| Data::read(key.rtype(), text, key.zone().domain()).unwrap();
    let data = data.iter().map(read).collect();
    Change::RecordSet(Arc::clone(&key), Some(Arc::new(RecordSet { key, meta: META, labels: labels(), ttl, data })))
}

/// Settings with every field set.
fn settings() -> Change {
    use polder_core::dns::resolver::{CacheSpec, Policy, Resolver, Spec, Stub};
    use polder_core::dns::views::View;
    let stub = Stub { domain: "corp.example".parse().unwrap(), upstreams: vec!["10.0.0.2:5353".parse().unwrap()] };
    let cache = CacheSpec { entries: 1, bytes: 65_536, ttl: 2, negative_ttl: 3, minimum: 4, stale: 5, prefetch: 6 };
    let view = View {
        name: "branch".parse().unwrap(),
        clients: ["192.0.2.0/24", "2001:db8::1/128"].map(|text| text.parse().unwrap()).into(),
        client_namespaces: vec!["shop".parse().unwrap()],
        visible_namespaces: vec!["shop".parse().unwrap(), "pay".parse().unwrap()],
    };
    let spec = Spec {
        upstreams: ["192.0.2.53", "[2001:db8::53]:5353"].map(|text| text.parse().unwrap()).into(),
        stubs: vec![stub],
        policy: Policy::Sequential,
        timeout: std::time::Duration::from_millis(700),
        tries: 2,
        in_flight: 7,
        cache,
        views: vec![view],
    };
    Change::Resolver(Some(Arc::new(Resolver { meta: META, spec })))
}

fn again(change: &Change) -> Result<Option<Change>, Corrupt> {
    let write = encode(change);
    let key = String::from_utf8(write.key).unwrap();
    decode(key.strip_prefix(PREFIX).unwrap(), write.value.as_deref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn records_survive_and_deletions_have_no_value() {
    for change in [
        zone(),
        settings(),
        set("site-12.example/www/A", &["10.0.0.5", "10.0.0.6"], Some(0)),
        set("site-12.example/@/TXT", &["one \"two; three\" \\000"], None),
        set("site-12.example/*.app/CNAME", &["@"], None),
        set("site-12.example/_sip._tcp/SRV", &["0 1 5060 sip"], None),
        set("site-12.example/@/CAA", &["0 issue \"\""], None),
        set("site-12.example/5/PTR", &["host"], None),
    ] {
        assert_eq!(again(&change), Ok(Some(change.clone())));
        let gone = match &change {
            Change::Zone(name, _) => Change::Zone(name.clone(), None),
            Change::RecordSet(key, _) => Change::RecordSet(Arc::clone(key), None),
            Change::Resolver(_) => Change::Resolver(None),
        };
        assert_eq!((again(&gone), encode(&gone).value), (Ok(Some(gone.clone())), None));
        let mut view = View::default();
        assert_eq!(before(&view, &change), None);
        view.apply(&change);
        assert_eq!(before(&view, &gone), encode(&change).value);
    }
}

#[test]
fn the_stored_bytes_stay_as_they_are() {
    let write = encode(&zone());
    assert_eq!(write.key, b"/polder/dns/zones/site-12.example");
    assert_eq!(hex(&write.value.unwrap()), ZONE);
    let write = encode(&set("site-12.example/*.app/MX", &["10 mail", "20 @"], Some(5)));
    assert_eq!(write.key, b"/polder/dns/records/site-12.example/*.app/MX");
    assert_eq!(hex(&write.value.unwrap()), SET);
    let write = encode(&settings());
    assert_eq!(write.key, b"/polder/dns/resolver");
    assert_eq!(hex(&write.value.unwrap()), SETTINGS);
}

const ZONE: &str = "080112260a10000000000000000000000000000001021003188080f9c0c1c48203208180f9c0c1c482031a0a0a04736974651202313222146e73312e736974652d31322e6578616d706c652e2a15615c2e622e736974652d31322e6578616d706c652e32146e73312e736974652d31322e6578616d706c652e320c6e73322e6578616d706c652e383c400a48a13850890e5881a305a00101aa0105c000020018aa0111fd00000000000000000000000000000780b2010a3139322e302e322e3533b2010e5b666430303a3a375d3a35333533";
const SET: &str = "080112260a10000000000000000000000000000001021003188080f9c0c1c48203208180f9c0c1c482031a0a0a04736974651202313220052a18000a046d61696c07736974652d3132076578616d706c65002a13001407736974652d3132076578616d706c6500";

const SETTINGS: &str = "080112260a10000000000000000000000000000001021003188080f9c0c1c48203208180f9c0c1c482031a080a04c000023510351a150a1020010db800000000000000000000005310e929221a0a0d636f72702e6578616d706c652e12090a040a00000210e929280230bc0538024007480150808004580260036804700578068201330a066272616e63681205c000020018121120010db8000000000000000000000001801a0473686f70220473686f702203706179";

#[test]
fn damage_is_told() {
    let stored = |data: &[&[u8]], version| {
        let data = data.iter().map(|wire| wire.to_vec()).collect();
        let meta = Some(write_meta(&META));
        pb::RecordSet { version, meta, data, ..pb::RecordSet::default() }.encode_to_vec()
    };
    let told = |key: &str, value: &[u8]| decode(key, Some(value)).unwrap_err().why;
    let good = stored(&[b"\x0a\0\0\x05"], 1);
    assert!(decode("records/a.example/www/A", Some(&good)).is_ok());
    assert_eq!(told("records/a.example/www/A", &stored(&[b"\x0a\0\0"], 1)), "it has 3 bytes that are no data of type A");
    for data in [[b"\x0a\0\0\x05", b"\x0a\0\0\x05"], [b"\x0a\0\0\x06", b"\x0a\0\0\x05"]] {
        let unsorted = stored(&data.map(|wire| wire.as_slice()), 1);
        assert_eq!(told("records/a.example/www/A", &unsorted), "its data is not sorted, or there is none");
    }
    assert!(told("records/a.example/www/A", &stored(&[], 1)).contains("there is none"));
    assert_eq!(told("records/a.example/www/A", &stored(&[], 2)), "its form is version 2, this build reads 1");
    assert_eq!(told("records/a.example/WWW/A", &good), "the record is stored under /polder/dns/records/a.example/www/A");
    assert_eq!(told("records/a.example/www", &good), "it does not name a record set");
    assert!(told("records/a.example/www/A/A", &good).contains("is not a record type"));
    assert!(told("zones/a..b", b"").contains("is not the name of a zone"));
    assert_eq!(decode("serving/dns-1", Some(b"x")), Ok(None));
}
