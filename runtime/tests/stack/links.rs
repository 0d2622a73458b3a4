//! Links to several replicas.

use polder_core::reason::Reason;
use polder_runtime::link::{Link, LinkError};
use polder_runtime::status::decode;
use tonic::Code;

use super::echo::{Echo, Served, Text, config, say, uri};

async fn stop(served: Served) {
    served.running.stop_token().cancel();
    served.running.wait().await.unwrap();
}

#[tokio::test]
async fn no_call_fails_when_one_of_two_replicas_goes() {
    let (first, second) = (Served::with(config()).await, Served::with(config()).await);
    let link = Link::remote(&[uri(&first.running), uri(&second.running)], None).unwrap();
    for n in 0..20 {
        say(&link, Text::of(&n.to_string())).await.unwrap();
    }
    stop(first).await;
    for n in 0..20 {
        say(&link, Text::of(&n.to_string())).await.unwrap();
    }
    stop(second).await;
    let status = say(&link, Text::of("anybody?")).await.unwrap_err();
    assert_eq!((status.code(), decode(&status).reason), (Code::Unavailable, Reason::PeerUnavailable), "{status}");
    assert!(decode(&status).retry_after.is_some());
}

#[tokio::test]
async fn a_link_finds_a_replica_that_comes_back() {
    let served = Served::with(config()).await;
    let address = served.running.addresses().grpc.unwrap();
    let link = served.remote.clone();
    say(&link, Text::of("before")).await.unwrap();
    stop(served).await;
    assert_eq!(say(&link, Text::of("between")).await.unwrap_err().code(), Code::Unavailable);
    let mut config = config();
    config.grpc_listen = Some(address);
    let _again = Served::with(config).await;
    assert_eq!(say(&link, Text::of("after")).await.unwrap().text, "after");
}

#[tokio::test]
async fn a_replica_that_never_was_is_passed_over() {
    let served = Served::with(config()).await;
    // Bound and dropped: nobody listens there now.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let link = Link::remote(&[format!("http://{gone}"), uri(&served.running)], None).unwrap();
    for _ in 0..10 {
        say(&link, Text::of("hello")).await.unwrap();
    }
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_refused() {
    assert_eq!(Link::remote::<&str>(&[], None).unwrap_err(), LinkError::NoAddress);
    for uri in ["ftp://a:1", "127.0.0.1:7661", "", "https://a:1"] {
        let error = Link::remote(&[uri], None).unwrap_err();
        assert!(matches!(&error, LinkError::BadAddress { uri: named, .. } if named == uri), "{error}");
    }
}

#[tokio::test]
async fn a_local_link_serves_many_callers_at_once() {
    let served = Served::with(config()).await;
    let calls = (0..256).map(|n| {
        let link = served.local.clone();
        async move { say(&link, Text::of(&n.to_string())).await.unwrap().text }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().enumerate().all(|(n, text)| *text == n.to_string()));
}

#[tokio::test]
async fn one_echo_reaches_the_next_over_a_link() {
    let last = Served::with(config()).await;
    let first = Served::start(config(), Echo::before(last.remote.clone()), |component| component).await;
    assert_eq!(say(&first.remote, Text::of("forward")).await.unwrap().text, "forwarded");
}
