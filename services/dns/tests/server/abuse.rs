//! Clients whose addresses may not be theirs: limits of answers, and cookies, which `dig` and `kdig` speak.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use polder_core::dns::message::Message;
use polder_core::dns::wire::encode_query;
use polder_core::dns::{Rcode, RecordType};
use polder_dns::{CookieConfig, DnsConfig, RateConfig};

use super::dig::{ask, ask_at};
use super::forward;
use super::hostile::query;
use super::site::Site;

/// As many answers as one network gets in a second.
const LIMIT: u32 = 20;

/// Nobody is exempt, so that loopback can be tried.
fn limited(slip: u32) -> DnsConfig {
    let rate = RateConfig { positive: LIMIT, negative: LIMIT, errors: LIMIT, slip, exempt: Vec::new() };
    DnsConfig { rate, ..DnsConfig::default() }
}

fn client(site: &Site, address: [u8; 4]) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(IpAddr::from(address), 0)).unwrap();
    socket.connect(site.dns()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn received(socket: &UdpSocket) -> (Vec<u8>, Message) {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("an answer");
    (buffer[..length].to_vec(), Message::read(&buffer[..length]).unwrap())
}

/// A query with a cookie.
fn with_cookie(id: u16, cookie: &[u8]) -> Vec<u8> {
    let mut message = query(id);
    let length = u8::try_from(cookie.len()).unwrap();
    *message.last_mut().unwrap() = length + 4;
    [message, vec![0, 10, 0, length], cookie.to_vec()].concat()
}

/// The whole cookie at the end of an answer.
fn cookie_of(answer: &[u8]) -> Vec<u8> {
    answer[answer.len() - 24..].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the server counts by the real clock")]
async fn a_network_gets_so_many_answers_in_a_second_and_others_get_theirs() {
    let (_folder, site) = Site::shop_with(limited(1)).await;
    let (socket, began) = (client(&site, [127, 0, 5, 1]), Instant::now());
    let (mut whole, mut cut) = (0_u64, 0);
    for id in 0..400 {
        socket.send(&query(id)).unwrap();
        let (_, message) = received(&socket);
        assert_eq!((message.id, message.rcode), (id, Rcode::NoError));
        assert_eq!(message.truncated, message.answer.is_empty());
        if message.truncated { cut += 1 } else { whole += 1 }
    }
    let seconds = began.elapsed().as_secs() + 2;
    assert!(whole >= u64::from(LIMIT) && whole <= u64::from(LIMIT) * seconds, "{whole} of 400 in {seconds} s, {cut} cut short");
    // Another network, and the same by TCP.
    let other = client(&site, [127, 0, 6, 1]);
    other.send(&query(1)).unwrap();
    assert_eq!(received(&other).1.answer.len(), 1);
    let answer = ask("dig", &site, "+tcp -b 127.0.5.1 web.shop.svc.cluster.local A");
    assert!(answer.contains("172.28.0.2"), "{answer}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_the_limit_is_not_sent_and_a_cookie_lifts_it() {
    let (_folder, site) = Site::shop_with(limited(0)).await;
    let socket = client(&site, [127, 0, 5, 1]);
    // More than it gets, whenever its second began, and then from another network.
    (0..400).for_each(|id| _ = socket.send(&query(id)).unwrap());
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut answered = 0;
    while socket.recv(&mut [0; 512]).is_ok() {
        answered += 1;
    }
    assert!((LIMIT..400).contains(&answered), "{answered}");

    let known = client(&site, [127, 0, 7, 1]);
    known.send(&with_cookie(1, b"whatever")).unwrap();
    let cookie = cookie_of(&received(&known).0);
    assert!(cookie.starts_with(b"whatever"));
    for id in 2..300 {
        known.send(&with_cookie(id, &cookie)).unwrap();
        let (bytes, message) = received(&known);
        assert_eq!((message.id, message.answer.len(), cookie_of(&bytes)), (id, 1, cookie.clone()));
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_cookie_that_is_not_good_is_told_so_when_it_is_limited() {
    let (_folder, site) = Site::shop_with(limited(1)).await;
    let socket = client(&site, [127, 0, 5, 1]);
    let told = (0..400).find_map(|id| {
        socket.send(&with_cookie(id, b"whatever")).unwrap();
        Some(received(&socket)).filter(|(_, message)| message.rcode != Rcode::NoError)
    });
    let (bytes, message) = told.expect("a limit");
    assert_eq!((message.rcode, message.answer.len()), (Rcode::BadCookie, 0));
    socket.send(&with_cookie(999, &cookie_of(&bytes))).unwrap();
    assert_eq!(received(&socket).1.answer.len(), 1);
    // Errors are limited by themselves.
    let refused = encode_query(5, &"www.example.com".parse().unwrap(), RecordType::A);
    socket.send(&refused).unwrap();
    assert_eq!(received(&socket).1.rcode, Rcode::Refused);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_others_have_the_cookie_too() {
    let (_folder, site, _upstream) = forward::shop(|upstream| forward::asking(&[upstream])).await;
    let mut cookie = None;
    // Asked for, then kept; learned, then returned.
    for transport in ["+notcp", "+notcp", "+tcp"] {
        let with = cookie.as_ref().map(|cookie| format!("={cookie}")).unwrap_or_default();
        let answer = ask("dig", &site, &format!("+cookie{with} {transport} www.example A"));
        assert!(answer.contains("status: NOERROR") && answer.contains("ANSWER: "), "{answer}");
        let given = shown(&answer);
        assert_eq!(cookie.get_or_insert_with(|| given.clone()), &given);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_ask_for_nothing_but_a_cookie() {
    let (_folder, site) = Site::shop_with(DnsConfig::default()).await;
    for transport in ["+notcp", "+tcp"] {
        let answer = ask("dig", &site, &format!("+header-only +cookie {transport}"));
        assert!(answer.contains("status: NOERROR") && answer.contains("QUERY: 0, ANSWER: 0"), "{answer}");
        // It is good, and another is not; who does not speak of cookies has to ask something.
        let cookie = shown(&answer);
        let again = ask("dig", &site, &format!("+header-only +cookie={cookie} {transport}"));
        assert!(again.contains("status: NOERROR") && shown(&again) == cookie, "{again}");
        let other = format!("{}{:08x}", &cookie[..40], !u32::from_str_radix(&cookie[40..], 16).unwrap());
        let refused = ask("dig", &site, &format!("+header-only +nobadcookie +cookie={other} {transport}"));
        assert!(refused.contains("status: BADCOOKIE"), "{refused}");
        let refused = ask("dig", &site, &format!("+header-only +nocookie {transport}"));
        assert!(refused.contains("status: FORMERR"), "{refused}");
    }
    site.stop().await;
}

/// The cookie that dig shows, when it finds it good.
fn shown(answer: &str) -> String {
    let line = answer.lines().find(|line| line.contains("COOKIE: ")).unwrap_or_else(|| panic!("no cookie\n{answer}"));
    assert!(line.ends_with("(good)"), "{answer}");
    line.split_whitespace().nth(2).unwrap().to_owned()
}

fn with_secret(file: &Path) -> DnsConfig {
    DnsConfig { cookies: CookieConfig { secret_file: file.to_owned(), require: true }, ..DnsConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_and_kdig_find_the_cookies_good_at_every_server_with_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "e5e973e5a6b2a43f48e7dc849e37bfcf\n").unwrap();
    let (_one, first) = Site::shop_with(with_secret(&file)).await;
    let (_two, second) = Site::shop_with(with_secret(&file)).await;
    // It is told BADCOOKIE at first, and comes back by itself.
    let answer = ask("dig", &first, "+cookie web.shop.svc.cluster.local A");
    assert!(answer.contains("172.28.0.2") && answer.contains("BADCOOKIE, retrying"), "{answer}");
    let cookie = shown(&answer);
    assert_eq!(cookie.len(), 48, "{cookie}");
    for site in [&first, &second] {
        for transport in ["+notcp", "+tcp"] {
            let again = ask("dig", site, &format!("+cookie={cookie} {transport} web.shop.svc.cluster.local A"));
            assert!(again.contains("172.28.0.2") && !again.contains("BADCOOKIE"), "{again}");
            assert_eq!(shown(&again), cookie);
        }
    }
    let answer = ask_at("kdig", first.dns(), "+cookie +badcookie web.shop.svc.cluster.local A");
    assert!(answer.contains("172.28.0.2") && answer.contains("COOKIE"), "{answer}");
    // Who does not speak of cookies is answered.
    let answer = ask("dig", &first, "+nocookie web.shop.svc.cluster.local A");
    assert!(answer.contains("172.28.0.2") && !answer.contains("COOKIE"), "{answer}");
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_secret_does_not_start() {
    let missing = with_secret(Path::new("/nothing/secret"));
    let process = polder_runtime::process::Process::new(super::site::PROGRAM, polder_runtime::config::ProcessConfig::default());
    let (_store, store) = polder_store::testing::embedded();
    let refused = polder_dns::build(&missing, store, &process.unwrap()).unwrap_err();
    assert!(refused.to_string().contains("/nothing/secret"), "{refused}");
}
