//! Threads and sockets, which need not be as many.

use super::*;

fn socket(address: SocketAddr) -> Socket {
    Sockets::udp(address).unwrap()
}

#[test]
fn every_socket_has_a_thread_and_every_thread_a_socket() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    for (sockets, threads) in [(4, 4), (4, 1), (1, 4), (3, 7)] {
        let spread = spread((0..sockets).map(|_| socket(any)).collect(), threads);
        assert_eq!(spread.len(), threads.max(sockets));
        let own = spread.iter().enumerate().filter(|(place, udp)| !shares(&spread, *place, udp)).count();
        assert_eq!(own, sockets);
    }
}

#[test]
fn what_is_bound_is_one_address_with_a_socket_for_each_thread() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let opened = Sockets::open(any, 3, &Inheritance::default()).unwrap();
    assert_eq!(opened.udp.len(), 3);
    assert!(opened.udp.iter().all(|udp| udp.local_addr().unwrap() == opened.address));
    assert_eq!(opened.tcp.local_addr().unwrap(), opened.address);
}

#[test]
fn a_passed_socket_of_both_families_is_refused() {
    let both = UdpSocket::bind("[::]:0").unwrap();
    let address = both.local_addr().unwrap();
    let refused = Sockets::complete(address, 1, (vec![both], None)).err().unwrap().to_string();
    assert!(refused.contains("BindIPv6Only"), "{refused}");
    let one = UdpSocket::bind("[::1]:0").unwrap();
    let address = one.local_addr().unwrap();
    assert_eq!(Sockets::complete(address, 2, (vec![one], None)).unwrap().udp.len(), 2);
}
