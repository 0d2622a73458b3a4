//! A node's agent, as far as announcements go: it holds rights with the half of the protocol that real agents use, and all agents
//! of a test watch together that no two answer at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polder_core::id::Uid;
use polder_core::ipam::{self, Node};
use polder_core::lb::announce::{Claim, Holder, Verdict};
use polder_core::testing;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::announcement_service_client::AnnouncementServiceClient;
use polder_runtime::link::Link;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::site::Addresses;

/// How often an agent looks at what it is assigned, and renews.
const TICK: Duration = Duration::from_millis(100);

pub(crate) type Announcements = AnnouncementServiceClient<Link>;

/// Who answers for what, seen from outside.
#[derive(Clone)]
pub(crate) struct Network {
    origin: Instant,
    seen: Arc<Mutex<Seen>>,
    /// The replicas that agents may ask; those that are gone are taken out.
    pub(crate) replicas: Arc<Mutex<Vec<Link>>>,
}

#[derive(Default)]
struct Seen {
    until: BTreeMap<IpAddr, BTreeMap<String, Instant>>,
    clashes: Vec<String>,
}

impl Network {
    pub(crate) fn new(replicas: &[Link]) -> Self {
        let replicas = Arc::new(Mutex::new(replicas.to_vec()));
        Self { origin: Instant::now(), seen: Arc::default(), replicas }
    }

    /// Who answers for what now; fails when ever two did at once.
    pub(crate) fn answering(&self) -> BTreeMap<String, String> {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.clashes, [] as [String; 0]);
        let now = Instant::now();
        let pairs = seen.until.iter().filter_map(|(address, nodes)| {
            let node = nodes.iter().find(|(_, until)| **until > now)?.0;
            Some((address.to_string(), node.clone()))
        });
        pairs.collect()
    }

    fn note(&self, node: &str, holder: &Holder, addresses: &BTreeSet<IpAddr>) {
        let mut seen = self.seen.lock().unwrap();
        let now = Instant::now();
        for address in addresses {
            let until = holder.until(*address).map(|until| self.origin + until).filter(|until| *until > now);
            let nodes = seen.until.entry(*address).or_default();
            match until {
                None => drop(nodes.remove(node)),
                Some(until) => {
                    nodes.insert(node.to_owned(), until);
                    let other = nodes.iter().find(|(other, until)| *other != node && **until > now).map(|(other, _)| other.clone());
                    if let Some(other) = other {
                        seen.clashes.push(format!("{node} and {other} both answer for {address}"));
                    }
                }
            }
        }
    }
}

/// A node's identity in tests.
pub(crate) fn uid_of(node: &str) -> Uid {
    Uid(node.bytes().fold(1, |uid, byte| uid * 131 + u128::from(byte)))
}

/// Stores a node as IPAM would, on the outside network.
pub(crate) async fn register(addresses: &Addresses, name: &str, edit: impl FnOnce(&mut Node)) {
    let outside = testing::interface("lan0", &["10.0.0.200/24"]);
    let mut node = Node { meta: testing::meta(uid_of(name).0), interfaces: vec![outside], ..testing::node(name) };
    edit(&mut node);
    addresses.put(ipam::Change::Node(node.name.clone(), Some(Arc::new(node)))).await;
}

/// A running agent. Dropped, it dies without a word.
pub(crate) struct Agent {
    task: JoinHandle<()>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Agent {
    pub(crate) fn start(network: &Network, name: &str) -> Self {
        let working =
            Working { network: network.clone(), name: name.to_owned(), holder: Holder::default(), known: BTreeSet::new() };
        #[expect(clippy::disallowed_methods, reason = "aborted with the agent")]
        let task = tokio::spawn(working.run());
        Self { task }
    }
}

struct Working {
    network: Network,
    name: String,
    holder: Holder,
    known: BTreeSet<IpAddr>,
}

impl Working {
    /// Goes from replica to replica: only the one that leads takes renewals.
    async fn run(mut self) {
        for turn in 0.. {
            let replicas = self.network.replicas.lock().unwrap().clone();
            if let Some(link) = replicas.get(turn % replicas.len().max(1)) {
                self.session(Announcements::new(link.clone())).await;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Renews at one replica until it refuses.
    async fn session(&mut self, mut client: Announcements) {
        let (sender, requests) = mpsc::channel(16);
        if sender.send(self.renewal()).await.is_err() {
            return;
        }
        let Ok(answers) = client.hold_announcements(ReceiverStream::new(requests)).await else { return };
        let mut answers = answers.into_inner();
        loop {
            match timeout(TICK, answers.message()).await {
                Ok(Ok(Some(answer))) => self.take(&answer),
                Ok(Ok(None) | Err(_)) => return,
                Err(_) => {
                    if self.look(&mut client).await.is_none() || sender.send(self.renewal()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn renewal(&mut self) -> pb::HoldAnnouncementsRequest {
        let renewal = self.holder.renewal(self.network.origin.elapsed());
        let show = |claims: Vec<Claim>| {
            let one =
                |claim: Claim| pb::AnnouncementClaim { address: claim.address.to_string(), epoch: claim.epoch, held: claim.held };
            claims.into_iter().map(one).collect()
        };
        pb::HoldAnnouncementsRequest {
            node: self.name.clone(),
            node_uid: uid_of(&self.name).to_string(),
            sequence: renewal.sequence,
            claims: show(renewal.claims),
            released: show(renewal.released),
        }
    }

    /// Reads what the node is assigned.
    async fn look(&mut self, client: &mut Announcements) -> Option<()> {
        let filter = format!("node = {}", self.name);
        let request = pb::ListAnnouncementsRequest { filter, page_size: 1000, ..Default::default() };
        let list = client.list_announcements(request).await.ok()?.into_inner().announcements;
        let assigned: BTreeMap<IpAddr, u64> = list.iter().map(|one| (one.address.parse().unwrap(), one.epoch)).collect();
        let gone: Vec<IpAddr> = self.known.iter().filter(|address| !assigned.contains_key(*address)).copied().collect();
        gone.iter().for_each(|address| self.holder.withdraw(*address));
        assigned.iter().for_each(|(address, epoch)| self.holder.assign(*address, *epoch));
        self.known.extend(assigned.into_keys());
        self.network.note(&self.name, &self.holder, &self.known);
        self.known.retain(|address| !gone.contains(address));
        Some(())
    }

    fn take(&mut self, answer: &pb::HoldAnnouncementsResponse) {
        let read = |claims: &[pb::AnnouncementClaim]| {
            let one = |claim: &pb::AnnouncementClaim| Claim {
                address: claim.address.parse().unwrap(),
                epoch: claim.epoch,
                held: claim.held,
            };
            claims.iter().map(one).collect()
        };
        let verdict = Verdict { granted: read(&answer.granted), denied: read(&answer.denied) };
        let ttl = Duration::try_from(answer.ttl.unwrap()).unwrap();
        self.holder.answered(answer.sequence, &verdict, ttl);
        self.network.note(&self.name, &self.holder, &self.known);
    }
}
