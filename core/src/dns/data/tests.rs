use proptest::prelude::*;

use super::*;
use crate::reason::Reason;

fn origin() -> DomainName {
    "example.com".parse().unwrap()
}

fn rtype(text: &str) -> RecordType {
    text.parse().unwrap()
}

fn read(kind: &str, text: &str) -> Result<Data, crate::reason::Malformed> {
    Data::read(rtype(kind), text, &origin())
}

#[test]
fn every_type_is_read_and_written_as_zone_files_have_it() {
    for (kind, text, written, wire) in [
        ("A", "10.0.0.5", "10.0.0.5", b"\x0a\0\0\x05".as_slice()),
        ("AAAA", "FD00:0::5", "fd00::5", b"\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05"),
        ("CNAME", "WWW", "www.example.com.", b"\x03www\x07example\x03com\0"),
        ("NS", "ns1.example.org.", "ns1.example.org.", b"\x03ns1\x07example\x03org\0"),
        ("PTR", "@", "example.com.", b"\x07example\x03com\0"),
        ("MX", "10\tmail", "10 mail.example.com.", b"\0\x0a\x04mail\x07example\x03com\0"),
        ("MX", "0 .", "0 .", b"\0\0\0"),
        ("SRV", "1 2 65535 @", "1 2 65535 example.com.", b"\0\x01\0\x02\xff\xff\x07example\x03com\0"),
        ("TXT", r#"one "two; \"3\"" \065 """#, r#""one" "two; \"3\"" "A" """#, b"\x03one\x08two; \"3\"\x01A\0"),
        ("TXT", "\"ü\"", r#""\195\188""#, b"\x02\xc3\xbc"),
        (
            "CAA",
            r#"0 Issue "ca.example.net; policy=ev""#,
            r#"0 issue "ca.example.net; policy=ev""#,
            b"\0\x05issueca.example.net; policy=ev",
        ),
        ("CAA", "128 issuewild \"\"", "128 issuewild \"\"", b"\x80\x09issuewild"),
    ] {
        let data = read(kind, text).unwrap();
        assert_eq!((data.to_string().as_str(), data.to_wire().as_slice()), (written, wire), "{kind} {text}");
        assert_eq!(data.record_type(), Some(rtype(kind)));
        assert_eq!(read(kind, written).unwrap(), data);
        assert_eq!(Data::from_wire(rtype(kind), wire).unwrap(), data);
    }
}

#[test]
fn what_does_not_fit_its_type_is_refused_with_the_form() {
    let long = format!("\"{}\"", "x".repeat(256));
    for (kind, text) in [
        ("A", ""),
        ("A", "10.0.0"),
        ("A", "10.0.0.5 10.0.0.6"),
        ("A", "\"10.0.0.5\""),
        ("AAAA", "10.0.0.5"),
        ("CNAME", "10.0.0.5"),
        ("NS", "\"ns\""),
        ("MX", "mail"),
        ("MX", "65536 mail"),
        ("MX", "10 fd00::5"),
        ("SRV", "0 0 -1 web"),
        ("SRV", "0 0 80"),
        ("TXT", ""),
        ("TXT", long.as_str()),
        ("TXT", "a ; comment"),
        ("TXT", "\\300"),
        ("CAA", "256 issue \"ca\""),
        ("CAA", "0 is-sue \"ca\""),
        ("CAA", "0 issue"),
    ] {
        let error = read(kind, text).unwrap_err();
        assert_eq!(error.reason, Reason::RecordMalformed, "{kind} {text}: {error}");
        assert!(error.description.len() < 400, "{error}");
    }
    assert_eq!(read("CNAME", "a..b").unwrap_err().reason, Reason::NameMalformed);
    for kind in ["SOA", "ANY", "OPT", "TYPE99"] {
        let error = read(kind, "x").unwrap_err();
        assert!(error.description.contains("cannot be stored; there are A, AAAA, CAA"), "{error}");
        assert!(!Data::is_writable(rtype(kind)));
    }
}

#[test]
fn data_that_is_cut_off_or_too_long_is_no_data() {
    for (kind, wire) in [
        ("A", b"\x0a\0\0".as_slice()),
        ("A", b"\x0a\0\0\x05\0"),
        ("CNAME", b"\x03www"),
        ("CNAME", b"\x03www\0\0"),
        ("MX", b"\0"),
        ("TXT", b""),
        ("TXT", b"\x05abc"),
        ("CAA", b"\0\0"),
        ("CAA", b"\0\x05iss"),
        ("CAA", b"\0\x01-"),
        ("SOA", b""),
    ] {
        assert_eq!(Data::from_wire(rtype(kind), wire), None, "{kind} {wire:?}");
    }
}

/// Any data of the types that can be written.
fn any_data() -> impl Strategy<Value = Data> {
    let name = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 0..5).prop_map(|labels| {
        let mut wire: Vec<u8> = Vec::new();
        for label in &labels {
            wire.push(u8::try_from(label.len()).unwrap());
            wire.extend_from_slice(label);
        }
        wire.push(0);
        DomainName::from_wire(&wire).unwrap()
    });
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        any::<[u8; 4]>().prop_map(|address| Data::A(address.into())),
        any::<[u8; 16]>().prop_map(|address| Data::Aaaa(address.into())),
        name.clone().prop_map(Data::Cname),
        name.clone().prop_map(Data::Ns),
        name.clone().prop_map(|target| Data::Ptr { rank: 0, target }),
        (any::<u16>(), name.clone()).prop_map(|(preference, target)| Data::Mx { preference, target }),
        (any::<[u16; 3]>(), name).prop_map(|([priority, weight, port], target)| Data::Srv { priority, weight, port, target }),
        prop::collection::vec(bytes(), 1..5).prop_map(|texts| Data::Txt(Texts::new(texts.iter().map(Vec::as_slice)))),
        (any::<u8>(), "[a-z0-9]{1,15}", bytes()).prop_map(|(flags, tag, value)| Data::Caa {
            flags,
            tag: tag.into(),
            value: value.into()
        }),
    ]
}

proptest! {
    #[test]
    fn all_data_survives_text_and_wire(data in any_data()) {
        let kind = data.record_type().unwrap();
        let text = data.to_string();
        let read = Data::read(kind, &text, &origin());
        prop_assert_eq!(read.as_ref(), Ok(&data), "{}", text);
        prop_assert_eq!(Data::from_wire(kind, &data.to_wire()), Some(data));
    }

    #[test]
    fn any_text_is_data_or_refused_in_few_words(
        kind in prop::sample::select(vec![1_u16, 2, 5, 6, 12, 15, 16, 28, 33, 257]),
        text in "[ -~\\n\\t]{0,80}",
    ) {
        match Data::read(RecordType(kind), &text, &origin()) {
            Ok(data) => prop_assert_eq!(Data::read(RecordType(kind), &data.to_string(), &DomainName::root()), Ok(data)),
            Err(error) => prop_assert!(error.description.len() < 600, "{}", error),
        }
    }
}
