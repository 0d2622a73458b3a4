//! What happens to every call, over a socket and in process alike.

use std::time::Duration;

use polder_core::reason::Reason;
use polder_runtime::context::ACTOR_HEADER;
use polder_runtime::status::decode;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::echo::{SOON, Served, Text, call, config, listen, say, say_request};

#[tokio::test]
async fn the_handler_knows_who_calls() {
    let served = Served::with(config()).await;
    for link in served.links() {
        let mut request = Request::new(Text::of("hello"));
        request.metadata_mut().insert(ACTOR_HEADER, "alice".parse().unwrap());
        let answer = say_request(&link, request).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.actor.as_str()), ("hello", "alice"), "{link:?}");
        assert_eq!(say(&link, Text::of("hello")).await.unwrap().actor, "anonymous", "{link:?}");
    }
}

#[tokio::test]
async fn a_refusal_arrives_whole() {
    let served = Served::with(config()).await;
    for link in served.links() {
        let status = say(&link, Text::of("refuse")).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{link:?}");
        let refusal = decode(&status);
        assert_eq!(refusal.reason, Reason::PoolNotFound, "{link:?}");
        assert_eq!(refusal.resource, Some(("pool".into(), "external".into())), "{link:?}");
    }
}

#[tokio::test]
async fn the_deadline_ends_the_handler_too() {
    let served = Served::with(config()).await;
    for link in served.links() {
        let mut request = Request::new(Text::of("hang"));
        request.set_timeout(Duration::from_millis(100));
        let status = tokio::time::timeout(SOON, say_request(&link, request)).await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{link:?}: {status}");
        assert_eq!(decode(&status).reason, Reason::OutcomeUnknown, "{link:?}");
        served.echo.hanging(0).await;
    }
}

#[tokio::test]
async fn the_deadline_ends_a_stream_that_has_begun() {
    let served = Served::with(config()).await;
    for link in served.links() {
        let mut request = Request::new(Text::of("first"));
        request.set_timeout(Duration::from_millis(300));
        let mut stream = listen(&link, request).await.unwrap();
        assert_eq!(stream.message().await.unwrap().unwrap().text, "first", "{link:?}");
        let status = tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{link:?}: {status}");
    }
}

#[tokio::test]
async fn a_panic_is_internal_and_hurts_nobody_else() {
    let served = Served::with(config()).await;
    for link in served.links() {
        let status = say(&link, Text::of("panic")).await.unwrap_err();
        assert_eq!((status.code(), decode(&status).reason), (Code::Internal, Reason::Internal), "{link:?}");
        assert!(!status.message().contains("as told"), "the panic's text is for the log: {status}");
        let mut stream = listen(&link, Request::new(Text::of("panic"))).await.unwrap();
        assert_eq!(stream.message().await.unwrap_err().code(), Code::Internal, "{link:?}");
        assert_eq!(say(&link, Text::of("still here")).await.unwrap().text, "still here", "{link:?}");
    }
}

#[tokio::test]
async fn a_message_of_ten_mebibytes_is_refused_with_a_reason() {
    let served = Served::with(config()).await;
    let name = "n".repeat(10 << 20);
    for link in served.links() {
        for _ in 0..3 {
            let status = say(&link, Text::of(&name)).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{link:?}: {status}");
            let refusal = decode(&status);
            assert_eq!(refusal.reason, Reason::RequestTooLarge, "{link:?}");
            assert_eq!(refusal.metadata["limit"], (4 << 20).to_string(), "{link:?}");
        }
        assert_eq!(say(&link, Text::of("small")).await.unwrap().text, "small", "{link:?}");
    }
}

#[tokio::test]
async fn above_the_bound_calls_are_refused_at_once_but_probes_are_not() {
    let mut config = config();
    config.limits.calls = 1;
    let served = Served::with(config).await;
    for link in served.links() {
        let second = async {
            served.echo.hanging(1).await;
            let status = say(&link, Text::of("too many")).await.unwrap_err();
            assert_eq!(status.code(), Code::ResourceExhausted, "{link:?}: {status}");
            let refusal = decode(&status);
            assert_eq!(refusal.reason, Reason::Overloaded, "{link:?}");
            assert!(refusal.retry_after.is_some(), "{link:?}");
            HealthClient::new(served.remote.clone()).check(HealthCheckRequest::default()).await.unwrap();
            served.echo.release();
        };
        let (first, ()) = tokio::join!(say(&link, Text::of("hang")), second);
        assert_eq!(first.unwrap().text, "hang", "{link:?}");
    }
}

#[tokio::test]
async fn an_open_stream_does_not_use_up_the_calls() {
    let mut config = config();
    config.limits.calls = 1;
    config.limits.streams = 2;
    for way in [0, 1] {
        let served = Served::with(config.clone()).await;
        let link = &served.links()[way];
        let mut stream = listen(link, Request::new(Text::of("open"))).await.unwrap();
        stream.message().await.unwrap();
        say(link, Text::of("fits")).await.unwrap();
        let _second = listen(link, Request::new(Text::of("open"))).await.unwrap();
        let status = say(link, Text::of("full")).await.unwrap_err();
        assert_eq!(decode(&status).reason, Reason::Overloaded, "{link:?}");
    }
}

#[tokio::test]
async fn a_method_that_does_not_exist_has_a_reason() {
    let served = Served::with(config()).await;
    for link in served.links() {
        for path in ["/polder.test.v1.EchoService/Nothing", "/polder.test.v1.NothingService/Say"] {
            let status = call(&link, Request::new(Text::default()), path).await.unwrap_err();
            assert_eq!((status.code(), decode(&status).reason), (Code::Unimplemented, Reason::NotImplemented), "{link:?} {path}");
        }
    }
}
