use proptest::prelude::*;

use super::*;

fn zone() -> ZoneName {
    "example.com".parse().unwrap()
}

fn lines(file: &ZoneFile) -> Vec<String> {
    let line = |(key, set): (&RecordSetKey, &FileSet)| {
        let ttl = set.ttl.map_or_else(|| "-".to_owned(), |seconds| seconds.to_string());
        set.data.iter().map(|data| format!("{} {ttl} {} {data}", key.owner(), key.rtype())).collect::<Vec<_>>()
    };
    file.sets.iter().flat_map(line).collect()
}

const FILE: &str = r#"
; the zone of a site
$TTL 1h
@   IN  SOA ns1 host\.master.example.com. (
        2024010101 ; serial
        2h 30m     ; refresh, retry
        2w 5m )    ; expire, minimum
    IN  NS  ns1
        NS  ns2.example.org.
        NS  ns1
    300 MX  10 mail
    IN 300 MX 20 mail.example.org.
ns1     A   10.0.0.53
www 60 IN A 10.0.0.80
    60  A   10.0.0.81
    60  A   10.0.0.80
WEB     CNAME www
txt     TXT "a ; (quoted)" plain \"escaped\" (
            "over several"
            lines )
$ORIGIN sub.example.com.
@       NS  ns
ns      AAAA fd00::53
$ORIGIN example.com.
*.app   A   10.0.0.90
$TTL 5
_sip._tcp SRV 0 1 5060 @
caa     CAA 0 issue "ca.example.net; x=1"
"#;

#[test]
fn a_file_is_read_whole() {
    let file = read(FILE, &zone(), "text").unwrap();
    let start = file.start.as_ref().unwrap();
    assert_eq!(
        (start.primary.to_string(), start.mailbox.to_string()),
        ("ns1.example.com.".into(), "host\\.master.example.com.".into())
    );
    assert_eq!((start.refresh, start.retry, start.expire, start.negative_ttl), (7200, 1800, 1_209_600, 300));
    assert_eq!(file.ttl, Some(3600));
    assert_eq!(file.name_servers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ns1.example.com.", "ns2.example.org."]);
    assert_eq!(
        lines(&file),
        [
            "*.app 3600 A 10.0.0.90",
            "@ 300 MX 10 mail.example.com.",
            "@ 300 MX 20 mail.example.org.",
            "_sip._tcp 5 SRV 0 1 5060 example.com.",
            "caa 5 CAA 0 issue \"ca.example.net; x=1\"",
            "ns.sub 3600 AAAA fd00::53",
            "ns1 3600 A 10.0.0.53",
            "sub 3600 NS ns.sub.example.com.",
            "txt 3600 TXT \"a ; (quoted)\" \"plain\" \"\\\"escaped\\\"\" \"over several\" \"lines\"",
            "web 3600 CNAME www.example.com.",
            "www 60 A 10.0.0.80",
            "www 60 A 10.0.0.81",
        ]
    );
    assert_eq!(read(&FILE.replace('\n', "\r\n"), &zone(), "text").unwrap(), file);
}

#[test]
fn every_bad_line_is_named_and_nothing_is_taken() {
    let text = "www A 10.0.0\n\n$INCLUDE other\n$GENERATE 1-9 a A 10.0.0.$\n$X\nwww.example.org. A 10.0.0.1\nok A 10.0.0.1\n\
                a.b..c A 10.0.0.1\nx CH TXT y\nx TYPE99 y\nx 5\n@ CNAME x\nx SOA a b 1 2 3 4 5\n$TTL 2d\nok 7 A 10.0.0.2\n\"q\" A 10.0.0.1\n";
    let refusal = read(text, &zone(), "text").unwrap_err();
    let said: Vec<&str> = refusal.violations.iter().map(|bad| bad.description.split(':').next().unwrap()).collect();
    let numbers = [1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    assert_eq!(said, numbers.map(|number| format!("line {number}")));
    assert!(refusal.violations.iter().all(|bad| bad.field == "text"));
    for (text, part) in [
        (" A 10.0.0.1\n", "there is none"),
        ("a TXT \"open\nb A 10.0.0.1", "not closed on the line"),
        ("a TXT ( x", "a parenthesis is not closed"),
        ("a TXT ( x ( y ) )", "stands in parentheses"),
        ("a TXT x )", "not open"),
        ("@ SOA a b c 1 1 2 1", "not a serial number"),
        ("@ SOA a b 1 1 1 2", "SOA data is"),
        ("@ SOA a b 1 7200 1 7200 1", "would give up"),
        ("@ SOA a b 1 1 1 2 1\n@ SOA a b 1 1 1 2 1", "line 2: a zone has one SOA"),
        ("a 1h30 A 10.0.0.1", "not a record type"),
        ("a CNAME b\na CNAME c", "`example.com/a/CNAME`: a name is an alias for one name"),
    ] {
        let refusal = read(text, &zone(), "text").unwrap_err();
        assert!(refusal.message.contains(part), "{text}: {refusal}");
    }
    let long = "x".repeat(MOST_BYTES + 1);
    assert_eq!(read(&long, &zone(), "text").unwrap_err().reason, Reason::FieldTooLong);
    let many = "bad\n".repeat(1000);
    assert_eq!(read(&many, &zone(), "text").unwrap_err().violations.len(), MOST_NAMED);
}

#[test]
fn a_file_says_what_it_is_about() {
    let about = |text: &str| zone_of(text).map(|name| name.to_string());
    assert_eq!(about("$ORIGIN Example.com.\n; x\n@ 5 IN SOA a b 1 2 3 4 5\n"), Some("example.com".to_owned()));
    assert_eq!(about("example.com. SOA a b ( 1\n2 3 4 5 )\n"), Some("example.com".to_owned()));
    assert_eq!(about("$ORIGIN com.\n$ORIGIN example\n@ SOA a"), Some("example.com".to_owned()));
    for text in ["", "@ SOA a b 1 2 3 4 5", "www A 10.0.0.1", "\"open"] {
        assert_eq!(about(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_file_or_refused(text in "[ -~\\n\\t]{0,200}") {
        let about = zone_of(&text);
        prop_assert!(about.is_none_or(|zone| !zone.as_str().is_empty()));
        if let Err(refusal) = read(&text, &zone(), "text") {
            prop_assert!((1..=MOST_NAMED).contains(&refusal.violations.len()));
        }
    }

    #[test]
    fn lines_in_any_order_say_the_same(mut order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let all = ["a 5 A 10.0.0.1", "a 5 A 10.0.0.2", "@ NS ns", "b MX 10 a", "c TXT \"x\" y", "d 1m AAAA ::1"];
        let text = |order: &[usize]| order.iter().map(|at| format!("{}\n", all[*at])).collect::<String>();
        let shuffled = read(&text(&order), &zone(), "text").unwrap();
        order.sort_unstable();
        prop_assert_eq!(shuffled, read(&text(&order), &zone(), "text").unwrap());
    }
}
