//! A pool to its last address, under many callers: see [`polder_bench::scale::full_pool`], which counts everything by itself.

#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

use polder_bench::bed::Engine;
use polder_bench::scale::full_pool::{Plan, measure};

/// A /16 is a matter of seconds in a release build. A debug build takes far longer for the same, so it fills a /20.
const POOL: &str = if cfg!(debug_assertions) { "10.9.0.0/20" } else { "10.9.0.0/16" };

async fn is_filled_twice(engine: Engine) {
    let plan = Plan { engine, pool: POOL.parse().unwrap(), nodes: 20, callers: 64, wait_for_blocks: false };
    let mut figures = Vec::new();
    measure(&plan, &mut |figure| figures.push(figure.what)).await.unwrap();
    for phase in ["fill 1", "emptying 1", "fill 2", "emptying 2"] {
        assert!(figures.iter().any(|what| what.starts_with(phase)), "{phase}: {figures:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_on_etcd_is_filled_to_the_last_address_twice() {
    is_filled_twice(Engine::Etcd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_on_the_embedded_store_is_filled_to_the_last_address_twice() {
    is_filled_twice(Engine::Embedded).await;
}
