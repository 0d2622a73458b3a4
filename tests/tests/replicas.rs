//! Two IPAM replicas on one etcd under concurrent allocation: no address twice, none lost, also when one is killed in the middle.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use polder_proto::ipam::v1::allocation_service_client::AllocationServiceClient;
use polder_proto::ipam::v1::{AllocateAddressesRequest, AllocationSpec, ListAllocationsRequest, Owner, OwnerKind};
use polder_tests::wait::PATIENCE;
use polder_tests::{Shape, Site};
use tonic::transport::{Channel, Endpoint};

const CALLERS: usize = 64;
const EACH: usize = 25;

#[test]
fn sixty_four_callers_on_two_replicas_never_get_one_address_twice() {
    let site = Site::start(Shape::Split);
    prepare(&site);
    let urls: Vec<String> = site.urls("ipam").split(',').map(str::to_owned).collect();
    let got = site.block_on(allocate_all(urls.clone(), Arc::new(AtomicUsize::new(0))));
    check(&site, &urls, &got);
}

#[test]
fn a_replica_killed_in_the_middle_loses_and_doubles_nothing() {
    let mut site = Site::start(Shape::Split);
    prepare(&site);
    let urls: Vec<String> = site.urls("ipam").split(',').map(str::to_owned).collect();
    let done = Arc::new(AtomicUsize::new(0));
    let running = {
        let (urls, done) = (urls.clone(), Arc::clone(&done));
        std::thread::spawn(move || tokio::runtime::Runtime::new().unwrap().block_on(allocate_all(urls, done)))
    };
    polder_tests::eventually("a third of the calls is done", || {
        let count = done.load(Ordering::Relaxed);
        if count > CALLERS * EACH / 3 { Ok(()) } else { Err(count.to_string()) }
    });
    site.kill("ipam", 0);
    let got = running.join().unwrap();
    check(&site, &urls[1..], &got);
}

fn prepare(site: &Site) {
    let text = "apiVersion: polder.dev/v1\nkind: ComputeNetwork\nspec:\n  nodeRange: [10.0.0.10-10.0.0.40]\n  externalRange: [10.0.0.50-10.0.0.60]\n";
    let nodes = (0..8).map(|at| format!("---\napiVersion: polder.dev/v1\nkind: Node\nmetadata: {{name: node-{at}}}\n"));
    let file = site.folder().join("network.yaml");
    std::fs::write(&file, std::iter::once(text.to_owned()).chain(nodes).collect::<String>()).unwrap();
    let _ = site.polder(&["apply", "-f", file.to_str().unwrap()]).ok();
}

fn client(url: &str) -> AllocationServiceClient<Channel> {
    AllocationServiceClient::new(Endpoint::from_shared(url.to_owned()).unwrap().timeout(PATIENCE).connect_lazy())
}

/// Every caller allocates its handles one after the other, asking the replicas in turn, and repeats a call that had no answer.
async fn allocate_all(urls: Vec<String>, done: Arc<AtomicUsize>) -> BTreeMap<String, Vec<String>> {
    let callers = (0..CALLERS).map(|caller| {
        let (urls, done) = (urls.clone(), Arc::clone(&done));
        async move {
            let mut got = Vec::new();
            for call in 0..EACH {
                let handle = format!("caller-{caller}-{call}");
                got.push((handle.clone(), allocate_one(&urls, &handle, caller + call).await));
                done.fetch_add(1, Ordering::Relaxed);
            }
            got
        }
    });
    futures::future::join_all(callers).await.into_iter().flatten().collect()
}

async fn allocate_one(urls: &[String], handle: &str, turn: usize) -> Vec<String> {
    let deadline = std::time::Instant::now() + PATIENCE;
    let owner = Owner {
        kind: OwnerKind::Pod.into(),
        namespace: "load".to_owned(),
        name: handle.to_owned(),
        node: format!("node-{}", turn % 8),
        ..Owner::default()
    };
    let spec = AllocationSpec { handle: handle.to_owned(), owner: Some(owner), ..AllocationSpec::default() };
    let request = AllocateAddressesRequest { spec: Some(spec), request_id: format!("request-{handle}"), validate_only: false };
    for attempt in 0.. {
        match client(&urls[(turn + attempt) % urls.len()]).allocate_addresses(request.clone()).await {
            Ok(answer) => {
                let allocation = answer.into_inner().allocation.expect("an allocation");
                return allocation.addresses.into_iter().map(|held| held.address).collect();
            }
            Err(status) => {
                let again = [tonic::Code::Unavailable, tonic::Code::DeadlineExceeded, tonic::Code::Unknown, tonic::Code::Cancelled];
                assert!(again.contains(&status.code()), "{handle}: {status:?}");
                assert!(std::time::Instant::now() < deadline, "{handle}: {status:?}");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
    unreachable!("the loop ends by returning or failing")
}

/// What every replica lists is exactly what the callers were told: nothing lost, nothing twice, nothing more.
fn check(site: &Site, urls: &[String], got: &BTreeMap<String, Vec<String>>) {
    assert_eq!(got.len(), CALLERS * EACH);
    let addresses: Vec<&String> = got.values().flatten().collect();
    assert_eq!(addresses.len(), CALLERS * EACH);
    assert_eq!(addresses.iter().collect::<HashSet<_>>().len(), addresses.len(), "an address was given twice");
    for url in urls {
        let listed = polder_tests::eventually("the replica has everything", || {
            let listed = site.block_on(list(url));
            if listed.len() == got.len() { Ok(listed) } else { Err(format!("{} of {}", listed.len(), got.len())) }
        });
        assert_eq!(&listed, got, "what {url} lists differs from what was answered");
    }
}

async fn list(url: &str) -> BTreeMap<String, Vec<String>> {
    let (mut all, mut page_token) = (BTreeMap::new(), String::new());
    loop {
        let request = ListAllocationsRequest { page_size: 500, page_token, namespace: "load".to_owned(), ..Default::default() };
        let page = client(url).list_allocations(request).await.expect("a page").into_inner();
        let entry = |allocation: polder_proto::ipam::v1::Allocation| {
            (allocation.handle, allocation.addresses.into_iter().map(|held| held.address).collect())
        };
        all.extend(page.allocations.into_iter().map(entry));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}
