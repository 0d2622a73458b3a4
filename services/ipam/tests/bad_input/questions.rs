//! Questions: what is read, listed and watched.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, number, refused, table, text};
use serde_json::json;
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

const NOBODY: &str = "0123456789abcdef0123456789abcdef";

fn get(method: &'static str, name: &str, reason: Reason) -> Table {
    let unknown = refused("name", text("nobody"), Code::NotFound, reason);
    table(method, json!({"name": name}), [required_names("name"), vec![unknown]])
}

fn watch(method: &'static str) -> Table {
    // A replica that lags behind may not have it yet: it waits, and says so.
    let ahead = refused("start_revision", number(u64::MAX), Code::Unavailable, Reason::StoreUnavailable);
    table(method, json!({}), [filters(), vec![ahead]])
}

pub(crate) fn tables(known: &Known) -> Vec<Table> {
    let pools = [known.pools_token.as_str()];
    let allocations = [known.allocations_token.as_str(), known.history_token.as_str()];
    let all = || pools.iter().chain(&allocations).copied();
    vec![
        get("NamespaceService/GetNamespace", "shop", Reason::NamespaceNotFound),
        get("PoolService/GetPool", "own", Reason::PoolNotFound),
        get("PoolService/GetReservation", "kept", Reason::ReservationNotFound),
        get("NodeService/GetNode", "node-a", Reason::NodeNotFound),
        get("PoolService/GetPoolUsage", "own", Reason::PoolNotFound),
        table(
            "PoolService/GetPoolUsage",
            json!({"name": "own"}),
            [vec![bad("limit", number(1001), Reason::CountOutOfBounds), good("limit", number(1000))]],
        ),
        table(
            "AllocationService/GetAllocation",
            json!({"uid": known.pod}),
            [
                uids("uid"),
                vec![
                    bad("uid", text(""), Reason::FieldRequired),
                    refused("uid", text(NOBODY), Code::NotFound, Reason::AllocationNotFound),
                ],
            ],
        ),
        table(
            "AllocationService/GetAllocation",
            json!({"handle": "p0"}),
            [
                handles("handle"),
                vec![
                    bad("handle", text(""), Reason::FieldRequired).naming("uid"),
                    refused("handle", text("nobody"), Code::NotFound, Reason::AllocationNotFound),
                ],
            ],
        ),
        table("NamespaceService/ListNamespaces", json!({}), [tokens(all()), pages()]),
        table("NodeService/ListNodes", json!({}), [tokens(all()), pages()]),
        table("PoolService/ListReservations", json!({}), [tokens(all()), pages()]),
        table("PoolService/ListPools", json!({}), [tokens(allocations), pages(), vec![good("page_token", text(pools[0]))]]),
        // The same list, asked for otherwise: its token is not that of this one.
        table("PoolService/ListPools", json!({"filter": "name:o"}), [tokens(pools)]),
        table(
            "AllocationService/ListAllocations",
            json!({"selector": a_selector()}),
            [tokens(all()), pages(), dns_labels("namespace"), selectors("selector")],
        ),
        table("AllocationService/ListAllocations", json!({"namespace": "shop"}), [tokens(allocations)]),
        table("AllocationService/ListAllocations", json!({}), [vec![good("page_token", text(known.allocations_token.as_str()))]]),
        watch("PoolService/WatchPools"),
        watch("NodeService/WatchNodes"),
        watch("AllocationService/WatchAllocations"),
        table(
            "AllocationService/LookupAddress",
            json!({"address": known.address}),
            [
                addresses("address"),
                vec![bad("address", text(""), Reason::AddressMalformed)],
                times("at"),
                vec![refused("at", To::Time(1, 0), Code::OutOfRange, Reason::ResumeTokenCompacted)],
            ],
        ),
    ]
    .into_iter()
    .chain(history(known))
    .collect()
}

fn history(known: &Known) -> Vec<Table> {
    let method = "AllocationService/ListAddressHistory";
    let all = [known.pools_token.as_str(), known.allocations_token.as_str()];
    let whole = json!({"address": known.address});
    let mut since = whole.clone();
    since["startTime"] = "2020-01-01T00:00:00Z".into();
    let backwards: Vec<Row> = vec![
        bad("end_time", To::Time(1_577_836_799, 0), Reason::RangeReversed),
        good("end_time", To::Time(253_402_300_799, 999_999_999)),
    ];
    vec![
        table(
            method,
            whole,
            [
                addresses("address"),
                tokens(all),
                pages().into_iter().filter(|row| row.field != "filter").collect(),
                filters(),
                times("start_time"),
                times("end_time"),
                vec![good("page_token", text(known.history_token.as_str()))],
            ],
        ),
        table(method, since, [tokens([known.history_token.as_str()]), backwards]),
    ]
}

#[tokio::test]
async fn bad_questions_are_refused() {
    judged(tables).await;
}
