use super::super::question::{Asked, Key};
use super::super::reply::{Life, Why};
use super::super::response::Answer;
use super::{Sent, key, name};
use crate::dns::message::Message;
use crate::dns::wire::Rcode;
use crate::dns::{RecordType, Transport};

const FRESH: Life = Life::Fresh { spent: 10, most: 3600 };

/// A client's query in mixed letter case.
fn query(text: &str, rtype: RecordType, edns: bool) -> Vec<u8> {
    let mut bytes = key(text, rtype).encode(0xabcd, edns);
    bytes[3] = 0;
    for byte in bytes.iter_mut().skip(12).step_by(2) {
        byte.make_ascii_uppercase();
    }
    bytes
}

fn asked(text: &str, edns: bool) -> Asked {
    Asked::read(&query(text, RecordType::A, edns), Transport::Udp).unwrap()
}

fn answer(text: &str) -> Answer {
    let key = key(text, RecordType::A);
    let sent = Sent::to(&key, 0)
        .with(text, 300, RecordType::CNAME, "edge.example.")
        .with("edge.example", 60, RecordType::A, "192.0.2.1")
        .with("edge.example", 5, RecordType::A, "192.0.2.2");
    Answer::read(&key, 7, &sent.bytes).unwrap()
}

fn reply(asked: &Asked, answer: &Answer, life: Life, why: Why) -> Vec<u8> {
    let mut out = vec![0; 1232];
    let sent = asked.reply(answer, life, why, &mut out).unwrap();
    out.truncate(sent.length);
    out
}

#[test]
fn only_questions_that_want_recursion_are_forwarded() {
    let whole = query("www.example", RecordType::A, true);
    assert_eq!(Asked::read(&whole, Transport::Udp).unwrap().key, Key { ..key("www.example", RecordType::A) });
    let mut plain = whole.clone();
    plain[2] = 0;
    assert!(Asked::read(&plain, Transport::Udp).is_none());
    let mut other = query("www.example", RecordType::A, false);
    *other.last_mut().unwrap() = 3;
    assert!(Asked::read(&other, Transport::Udp).is_none(), "class CH");
    assert!(Asked::read(&whole[..20], Transport::Udp).is_none());
    let mut checking = whole;
    checking[3] = 0x10;
    assert!(Asked::read(&checking, Transport::Udp).unwrap().key.checking_disabled);
}

#[test]
fn the_client_gets_its_own_number_and_letters_back() {
    let (asked, answer) = (asked("www.example", true), answer("www.example"));
    let sent = query("www.example", RecordType::A, true);
    let bytes = reply(&asked, &answer, FRESH, Why::Plain);
    assert_eq!((&bytes[..2], &bytes[12..29]), (&sent[..2], &sent[12..29]));
    assert_eq!(bytes[2..4], [0x81, 0x80], "QR and RD; RA");
    let message = Message::read(&bytes).unwrap();
    let answers: Vec<String> =
        message.answer.iter().map(|record| format!("{} {} {}", record.name, record.ttl, record.data)).collect();
    assert_eq!(answers, ["www.example. 290 edge.example.", "edge.example. 50 192.0.2.1", "edge.example. 0 192.0.2.2"]);
    assert!(bytes.windows(2).filter(|pair| pair[0] == 0xc0).count() >= 3, "owners are pointers");
}

#[test]
fn stale_answers_say_so_to_clients_with_edns() {
    let answer = answer("www.example");
    let bytes = reply(&asked("www.example", true), &answer, Life::Stale, Why::Stale);
    assert!(bytes.ends_with(&[0, 6, 0, 15, 0, 2, 0, 3]));
    let message = Message::read(&bytes).unwrap();
    assert_eq!(message.answer.iter().map(|record| record.ttl).collect::<Vec<_>>(), [30, 30, 5]);
    let bytes = reply(&asked("www.example", false), &answer, Life::Stale, Why::Stale);
    assert_eq!((bytes[11], Message::read(&bytes).unwrap().additional.len()), (0, 0));
}

#[test]
fn what_does_not_fit_is_asked_for_by_tcp() {
    let key = key("www.example", RecordType::A);
    let many = (0..60).fold(Sent::to(&key, 0), |sent, n| sent.with("www.example", 60, RecordType::A, &format!("192.0.2.{n}")));
    let answer = Answer::read(&key, 7, &many.bytes).unwrap();
    let cut = Message::read(&reply(&asked("www.example", false), &answer, FRESH, Why::Plain)).unwrap();
    assert!(cut.truncated && cut.answer.is_empty());
    let whole = Message::read(&reply(&asked("www.example", true), &answer, FRESH, Why::Plain)).unwrap();
    assert_eq!((whole.truncated, whole.answer.len()), (false, 60));
}

#[test]
fn a_cookie_is_shown_again_at_the_end() {
    let mut message = query("www.example", RecordType::A, true);
    let end = message.len();
    message[end - 1] = 12;
    message.extend_from_slice(&[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    let asked = Asked::read(&message, Transport::Udp).unwrap();
    let option = [&[0, 10, 0, 24, 1, 2, 3, 4, 5, 6, 7, 8][..], &[0; 16]].concat();
    for (why, options) in [(Why::Plain, 28), (Why::Stale, 34)] {
        let bytes = reply(&asked, &answer("www.example"), FRESH, why);
        assert!(bytes.ends_with(&option));
        assert_eq!(bytes[bytes.len() - options - 2..bytes.len() - options], [0, u8::try_from(options).unwrap()]);
        assert!(Message::read(&bytes).is_some());
    }
}

#[test]
fn an_alias_of_ours_leads_on_to_what_others_say() {
    let first = key("pay.shop.svc.cluster.local", RecordType::A);
    let mut partial = Sent::to(&first, 0).with("pay.shop.svc.cluster.local", 5, RecordType::CNAME, "pay.example.").bytes;
    partial[2] |= 0x04;
    let asked = asked("pay.shop.svc.cluster.local", true).continued(&partial).unwrap();
    assert_eq!(asked.key.name, name("pay.example"));
    let sent = Sent::to(&asked.key, 0).with("pay.example", 100, RecordType::A, "192.0.2.9");
    let answer = Answer::read(&asked.key, 7, &sent.bytes).unwrap();
    let message = Message::read(&reply(&asked, &answer, FRESH, Why::Plain)).unwrap();
    let answers: Vec<(String, u32)> = message.answer.iter().map(|record| (record.data.clone(), record.ttl)).collect();
    assert_eq!(answers, [("pay.example.".to_owned(), 5), ("192.0.2.9".to_owned(), 90)]);
    assert!(message.authoritative, "the first name is ours");
    let failed = Message::read(&reply(&asked, &Answer::failure(), FRESH, Why::Unreachable)).unwrap();
    assert_eq!((failed.rcode, failed.answer.len(), failed.authoritative), (Rcode::ServFail, 0, false));
    assert!(super::question::asked("pay.example", true).continued(&sent.bytes).is_none(), "no alias at the end");
}

#[test]
fn validation_is_told_to_those_who_ask_for_it() {
    let key = key("www.example", RecordType::A);
    let mut sent = Sent::to(&key, 0).with("www.example", 60, RecordType::A, "192.0.2.1");
    sent.bytes[3] |= 0x20;
    let answer = Answer::read(&key, 7, &sent.bytes).unwrap();
    for (flags, expected) in [(0, 0), (0x20, 0x20), (0x10, 0)] {
        let mut message = query("www.example", RecordType::A, false);
        message[3] = flags;
        let asked = Asked::read(&message, Transport::Udp).unwrap();
        assert_eq!(reply(&asked, &answer, FRESH, Why::Plain)[3], 0x80 | expected | flags & 0x10);
    }
}

#[test]
fn a_name_without_its_search_path_is_asked_for_and_told_with_it() {
    let whole = "www.example.shop.svc.cluster.local";
    let searched = asked(whole, true).searched(b"\x03www\x07example".len()).unwrap();
    assert_eq!(searched.key, key("www.example", RecordType::A));
    let told = Message::read(&reply(&searched, &answer("www.example"), FRESH, Why::Plain)).unwrap();
    let lines: Vec<String> = told.answer.iter().map(|one| format!("{} {} {}", one.name, one.rtype, one.data)).collect();
    let first = format!("{whole}. CNAME edge.example.");
    assert_eq!(lines, [&first, "edge.example. A 192.0.2.1", "edge.example. A 192.0.2.2"]);
    assert!(!told.authoritative);

    let missing = Sent::to(&searched.key, 3).at(1).with("example", 60, RecordType::SOA, "30");
    let missing = Answer::read(&searched.key, 7, &missing.bytes).unwrap();
    let told = Message::read(&reply(&searched, &missing, FRESH, Why::Plain)).unwrap();
    assert_eq!((told.rcode, told.answer.len(), told.authority.len()), (Rcode::NxDomain, 0, 0));
    for length in [3, 200] {
        assert!(asked(whole, true).searched(length).is_none(), "{length}");
    }
}
