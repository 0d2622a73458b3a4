//! Conversations that never end by themselves. Time stands still until all wait: an hour passes at once.

use std::net::Ipv4Addr;
use std::path::Path;

use polder_core::dns::wire::encode_query;
use polder_core::dns::{RecordType, Seed, Settings};
use polder_runtime::metrics::Metrics;
use tokio::io::duplex;

use super::*;
use crate::gate;
use crate::metrics::{Labels, PublishMetrics, QueryMetrics};
use crate::resolver::Trust;
use crate::seen::{LogConfig, Seen};

const IDLE: Duration = Duration::from_secs(10);

fn shared() -> Shared {
    let metrics = Metrics::new("test", "0");
    let settings = Settings::new("cluster.local".parse().unwrap(), Seed(1)).unwrap();
    let (resolver, _) = Resolver::new(settings.seed, Trust::open(Path::new("")).unwrap(), &metrics, "dns://127.0.0.1:53");
    let labels = Labels::tcp("127.0.0.1:53".parse().unwrap(), false);
    let lane = QueryMetrics::register(&metrics, settings.zone()).lane(labels, false);
    let names = Arc::new(Names::new(settings, PublishMetrics::register(&metrics)));
    Shared {
        transfers: Arc::new(Transfers::new(Arc::clone(&names), &metrics)),
        names,
        resolver: Arc::new(resolver),
        lane,
        gate: Arc::new(gate::testing::open()),
        eye: Arc::new(Seen::new(Seed(1), LogConfig::default(), &metrics)).eye("tcp"),
        idle: IDLE,
        turn: AtomicU32::new(0),
    }
}

fn framed() -> Vec<u8> {
    let query = encode_query(7, &"web.shop.svc.cluster.local".parse().unwrap(), RecordType::A);
    [&u16::try_from(query.len()).unwrap().to_be_bytes(), query.as_slice()].concat()
}

fn visit(idle: Arc<Idle>) -> Visit {
    let closing = Closing { begun: CancellationToken::new(), grace: Duration::from_secs(1), cut: CancellationToken::new() };
    Visit { client: Ipv4Addr::LOCALHOST.into(), idle, closing }
}

/// How long the server bears with a client.
async fn borne(client: impl AsyncFnOnce(tokio::io::DuplexStream)) -> Duration {
    let (ours, theirs) = duplex(64);
    let (shared, idle) = (shared(), Arc::new(Idle::new()));
    let visit = visit(Arc::clone(&idle));
    let began = clock::monotonic();
    let served = async {
        assert!(converse(ours, &shared, &visit).await.is_err(), "it was cut");
        assert!(idle.lasts().is_some());
        began.elapsed()
    };
    tokio::join!(served, client(theirs)).0
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_a_byte_a_second_is_cut() {
    let slowly = async |mut client: tokio::io::DuplexStream| {
        for byte in framed() {
            if client.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
        panic!("it could say all of it");
    };
    assert!(borne(slowly).await <= 2 * IDLE);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_a_length_and_no_more_is_cut() {
    for said in [&[0_u8][..], &[0xff], &[0xff, 0xff], &[0xff, 0xff, 0]] {
        let silent = async |mut client: tokio::io::DuplexStream| {
            client.write_all(said).await.unwrap();
            client.read_u8().await.unwrap_err();
        };
        assert!(borne(silent).await <= 2 * IDLE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_cut_and_what_it_sends_ahead_stays_with_it() {
    let mut sent = 0;
    let deaf = async |mut client: tokio::io::DuplexStream| {
        while client.write_all(&framed()).await.is_ok() {
            sent += 1;
        }
    };
    assert!(borne(deaf).await <= 2 * IDLE);
    // What the pipe and the buffer of one connection hold.
    assert!(sent < 300, "{sent}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_an_answer_byte_by_byte_is_cut() {
    let slowly = async |mut client: tokio::io::DuplexStream| {
        client.write_all(&[framed(), framed()].concat()).await.unwrap();
        while client.read_u8().await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    assert!(borne(slowly).await <= 2 * IDLE);
}

#[tokio::test(start_paused = true)]
async fn a_client_may_ask_on_when_the_server_ends_until_it_has_nothing_to_ask() {
    let (ours, mut theirs) = duplex(64);
    let (shared, visit) = (shared(), visit(Arc::new(Idle::new())));
    let began = clock::monotonic();
    let client = async {
        visit.closing.begun.cancel();
        for _ in 0..3 {
            sleep(Duration::from_millis(900)).await;
            theirs.write_all(&framed()).await.unwrap();
            let mut answer = vec![0; usize::from(theirs.read_u16().await.unwrap())];
            theirs.read_exact(&mut answer).await.unwrap();
        }
        assert!(theirs.read_u8().await.is_err(), "it is closed");
    };
    let (served, ()) = tokio::join!(converse(ours, &shared, &visit), client);
    served.unwrap();
    assert_eq!(began.elapsed().as_millis(), 3 * 900 + 1000);
}
