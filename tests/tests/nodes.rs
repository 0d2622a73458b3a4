//! Liveness of nodes on real etcd, over the death of the replica that took the renewals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use polder_proto::ipam::v1::node_service_client::NodeServiceClient;
use polder_proto::ipam::v1::{GetNodeRequest, KeepAliveRequest, Node, NodeState};
use polder_tests::{Shape, Site, eventually};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

type Client = NodeServiceClient<Channel>;

/// The lease is 3 s by default; this is well beyond it.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(6);

fn client(site: &Site, replica: usize) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{}", site.grpc("ipam")[replica])).unwrap();
    site.block_on(async { NodeServiceClient::new(endpoint.connect_lazy()) })
}

async fn node(client: &Client) -> Node {
    let request = GetNodeRequest { name: "node-a".to_owned() };
    client.clone().get_node(request).await.unwrap().into_inner().node.unwrap()
}

/// Renews a few times a second for a while, and says in which states the node was seen at `observer`, and the longest time from
/// one renewal to the next: on a machine that stands still for a lease, being lost would be right.
async fn renew(at: &Client, observer: &Client, uid: &str, within: Duration) -> (Vec<NodeState>, Duration) {
    let (renewals, waiting) = mpsc::channel(1);
    let request = |sequence| KeepAliveRequest { name: "node-a".to_owned(), uid: uid.to_owned(), sequence };
    renewals.send(request(0)).await.unwrap();
    let mut answers = at.clone().keep_alive(ReceiverStream::new(waiting)).await.unwrap().into_inner();
    let (begun, mut states) = (Instant::now(), Vec::new());
    let (mut last, mut longest) = (begun, Duration::ZERO);
    for sequence in 0.. {
        assert_eq!(answers.message().await.unwrap().unwrap().sequence, sequence);
        longest = longest.max(last.elapsed());
        last = Instant::now();
        states.push(node(observer).await.state());
        if begun.elapsed() > within {
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        renewals.send(request(sequence + 1)).await.unwrap();
    }
    (states, longest)
}

#[test]
fn a_node_outlives_the_replica_that_took_its_renewals_and_is_lost_without_any() {
    let mut site = Site::start(Shape::Split);
    let example = polder_tests::site::repository("examples/two-tier.yaml");
    let _ = site.polder(&["apply", "-f", example.to_str().unwrap()]).ok();
    let shown = |site: &Site| site.polder(&["get", "nodes", "--no-headers"]).ok().lines().next().unwrap().to_owned();
    assert!(shown(&site).contains("pending"), "an operator made it: {}", shown(&site));

    let (first, second) = (client(&site, 0), client(&site, 1));
    let uid = site.block_on(async { node(&first).await.uid });
    let (states, _) = site.block_on(renew(&first, &second, &uid, Duration::from_secs(2)));
    assert!(states.last() == Some(&NodeState::Ready), "{states:?}");
    site.kill("ipam", 0);
    let (states, longest) = site.block_on(renew(&second, &second, &uid, BEYOND_THE_LEASE));
    let stays = states.iter().all(|state| *state == NodeState::Ready);
    assert!(stays || longest > Duration::from_secs(2), "renewed every {longest:?}: {states:?}");

    eventually("it is lost when nobody renews", || {
        let line = shown(&site);
        if line.contains("lost") { Ok(()) } else { Err(line) }
    });
    let kept = site.polder(&["get", "pods", "-n", "shop"]).ok();
    assert!(kept.contains("web-1"), "its pods keep their addresses: {kept}");
}
