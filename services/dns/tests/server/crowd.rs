//! More connections than there is room for, and clients that hold theirs: everybody else is served. The server of these tests takes
//! four at the same time.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use polder_dns::DnsConfig;
use polder_runtime::config::Period;
use tokio::net::TcpSocket;

use super::hostile::{connect, converse, framed, query};
use super::site::Site;

const PATIENCE: Duration = Duration::from_secs(10);

/// A connection from an address of this machine: every one is in a network of its own.
async fn connect_from(site: &Site, client: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::from(client), 0)).unwrap();
    let stream = socket.connect(site.dns()).await.unwrap().into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, id: u16) {
    stream.write_all(&framed(&query(id))).unwrap();
    assert_eq!(converse(stream).id, id);
}

/// Waits until the server has closed it.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_takes_the_place_of_the_longest_idle_one() {
    let (_folder, site) = Site::shop().await;
    let mut taken: Vec<TcpStream> = (0..4).map(|_| connect(&site)).collect();
    (1..).zip(&mut taken).for_each(|(id, stream)| ask(stream, id));
    ask(&mut taken[0], 9);
    let mut fifth = connect(&site);
    ask(&mut fifth, 5);
    assert!(is_closed(&mut taken[1]), "it has done nothing for longest");
    for stream in [0, 2, 3] {
        ask(&mut taken[stream], 7);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_clients_has_its_share_and_no_more() {
    let config = DnsConfig { tcp_client_connections: 2, ..DnsConfig::default() };
    let (_folder, site) = Site::shop_with(config).await;
    let mut other = connect_from(&site, [127, 0, 9, 1]).await;
    ask(&mut other, 1);
    let mut greedy = Vec::new();
    for last in 1..=8 {
        let mut stream = connect_from(&site, [127, 0, 3, last]).await;
        // It is closed at once when its network has only connections that were used a moment ago.
        if stream.write_all(&framed(&query(2))).is_ok() && stream.read(&mut [0; 512]).is_ok_and(|read| read > 0) {
            greedy.push(stream);
        }
    }
    assert_eq!(greedy.len(), 2);
    ask(&mut other, 3);
    let mut late = connect_from(&site, [127, 0, 5, 1]).await;
    ask(&mut late, 4);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hold_their_connections_are_cut_and_keep_nobody_out() {
    let idle = Period(Duration::from_millis(400));
    let (_folder, site) = Site::shop_with(DnsConfig { tcp_idle: idle, tcp_client_connections: 3, ..DnsConfig::default() }).await;
    let begun = framed(&query(1));
    // One says nothing, one a length, one half of a query; a fourth of their network finds no room.
    let mut held = Vec::new();
    for said in [0, 2, begun.len() / 2] {
        let mut stream = connect_from(&site, [127, 0, 7, 1]).await;
        stream.write_all(&begun[..said]).unwrap();
        held.push(stream);
    }
    let mut honest = connect_from(&site, [127, 0, 8, 1]).await;
    ask(&mut honest, 2);
    assert!(held.iter_mut().all(is_closed));
    // One that never reads what it asks for: the server stops reading, then closes. Both pipes fill first.
    let mut deaf = connect_from(&site, [127, 0, 7, 1]).await;
    deaf.set_write_timeout(Some(PATIENCE)).unwrap();
    let ahead = framed(&query(1)).repeat(1000);
    let ended = loop {
        if let Err(error) = deaf.write_all(&ahead) {
            break error;
        }
    };
    assert!(!matches!(ended.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{ended}");
    site.stop().await;
}
