//! The benchmark of the name server, briefly and without peers: the real binaries, the client, and what is made of both.

#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

use clap::Parser as _;
use polder_bench::dns::{Kind, Mix, Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn queries_and_changes_are_measured() {
    let words = "dns --services 50 --servers polder,echo --mixes mixed --rounds 1 --seconds 1 --changes 5";
    let mut lines = Vec::new();
    let report = run(&Options::try_parse_from(words.split(' ')).unwrap(), |line| lines.push(line.to_string())).await.unwrap();
    let rows: Vec<(Kind, Mix)> = report.rows.iter().map(|row| (row.server, row.mix)).collect();
    assert_eq!(rows, [(Kind::Polder, Mix::Mixed), (Kind::Echo, Mix::Mixed)]);
    for row in &report.rows {
        assert!(row.cpu_us.median > 0.0 && row.per_second.median > 0.0 && row.latency.p50_us <= row.latency.p999_us, "{row:?}");
    }
    let (polder, echo) = (&report.rows[0], &report.rows[1]);
    assert!(polder.of_polder.is_none() && polder.pss_mib > Some(0.0));
    assert!(echo.of_polder.is_some() && echo.pss_mib.is_none());
    for what in [
        "from the store, start to SERVING",
        "from its file, PSS of each",
        "asked for until served, p50",
        "answered until served, p99",
    ] {
        assert!(lines.iter().any(|line| line.contains(what)), "{what}: {lines:#?}");
    }
    assert!(report.missing.is_empty());
}
