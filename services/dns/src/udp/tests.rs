//! Batches over real sockets on loopback. What a socket holds is answered before `serve` ends, so no test needs a second thread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use polder_runtime::inherit::Inheritance;

use super::batch::{MOST_QUERY, Wait};
use super::*;
use crate::listen::Sockets;

const PATIENCE: Duration = Duration::from_secs(10);

fn bound(address: impl Into<IpAddr>) -> (SocketAddr, Arc<UdpSocket>) {
    let mut sockets = Sockets::open(SocketAddr::new(address.into(), 0), 1, &Inheritance::default()).unwrap();
    (sockets.address, sockets.udp.pop().unwrap())
}

/// Packets reach it only from the address that it sends to.
fn client(to: SocketAddr) -> UdpSocket {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let client = UdpSocket::bind((any, 0)).unwrap();
    client.connect(to).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// Answers everything that waits in the socket, and says how many batches that took.
fn answer_all(socket: &UdpSocket, mut answer: impl FnMut(&[u8], &mut [u8]) -> usize) -> usize {
    let mut batches = 0;
    serve(socket, &AtomicBool::new(true), |batch: &mut Batch| {
        batches += 1;
        batch.answer(|query, out, _| answer(query, out));
    })
    .unwrap();
    batches
}

fn echo(query: &[u8], out: &mut [u8]) -> usize {
    out[..query.len()].copy_from_slice(query);
    query.len()
}

fn received(client: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let length = client.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn more_than_a_batch_is_answered_batch_by_batch() {
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let (address, socket) = bound(address);
        let client = client(address);
        let count = 3 * MOST + 5;
        (0..count).for_each(|number| _ = client.send(format!("query {number}").as_bytes()).unwrap());
        assert_eq!(answer_all(&socket, echo), 4);
        for number in 0..count {
            assert_eq!(received(&client), format!("query {number}").as_bytes());
        }
    }
}

#[test]
fn answers_go_to_whoever_asked() {
    let (address, socket) = bound(Ipv4Addr::LOCALHOST);
    let clients: Vec<UdpSocket> = (0..50).map(|_| client(address)).collect();
    clients.iter().enumerate().for_each(|(number, client)| _ = client.send(&[number as u8; 20]).unwrap());
    answer_all(&socket, echo);
    clients.iter().enumerate().for_each(|(number, client)| assert_eq!(received(client), [number as u8; 20]));
}

#[test]
fn a_socket_for_all_addresses_answers_from_the_one_that_was_asked() {
    let (address, socket) = bound(Ipv4Addr::UNSPECIFIED);
    let asked = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 8, 8, 8)];
    let clients: Vec<UdpSocket> = (0..60).map(|number| client((asked[number % asked.len()], address.port()).into())).collect();
    clients.iter().for_each(|client| _ = client.send(b"who are you").unwrap());
    answer_all(&socket, echo);
    clients.iter().for_each(|client| assert_eq!(received(client), b"who are you"));

    let (address, socket) = bound(Ipv6Addr::UNSPECIFIED);
    let client = client((Ipv6Addr::LOCALHOST, address.port()).into());
    client.send(b"and you").unwrap();
    answer_all(&socket, echo);
    assert_eq!(received(&client), b"and you");
}

#[test]
fn an_answer_that_comes_later_goes_the_same_way() {
    let (address, socket) = bound(Ipv4Addr::UNSPECIFIED);
    let asked = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 8, 8, 8)];
    let clients: Vec<UdpSocket> = (0..10).map(|number| client((asked[number % 2], address.port()).into())).collect();
    clients.iter().enumerate().for_each(|(number, client)| _ = client.send(&[number as u8]).unwrap());
    let mut later = Vec::new();
    serve(&socket, &AtomicBool::new(true), |batch: &mut Batch| {
        batch.answer(|query, _, route| {
            later.push((query.to_vec(), *route));
            0
        });
    })
    .unwrap();
    for (query, route) in later.into_iter().rev() {
        assert_eq!(route.peer().unwrap().ip(), route.client().unwrap());
        assert!(route.client().unwrap().is_loopback());
        route.send(&socket, &query).unwrap();
    }
    clients.iter().enumerate().for_each(|(number, client)| assert_eq!(received(client), [number as u8]));
}

#[test]
fn what_gets_no_answer_leaves_no_gap() {
    let (address, socket) = bound(Ipv4Addr::LOCALHOST);
    let client = client(address);
    (0..40_u8).for_each(|number| _ = client.send(&[number]).unwrap());
    answer_all(&socket, |query, out| if query[0] % 3 == 0 { 0 } else { echo(query, out) });
    for number in (0..40).filter(|number| number % 3 != 0) {
        assert_eq!(received(&client), [number]);
    }
}

#[test]
fn queries_of_any_length_come_in() {
    let (address, socket) = bound(Ipv4Addr::LOCALHOST);
    let client = client(address);
    for length in [0, 1, MOST_QUERY, MOST_QUERY + 1, 60_000] {
        client.send(&vec![7; length]).unwrap();
    }
    let mut lengths = Vec::new();
    answer_all(&socket, |query, _| {
        lengths.push(query.len());
        // Longer than its buffer, which no answer is: what fits is sent.
        usize::MAX
    });
    assert_eq!(lengths, [0, 1, MOST_QUERY, MOST_QUERY, MOST_QUERY]);
    assert_eq!(received(&client).len(), usize::from(MOST_UDP));
}

#[test]
fn a_peer_that_cannot_be_sent_to_holds_up_nobody() {
    let (address, socket) = bound(Ipv4Addr::LOCALHOST);
    let client = client(address);
    (0..9_u8).for_each(|number| _ = client.send(&[number]).unwrap());
    let mut batch = Batch::new(&socket).unwrap();
    batch.receive(&socket, Wait::ForOne).unwrap();
    batch.answer(|query, out, _| echo(query, out));
    // Nobody can be sent to at port 0: the first, one in between, the last.
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    [0, 4, 8].into_iter().for_each(|number| batch.redirect(number, nowhere));
    assert_eq!(batch.send(&socket), 3);
    for number in [1, 2, 3, 5, 6, 7] {
        assert_eq!(received(&client), [number]);
    }
}

#[test]
fn a_socket_that_keeps_failing_is_given_up() {
    // It has an address, but nothing can ever be received from it.
    let broken = UdpSocket::from(OwnedFd::from(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()));
    let ended = serve(&broken, &AtomicBool::new(false), |_: &mut Batch| panic!("nothing comes"));
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::NotConnected);
}
