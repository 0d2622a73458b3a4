//! Sockets on loopback, passed and asked for.

use std::os::unix::net::UnixListener;

use super::*;

fn tcp() -> (SocketAddr, OwnedFd) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    (tcp.local_addr().unwrap(), tcp.into())
}

fn udp(at: &str) -> (SocketAddr, OwnedFd) {
    let udp = UdpSocket::bind(at).unwrap();
    (udp.local_addr().unwrap(), udp.into())
}

fn passed(socket: OwnedFd) -> Passed {
    Passed::new(socket, "`test`".to_owned()).unwrap()
}

#[test]
fn sockets_are_matched_by_their_kind_and_their_own_address() {
    let ((tcp_at, tcp), (udp_at, one)) = (tcp(), udp("127.0.0.1:0"));
    let (other_at, other) = udp("[::1]:0");
    let inheritance = Inheritance::default();
    inheritance.adopt(Giver::Manager, [tcp, one.try_clone().unwrap(), one, other].map(passed).into());
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], udp_at.port()));
    assert!(inheritance.udp(elsewhere).is_empty());
    assert!(inheritance.tcp(elsewhere).is_none());
    let both = inheritance.udp(udp_at);
    assert_eq!(both.iter().map(|socket| socket.local_addr().unwrap()).collect::<Vec<_>>(), [udp_at; 2]);
    assert!(inheritance.udp(udp_at).is_empty(), "they are given once");
    assert_eq!(inheritance.tcp(tcp_at).unwrap().local_addr().unwrap(), tcp_at);
    let refused = inheritance.all_claimed().unwrap_err().to_string();
    assert!(refused.contains(&format!("UDP {other_at} (`test`)")), "{refused}");
}

#[test]
fn what_the_process_before_served_need_not_be_served_any_more() {
    let inheritance = Inheritance::default();
    inheritance.adopt(Giver::Process, vec![passed(tcp().1)]);
    assert!(inheritance.all_claimed().is_ok());
    assert_eq!(inheritance.from(), Some(Giver::Process));
}

#[test]
fn what_cannot_be_listened_on_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let unix = UnixListener::bind(folder.path().join("socket")).unwrap();
    let (at, _listener) = tcp();
    let connection = std::net::TcpStream::connect(at).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let sockets: [OwnedFd; 3] = [unix.into(), file.into(), connection.into()];
    for (socket, why) in sockets.into_iter().zip(["neither of IPv4", "the system says", "Accept=no"]) {
        let refused = Passed::new(socket, "`odd`".to_owned()).unwrap_err().to_string();
        assert!(refused.contains("`odd`") && refused.contains(why), "{refused}");
    }
}

#[test]
fn copies_are_kept_only_where_somebody_may_want_them() {
    let inheritance = Inheritance::default();
    let (_, socket) = tcp();
    inheritance.keep(&socket).unwrap();
    assert!(inheritance.copies().unwrap().is_empty());
    inheritance.begin_keeping();
    inheritance.keep(&socket).unwrap();
    assert_eq!(inheritance.copies().unwrap().len(), 1);
    inheritance.forget();
    assert!(inheritance.copies().unwrap().is_empty());
}
