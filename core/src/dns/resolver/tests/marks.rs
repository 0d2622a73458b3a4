use proptest::prelude::*;

use super::super::asking::Asking;
use super::super::cookie::Cookie;
use super::super::marks::Marks;
use super::super::question::Key;
use super::super::response::{Answer, Unusable};
use super::key;
use crate::dns::RecordType;
use crate::dns::cookie::Secret;
use crate::dns::wire::Rcode;

const LETTERS: u128 = u128::MAX / 3;
const SERVER: &[u8] = b"given by them";

fn own(now: u64) -> Cookie {
    Cookie::of(&Secret::new([7; 16]), "192.0.2.7".parse().unwrap(), "192.0.2.53:53".parse().unwrap(), now)
}

fn asked() -> Key {
    key("www.example", RecordType::A)
}

/// What a server answers to the query: its question as it came, a code, and an OPT record with these options.
fn answer(query: &[u8], rcode: u16, options: &[u8]) -> Vec<u8> {
    let end = 12 + asked().name.as_wire().len() + 4;
    let [upper, lower] = [rcode >> 4, rcode & 15].map(|part| u8::try_from(part).unwrap());
    let mut message = query[..end].to_vec();
    message[2] |= 0x80;
    message[3] = 0x80 | lower;
    message[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
    message.extend([0, 0, 41, 4, 208, upper, 0, 0, 0, 0, u8::try_from(options.len()).unwrap()]);
    message.extend(options);
    message
}

fn option(parts: &[&[u8]]) -> Vec<u8> {
    let data = parts.concat();
    [&[0, 10, 0, u8::try_from(data.len()).unwrap()], &data[..]].concat()
}

/// The data of the cookie in a query.
fn shown(query: &[u8]) -> Vec<u8> {
    query[12 + asked().name.as_wire().len() + 4 + 11 + 4..].to_vec()
}

/// Asks, and gives a message made of the query to what reads it.
struct Exchange {
    marks: Marks,
}

impl Exchange {
    fn new() -> Self {
        Self { marks: Marks::default() }
    }

    fn ask(&self) -> (Asking, Vec<u8>) {
        let asking = self.marks.asking((9, true), own(5), LETTERS);
        let query = asking.encode(&asked());
        (asking, query)
    }

    fn udp(&mut self, sends: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Answer, Unusable> {
        let (asking, query) = self.ask();
        self.marks.read(&asking, &asked(), &mut sends(&query))
    }

    fn tcp(&mut self, sends: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Answer, Unusable> {
        let (asking, query) = self.ask();
        self.marks.read_safe(&asking, &asked(), &mut sends(&query))
    }
}

/// What an honest server with cookies sends.
fn honest(query: &[u8]) -> Vec<u8> {
    answer(query, 0, &option(&[&shown(query)[..8], SERVER]))
}

fn without(query: &[u8]) -> Vec<u8> {
    answer(query, 0, &[])
}

#[test]
fn what_a_server_gives_is_shown_to_it_again() {
    let mut exchange = Exchange::new();
    assert_eq!(shown(&exchange.ask().1).len(), 8);
    assert!(exchange.udp(honest).is_ok());
    assert_eq!(shown(&exchange.ask().1)[8..], *SERVER);
    let newer = |query: &[u8]| answer(query, 0, &option(&[&shown(query)[..8], b"something newer"]));
    assert!(exchange.udp(newer).is_ok());
    assert_eq!(shown(&exchange.ask().1)[8..], *b"something newer");
    let alone = |query: &[u8]| answer(query, 0, &option(&[&shown(query)[..8]]));
    assert!(exchange.udp(alone).is_ok(), "ours comes back, and it gives nothing new");
    assert_eq!(shown(&exchange.ask().1)[8..], *b"something newer");
    let tomorrow = exchange.marks.asking((9, true), own(86_405), LETTERS).encode(&asked());
    assert_eq!(shown(&tomorrow).len(), 8, "what it gave was for our cookie of yesterday");
    let plain = exchange.marks.asking((9, false), own(5), 0);
    assert_eq!(plain.encode(&asked()), asked().encode(9, false), "no cookie without EDNS");
}

#[test]
fn a_wrong_cookie_is_somebody_elses() {
    let mut exchange = Exchange::new();
    for options in [option(&[b"guessed!"]), option(&[b"guessed!", SERVER]), option(&[b"short"]), option(&[b"12345678", b"x"])] {
        assert_eq!(exchange.udp(|query| answer(query, 0, &options)), Err(Unusable::Foreign));
        assert_eq!(exchange.tcp(|query| answer(query, 0, &options)), Err(Unusable::Foreign));
    }
    // The first one counts.
    let first = |query: &[u8]| [option(&[b"guessed!"]), option(&[&shown(query)[..8], SERVER])].concat();
    assert_eq!(exchange.udp(|query| answer(query, 0, &first(query))), Err(Unusable::Foreign));
    assert_eq!(shown(&exchange.ask().1).len(), 8, "nothing is kept of them");
    let other = |query: &[u8]| answer(&[&[0, 8], &query[2..]].concat(), 0, &option(&[&shown(query)[..8], SERVER]));
    assert_eq!(exchange.udp(other), Err(Unusable::Foreign));
    assert_eq!(shown(&exchange.ask().1).len(), 8, "nor of an answer to something else");
}

#[test]
fn a_cookie_that_is_missing_is_looked_for_by_tcp() {
    let mut exchange = Exchange::new();
    assert!(exchange.udp(without).is_ok(), "not all servers have them");
    assert!(exchange.udp(honest).is_ok());
    assert_eq!(exchange.udp(without), Err(Unusable::Doubtful));
    assert_eq!(exchange.udp(|query| answer(query, 5, &[])), Err(Unusable::Doubtful), "nor is a refusal believed");
    assert!(exchange.tcp(honest).is_ok());
    assert_eq!(exchange.udp(without), Err(Unusable::Doubtful), "it still has them");
    assert!(exchange.tcp(without).is_ok());
    assert!(exchange.udp(without).is_ok(), "it has none any more");
}

#[test]
fn a_server_that_wants_another_cookie_gives_it() {
    let mut exchange = Exchange::new();
    let bad = |query: &[u8]| answer(query, 23, &option(&[&shown(query)[..8], SERVER]));
    assert_eq!(exchange.udp(bad), Err(Unusable::Failed(Rcode::BadCookie)));
    assert_eq!(shown(&exchange.ask().1)[8..], *SERVER);
    assert!(exchange.udp(honest).is_ok());
}

#[test]
fn letters_that_change_are_asked_for_by_tcp_and_believed_from_then_on() {
    let mut exchange = Exchange::new();
    let (_, query) = exchange.ask();
    assert_eq!(&query[12..25], b"\x03wWw\x07eXaMpLe\0", "half of the letters are capitals");
    let small = |query: &[u8]| {
        let mut message = without(query);
        message[12..25].make_ascii_lowercase();
        message
    };
    assert_eq!(exchange.udp(small), Err(Unusable::Doubtful));
    assert!(exchange.udp(without).is_ok() && exchange.tcp(without).is_ok());
    assert!(!exchange.marks.changes_letters());
    assert!(exchange.tcp(small).is_ok());
    assert!(exchange.marks.changes_letters());
    assert!(exchange.udp(small).is_ok());
    assert_eq!(exchange.ask().1[12..25], *b"\x03www\x07example\0", "they are left out");
    // A server that could not read the question cannot repeat it.
    let mut exchange = Exchange::new();
    let bare = |query: &[u8]| [&query[..2], &[0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(exchange.udp(bare), Err(Unusable::Failed(Rcode::FormErr)));
}

#[test]
fn names_that_point_into_the_question_are_in_small_letters() {
    let mut exchange = Exchange::new();
    let read = exchange.udp(|query| {
        let mut message = without(query);
        message.truncate(message.len() - 11);
        message[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1]);
        message
    });
    assert_eq!(read.unwrap().records().next().unwrap().owner, b"\x03www\x07example\0");
}

#[test]
fn cookies_differ_by_server_by_own_address_and_by_day() {
    let of = |secret: u8, own: &str, server: &str, now| {
        Cookie::of(&Secret::new([secret; 16]), own.parse().unwrap(), server.parse().unwrap(), now)
    };
    let one = of(1, "192.0.2.7", "192.0.2.53:53", 86_400);
    assert_eq!(one, of(1, "::ffff:192.0.2.7", "192.0.2.53:53", 2 * 86_400 - 1));
    for other in [
        of(2, "192.0.2.7", "192.0.2.53:53", 86_400),
        of(1, "192.0.2.8", "192.0.2.53:53", 86_400),
        of(1, "192.0.2.7", "192.0.2.54:53", 86_400),
        of(1, "192.0.2.7", "192.0.2.53:54", 86_400),
        of(1, "192.0.2.7", "192.0.2.53:53", 86_399),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn padded_queries_have_the_length_of_blocks() {
    for labels in 1..60 {
        let key = key(&"abc.".repeat(labels), RecordType::A);
        let padded = Asking { id: 3, edns: true, is_padded: true, ..Asking::default() }.encode(&key);
        let plain = key.encode(3, true);
        assert!(padded.len().is_multiple_of(128) && padded.len() - plain.len() < 128 + 4, "{}", padded.len());
        let filled = padded.len() - plain.len() - 4;
        assert_eq!(padded[plain.len()..plain.len() + 4], [0, 12, 0, u8::try_from(filled).unwrap()]);
        assert!(padded[plain.len() + 4..].iter().all(|byte| *byte == 0));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_forgeries_are_not_answers(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut exchange = Exchange::new();
        exchange.udp(honest).unwrap();
        let (asking, _) = exchange.ask();
        if let Some(id) = bytes.first_chunk_mut() {
            *id = [0, 9];
        }
        prop_assert!(exchange.marks.read(&asking, &asked(), &mut bytes.clone()).is_err());
        prop_assert_eq!(exchange.marks.changes_letters(), false);
        let _ = exchange.marks.read_safe(&asking, &asked(), &mut bytes);
    }
}
