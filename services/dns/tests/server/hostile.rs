//! Packets that nobody honest sends. The server drops them or says FORMERR, and lives on.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use polder_core::dns::RecordType;
use polder_core::dns::message::Message;
use polder_core::dns::wire::encode_query;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::site::Site;

fn socket(site: &Site) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(site.dns()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

pub(crate) fn query(id: u16) -> Vec<u8> {
    encode_query(id, &"web.shop.svc.cluster.local".parse().unwrap(), RecordType::A)
}

/// The next answer with this id; others are answers to what was sent before.
fn answer(socket: &UdpSocket, id: u16) -> Message {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).expect("the server is alive");
        let message = Message::read(&buffer[..length]).expect("an answer is a message");
        if message.id == id {
            return message;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_of_any_bytes_do_no_harm() {
    let (_folder, site) = Site::shop().await;
    let socket = socket(&site);
    // A failure prints the bytes and the seed.
    let mut runner = TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() });
    let spoiled = (prop::collection::vec(any::<u8>(), 0..1500), any::<bool>(), 0_usize..60, any::<u8>());
    let outcome = runner.run(&spoiled, |(bytes, whole, at, byte)| {
        let mut packet = if whole { bytes } else { query(7) };
        if let Some(place) = packet.get_mut(at) {
            *place = byte;
        }
        socket.send(&packet).unwrap();
        socket.send(&query(0xbeef)).unwrap();
        prop_assert_eq!(answer(&socket, 0xbeef).answer.len(), 1);
        Ok(())
    });
    outcome.unwrap();
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_never_answered() {
    let (_folder, site) = Site::shop().await;
    let socket = socket(&site);
    let mut reply = query(1);
    reply[2] |= 0x80;
    socket.send(&reply).unwrap();
    socket.send(&query(2)).unwrap();
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(Message::read(&buffer[..length]).unwrap().id, 2);
    site.stop().await;
}

/// One framed message in, one out.
pub(crate) fn converse(stream: &mut TcpStream) -> Message {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    Message::read(&message).unwrap()
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

pub(crate) fn connect(site: &Site) -> TcpStream {
    let stream = TcpStream::connect(site.dns()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_sent_ahead_are_answered_in_order() {
    let (_folder, site) = Site::shop().await;
    let mut stream = connect(&site);
    let ahead: Vec<u8> = (0..500).flat_map(|id| framed(&query(id))).collect();
    let (head, tail) = ahead.split_at(ahead.len() - 1);
    stream.write_all(head).unwrap();
    for id in 0..499 {
        assert_eq!(converse(&mut stream).id, id);
    }
    stream.write_all(tail).unwrap();
    assert_eq!(converse(&mut stream).id, 499);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_sends_no_queries_is_closed() {
    let (_folder, site) = Site::shop().await;
    for garbage in [framed(b""), framed(b"GET / HTTP/1.1"), framed(&[0xff; 600])] {
        let mut stream = connect(&site);
        stream.write_all(&garbage).unwrap();
        let mut rest = Vec::new();
        // Closed, perhaps by a reset because bytes were left unread.
        assert!(stream.read_to_end(&mut rest).is_err() || rest.len() <= 14, "{rest:?}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_have_arrived_are_answered_before_the_end() {
    let (_folder, site) = Site::shop().await;
    let socket = socket(&site);
    (0..200).for_each(|id| assert!(socket.send(&query(id)).is_ok()));
    site.stop().await;
    let mut buffer = [0; 512];
    for _ in 0..200 {
        socket.recv(&mut buffer).expect("an answer to every query");
    }
}
