//! What an upstream may send, after the two bytes of its number: it is an answer to the question or refused; an answer becomes a reply
//! that can be read, is no longer than the client takes, and promises no more time than the upstream gave.

use polder_core::dns::message::Message;
use polder_core::dns::resolver::reply::{Life, Why};
use polder_core::dns::resolver::{Answer, Asked, Key};
use polder_core::dns::{DomainName, RecordType, Transport};

use super::Target;
use crate::Shape;

/// The target.
pub const TARGET: Target = Target { name: "upstream_answers", shape: Shape::Bytes, run };

/// The end of the header and the question, `a. A`, which every input gets, so that mutations reach what is behind it.
const HEAD: usize = 12;
const QUESTION: &[u8] = b"\x01a\0\0\x01\0\x01";

fn run(input: &[u8]) {
    let key = Key::plain(DomainName::root().child("a").unwrap(), RecordType::A);
    // Flags and counts, then records.
    let (head, records) = input.split_at(input.len().min(HEAD - 2));
    let mut message = [&[0, 7], head].concat();
    message.resize(HEAD, 0);
    message[2] |= 0x80;
    message[4..6].copy_from_slice(&[0, 1]);
    message.extend_from_slice(QUESTION);
    message.extend_from_slice(records);
    let Ok(answer) = Answer::read(&key, 7, &message) else { return };
    for (edns, transport, most) in [(true, Transport::Udp, 1232), (false, Transport::Udp, 512), (true, Transport::Tcp, 65_535)] {
        let client = Asked::read(&key.encode(9, edns), transport).unwrap();
        let mut out = vec![0; 65_535];
        let life = Life::Fresh { spent: 10, most: 100 };
        let sent = client.reply(&answer, life, Why::Plain, &mut out).unwrap();
        assert!(sent.length <= most);
        let reply = Message::read(&out[..sent.length]).expect("what is sent can be read");
        assert!(reply.answer.iter().chain(&reply.authority).all(|record| record.ttl <= 90));
    }
}
