//! Every case of the benchmark, briefly: that it works, and that group commit is real.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where its expectation does")]

use std::time::Duration;

use clap::Parser as _;
use polder_bench::bed::Engine;
use polder_bench::load::Window;
use polder_bench::options::Options;
use polder_bench::report::Case;
use polder_bench::{echo, peer, raw, run, service};

const WINDOW: Window = Window { warm_up: Duration::from_millis(200), measured: Duration::from_millis(600) };
const CALLERS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_are_measured() {
    for measured in [
        echo::bare(CALLERS, WINDOW).await.unwrap(),
        echo::behind_the_stack(CALLERS, WINDOW, false).await.unwrap(),
        echo::behind_the_stack(CALLERS, WINDOW, true).await.unwrap(),
        raw::measure(Engine::Etcd, CALLERS, WINDOW).await.unwrap(),
        raw::measure(Engine::Embedded, CALLERS, WINDOW).await.unwrap(),
        peer::whole_prefix(CALLERS, WINDOW).await.unwrap(),
    ] {
        assert!(measured.per_second() > 0.0 && measured.millis(0.99) >= measured.millis(0.5), "{measured:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_a_transaction() {
    for engine in [Engine::Etcd, Engine::Embedded] {
        for local in [false, true] {
            // It verifies by itself that no address was given twice and none was lost.
            let [allocated, released] = service(engine, CALLERS, WINDOW, local).await.unwrap();
            for row in [allocated, released] {
                let trips = row.trips.as_ref().unwrap();
                assert!(trips.calls_per_trip > 4.0, "{CALLERS} callers must share transactions: {row:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_cases_named_are_run() {
    let words = "control_plane --seconds 0.2 --warm-up 0.1 --callers 8 --stores embedded --cases release-locally,echo";
    let options = Options::try_parse_from(words.split(' ')).unwrap();
    let report = run(&options, |_| {}).await.unwrap();
    let cases: Vec<Case> = report.rows.iter().map(|row| row.case).collect();
    assert_eq!(cases, [Case::Echo, Case::ReleaseLocally]);
}
