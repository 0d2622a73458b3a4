//! Upstreams that do not answer, that ask us, and too many questions.

use std::net::UdpSocket;
use std::time::Duration;

use polder_core::dns::RecordType;
use polder_core::dns::message::Message;
use polder_core::dns::wire::{Rcode, encode_query};
use polder_proto::dns::v1::{AnswerSource, ResolverSettings};

use super::super::dig::{ask, short};
use super::super::site::Site;
use super::upstream::Upstream;
use super::{asking, metric, resolve, set, shop, until};

fn socket(site: &Site) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(site.dns()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn send(socket: &UdpSocket, id: u16, name: &str) {
    socket.send(&encode_query(id, &name.parse().unwrap(), RecordType::A)).unwrap();
}

fn next(socket: &UdpSocket) -> Message {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    Message::read(&buffer[..length]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn own_names_never_wait_for_upstreams() {
    let (_folder, site, _upstream) =
        shop(|upstream| ResolverSettings { timeout_milliseconds: Some(5000), tries: Some(5), ..asking(&[upstream]) }).await;
    let socket = socket(&site);
    (0..500).for_each(|id| send(&socket, id, &format!("never-{id}.example.com")));
    until(&site, "polder_dns_forward_in_flight", 500).await;
    for id in 1000..1100 {
        send(&socket, id, "web.shop.svc.cluster.local");
        // Nothing of what was asked before has been answered.
        assert_eq!(next(&socket).id, id);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_questions_are_asked_once() {
    let (_folder, site, upstream) = shop(|upstream| asking(&[upstream])).await;
    let socket = socket(&site);
    // The first packet is lost: all come in before there is an answer, or find it kept.
    (0..50).for_each(|id| send(&socket, id, "lost.example.com"));
    let mut ids: Vec<u16> =
        (0..50).map(|_| next(&socket)).inspect(|answer| assert_eq!(answer.answer.len(), 1)).map(|answer| answer.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..50).collect::<Vec<u16>>());
    assert_eq!(upstream.asked("lost.example.com."), (2, 0));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_questions_fail_at_once() {
    let settings =
        |upstream: &Upstream| ResolverSettings { max_in_flight: Some(2), timeout_milliseconds: Some(5000), ..asking(&[upstream]) };
    let (_folder, site, _upstream) = shop(settings).await;
    let socket = socket(&site);
    (0..2).for_each(|id| send(&socket, id, &format!("never-{id}.example.com")));
    until(&site, "polder_dns_forward_in_flight", 2).await;
    send(&socket, 9, "www.example.com");
    let answer = next(&socket);
    assert_eq!((answer.id, answer.rcode), (9, Rcode::ServFail));
    assert_eq!(metric(&site, "polder_dns_forward_max_concurrent_rejects_total"), 1);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_clients_wait_than_there_is_room_for() {
    let settings = |upstream: &Upstream| ResolverSettings {
        max_in_flight: Some(1),
        timeout_milliseconds: Some(5000),
        tries: Some(5),
        ..asking(&[upstream])
    };
    let (_folder, site, upstream) = shop(settings).await;
    let socket = socket(&site);
    (0..20).for_each(|id| send(&socket, id, "never.example.com"));
    // Four wait for what does not come.
    for _ in 0..16 {
        assert_eq!(next(&socket).rcode, Rcode::ServFail);
    }
    assert!(upstream.asked("never.example.com.").0 <= 1);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_upstreams_gone_what_was_kept_is_given() {
    let (_folder, site, upstream) = shop(|upstream| ResolverSettings { prefetch_hits: Some(0), ..asking(&[upstream]) }).await;
    assert_eq!(short(&site, "short.example.com A"), ["192.0.2.1"]);
    upstream.silence(true);
    let stale = loop {
        let answer = resolve(&site, "short.example.com").await.unwrap();
        if answer.source() == AnswerSource::Stale {
            break answer;
        }
    };
    assert_eq!((stale.rcode.as_str(), stale.answers[0].data.as_str()), ("NOERROR", "192.0.2.1"));
    assert!(stale.age.unwrap().seconds >= 1);
    let answer = ask("dig", &site, "short.example.com A");
    assert!(answer.contains("EDE: 3") && answer.contains("192.0.2.1"), "{answer}");
    let answer = ask("dig", &site, "www.example.com A");
    assert!(answer.contains("SERVFAIL") && answer.contains("EDE: 22"), "{answer}");
    assert_eq!(short(&site, "web.shop.svc.cluster.local A"), ["172.28.0.2"]);
    upstream.silence(false);
    // The failure is remembered for seconds, then the upstream is asked again.
    while short(&site, "www.example.com A") != ["192.0.2.1"] {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_asked_when_the_first_does_not_answer() {
    let (first, second) = (Upstream::start(), Upstream::start());
    let (_folder, site) = Site::shop().await;
    set(&site, asking(&[&first, &second])).await;
    assert_eq!(short(&site, "www.example.com A"), ["192.0.2.1"]);
    assert_eq!((first.asked("www.example.com."), second.asked("www.example.com.")), ((1, 0), (0, 0)));
    first.silence(true);
    for number in 0..2 {
        assert_eq!(short(&site, &format!("a-{number}.example.com A")), ["192.0.2.1"]);
    }
    // Two failures in a row: it is asked last from now on, and looked at until it answers.
    assert_eq!(short(&site, "a-9.example.com A"), ["192.0.2.1"]);
    assert_eq!(first.asked("a-9.example.com."), (0, 0));
    first.silence(false);
    let mut number = 10;
    while first.asked(&format!("a-{number}.example.com.")) == (0, 0) {
        number += 1;
        assert_eq!(short(&site, &format!("a-{number}.example.com A")), ["192.0.2.1"]);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_asks_us_is_found_and_not_asked() {
    let (_folder, site) = Site::shop().await;
    let own = site.dns().to_string();
    let settings =
        ResolverSettings { upstreams: vec![own.clone()], timeout_milliseconds: Some(300), ..ResolverSettings::default() };
    set(&site, settings).await;
    until(&site, &format!("polder_dns_forward_looped{{to=\"{own}\"}}"), 1).await;
    let requests = format!("polder_dns_forward_requests_total{{to=\"{own}\"}}");
    assert!(ask("dig", &site, "www.example.com A").contains("SERVFAIL"));
    let before = metric(&site, &requests);
    for number in 0..20 {
        assert!(ask("dig", &site, &format!("a-{number}.example.com A")).contains("SERVFAIL"));
    }
    // Only probes, one a second at most.
    assert!(metric(&site, &requests) < before + 20);
    site.stop().await;
}
