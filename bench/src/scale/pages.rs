//! Pages of a long list, by filters with and without an index, beside a bare echo of the same minutes.

use std::time::Duration;

use polder_proto::ipam::v1::ListAllocationsRequest;
use polder_proto::ipam::v1::allocation_service_client::AllocationServiceClient;
use polder_runtime::link::Link;
use polder_runtime::tasks::Failure;

use super::Figure;
use crate::bed::Engine;
use crate::echo;
use crate::fill::{Fill, Given};
use crate::load::{Caller, Window, drive};
use crate::site::POD_POOL;
use crate::workload::node;

const WINDOW: Window = Window { warm_up: Duration::from_millis(200), measured: Duration::from_millis(1500) };
/// Allocations on a page.
const PAGE: u32 = 100;

/// Measures pages of 100 by one caller, who turns them from the first to the last and begins again.
///
/// # Errors
/// A list that does not have what it should have.
pub(super) async fn measure(
    link: &Link,
    engine: Engine,
    fill: &Fill,
    given: &[Given],
    take: &mut impl FnMut(Figure),
) -> Result<(), Failure> {
    let echo = echo::bare(1, WINDOW).await?.millis(0.5);
    take(Figure::new(engine, "bare echo, p50", echo, "ms"));
    let (handle, address) = given.get(given.len() / 2).ok_or("nothing was allocated")?;
    let (count, nodes) = (fill.count, fill.nodes as u64);
    // The nodes' own addresses are allocations too.
    for (what, filter, expected) in [
        ("every allocation", String::new(), count + nodes),
        ("by node", format!("node={}", node(0)), count.div_ceil(nodes) + 1),
        (
            "by node or node",
            format!("node={} OR node={}", node(0), node(1)),
            count.div_ceil(nodes) + (count - 1).div_ceil(nodes) + 2,
        ),
        ("by pool", format!("pool={POD_POOL}"), count),
        ("by pool and node", format!("pool={POD_POOL} node={}", node(0)), count.div_ceil(nodes)),
        ("by handle", format!("handle=\"{handle}\""), 1),
        ("by address", format!("address={address}"), 1),
        ("by label, without an index", "labels.app=web-7".to_owned(), count / 50 + u64::from(count % 50 > 7)),
        ("by a label that nobody has, without an index", "labels.app=none".to_owned(), 0),
    ] {
        let caller = Reading {
            client: AllocationServiceClient::new(link.clone()),
            request: ListAllocationsRequest { page_size: PAGE, filter, ..Default::default() },
            so_far: 0,
            expected,
        };
        let (measured, _) = drive(vec![caller], WINDOW).await?;
        let p50 = measured.millis(0.5);
        take(Figure::new(engine, format!("a page {what}, p50"), p50, "ms"));
        take(Figure::new(engine, format!("a page {what}, p99"), measured.millis(0.99), "ms"));
        take(Figure::new(engine, format!("a page {what}, x echo"), p50 / echo, "times"));
    }
    Ok(())
}

struct Reading {
    client: AllocationServiceClient<Link>,
    request: ListAllocationsRequest,
    so_far: u64,
    expected: u64,
}

impl Caller for Reading {
    async fn call(&mut self) -> Result<bool, Failure> {
        let page = self.client.list_allocations(self.request.clone()).await?.into_inner();
        self.so_far += page.allocations.len() as u64;
        self.request.page_token = page.next_page_token;
        if self.request.page_token.is_empty() {
            if self.so_far != self.expected {
                let (filter, found) = (&self.request.filter, self.so_far);
                return Err(format!("`{filter}` should list {} allocations, it lists {found}", self.expected).into());
            }
            self.so_far = 0;
        }
        Ok(true)
    }
}
