use proptest::prelude::*;

use super::super::question::Asked;
use super::super::reply::{Life, Why};
use super::super::response::{Answer, Unusable};
use super::{Sent, key};
use crate::dns::message::Message;
use crate::dns::wire::Rcode;
use crate::dns::{RecordType, Transport};

fn data(answer: &Answer) -> Vec<(RecordType, u32)> {
    answer.records().map(|record| (record.rtype, record.ttl)).collect()
}

#[test]
fn only_answers_to_the_question_are_taken() {
    let asked = key("www.example", RecordType::A);
    let good = Sent::to(&asked, 0).with("www.example", 60, RecordType::A, "192.0.2.1").bytes;
    assert!(Answer::read(&asked, 7, &good).is_ok());
    assert_eq!(Answer::read(&asked, 8, &good), Err(Unusable::Foreign), "another number");
    for other in [key("www.exampl", RecordType::A), key("www.example", RecordType::AAAA)] {
        assert_eq!(Answer::read(&other, 7, &good), Err(Unusable::Foreign));
    }
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Answer::read(&asked, 7, &bytes)
    };
    assert_eq!(changed(2, 0x01), Err(Unusable::Foreign), "a query");
    assert_eq!(changed(2, 0xa1), Err(Unusable::Foreign), "another operation");
    assert_eq!(changed(2, 0x83), Err(Unusable::Truncated));
    assert_eq!(changed(5, 2), Err(Unusable::Foreign), "two questions");
    assert_eq!(changed(7, 2), Err(Unusable::Malformed), "a record is missing");
    assert!(changed(13, b'W').is_ok(), "letter case does not matter");
    assert_eq!(Answer::read(&asked, 7, &good[..11]), Err(Unusable::Foreign));
}

#[test]
fn what_was_not_asked_for_is_left_out() {
    let asked = key("www.example", RecordType::A);
    let sent = Sent::to(&asked, 0)
        .with("www.example", 60, RecordType::CNAME, "a.example.")
        .with("a.example", 60, RecordType::A, "192.0.2.1")
        .with("bank.example", 60, RecordType::A, "192.0.2.66")
        .with("a.example", 60, RecordType::MX, "10 mail.example.")
        .at(1)
        .with("example", 60, RecordType::NS, "ns.example.")
        .at(2)
        .with("ns.example", 60, RecordType::A, "192.0.2.67");
    let answer = Answer::read(&asked, 7, &sent.bytes).unwrap();
    assert_eq!(data(&answer), [(RecordType::CNAME, 60), (RecordType::A, 60)]);
    let round = Sent::to(&asked, 0).with("www.example", 60, RecordType::CNAME, "a.example.").with(
        "a.example",
        60,
        RecordType::CNAME,
        "www.example.",
    );
    assert_eq!(Answer::read(&asked, 7, &round.bytes), Err(Unusable::Malformed));
}

#[test]
fn negative_answers_carry_their_start_of_zone() {
    for rcode in [0, 3] {
        let asked = key("gone.example", RecordType::A);
        let sent = Sent::to(&asked, rcode).at(1).with("example", 3600, RecordType::SOA, "30");
        let answer = Answer::read(&asked, 7, &sent.bytes).unwrap();
        assert!(answer.is_negative());
        assert_eq!((answer.ttl, data(&answer)), (Some(30), vec![(RecordType::SOA, 30)]));
        let strange = Sent::to(&asked, rcode).at(1).with("other", 3600, RecordType::SOA, "30");
        let answer = Answer::read(&asked, 7, &strange.bytes).unwrap();
        assert_eq!((answer.ttl, data(&answer)), (None, vec![]), "of a zone that does not have the name");
    }
}

#[test]
fn servers_that_cannot_answer_are_told_from_those_that_say_no() {
    let asked = key("www.example", RecordType::A);
    for (rcode, expected) in [(1, Rcode::FormErr), (2, Rcode::ServFail), (4, Rcode::NotImp), (5, Rcode::Refused)] {
        assert_eq!(Answer::read(&asked, 7, &Sent::to(&asked, rcode).bytes), Err(Unusable::Failed(expected)));
    }
    let refers = Sent::to(&asked, 0).at(1).with("example", 60, RecordType::NS, "ns.example.");
    assert_eq!(Answer::read(&asked, 7, &refers.bytes), Err(Unusable::Referral));
    let without = [0, 7, 0x80, 0x81, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Answer::read(&asked, 7, &without), Err(Unusable::Failed(Rcode::FormErr)));
    assert_eq!(Answer::read(&asked, 7, &Sent::to(&asked, 0).bytes).unwrap().ttl, None, "nothing says how long");
}

#[test]
fn times_to_live_with_the_upper_bit_are_none() {
    let asked = key("www.example", RecordType::A);
    let sent = Sent::to(&asked, 0).with("www.example", 1 << 31, RecordType::A, "192.0.2.1");
    assert_eq!(Answer::read(&asked, 7, &sent.bytes).unwrap().ttl, Some(0));
}

#[test]
fn compressed_names_in_data_are_written_out() {
    let asked = key("example", RecordType::MX);
    let mut sent = Sent::to(&asked, 0).bytes;
    // example MX 10 mail.example, both names by pointer to the question.
    sent.extend_from_slice(&[0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 9, 0, 10, 4, b'm', b'a', b'i', b'l', 0xc0, 12]);
    sent[7] = 1;
    let answer = Answer::read(&asked, 7, &sent).unwrap();
    assert_eq!(answer.records().next().unwrap().data, b"\0\x0a\x04mail\x07example\0");
    sent[25 + 11] = 8;
    assert!(Answer::read(&asked, 7, &sent).is_err(), "its data is longer than it says");
}

proptest! {
    /// Whatever an upstream sends, what the client gets is a message, and no larger than it takes.
    #[test]
    fn any_answer_gives_a_readable_reply(
        rcode in 0_u8..16, records in prop::collection::vec((0_usize..3, 0_u32..100_000, 0_usize..5), 0..30),
        spoiled in prop::option::of((12_usize..200, any::<u8>())), edns in any::<bool>(), spent in any::<u32>(),
    ) {
        let asked = key("www.example", RecordType::A);
        let names = ["www.example", "a.example", "b.example", "example", "x.test"];
        let mut sorted = records;
        sorted.sort_unstable();
        let sent = sorted.iter().fold(Sent::to(&asked, rcode), |sent, (section, ttl, kind)| match kind {
            0 => sent.at(*section).with("www.example", *ttl, RecordType::CNAME, "a.example."),
            1 => sent.at(*section).with("example", *ttl, RecordType::SOA, "60"),
            _ => sent.at(*section).with(names[*kind], *ttl, RecordType::A, "192.0.2.1"),
        });
        let mut bytes = sent.bytes;
        if let Some((at, byte)) = spoiled && let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let Ok(answer) = Answer::read(&asked, 7, &bytes) else { return Ok(()) };
        let client = Asked::read(&asked.encode(9, edns), Transport::Udp).unwrap();
        let mut out = [0; 1232];
        let sent = client.reply(&answer, Life::Fresh { spent, most: 3600 }, Why::Plain, &mut out).unwrap();
        let limit = if edns { 1232 } else { 512 };
        prop_assert!(sent.length <= limit);
        let message = Message::read(&out[..sent.length]);
        prop_assert!(message.is_some(), "{:?}", &out[..sent.length]);
        let most = sorted.iter().map(|(_, ttl, _)| *ttl).max().unwrap_or_default();
        let whole = message.unwrap();
        let told = whole.answer.iter().chain(&whole.authority).map(|record| record.ttl).max().unwrap_or_default();
        if spoiled.is_none() {
            prop_assert!(told <= most.min(3600).saturating_sub(spent));
        }
    }

    #[test]
    fn any_bytes_are_an_answer_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let asked = key("www.example", RecordType::A);
        let _ = Answer::read(&asked, 7, &bytes);
        let _ = Answer::read(&asked, 7, &[&Sent::to(&asked, 0).bytes, &bytes[..]].concat());
    }
}
