//! A store, two replicas on it, and everybody who watches them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use polder_core::id::Revision;
use polder_core::schema::Domain;
use polder_ipam::IpamConfig;
use polder_proto::ipam::v1::allocation_service_client::AllocationServiceClient;
use polder_proto::ipam::v1::namespace_service_client::NamespaceServiceClient;
use polder_proto::ipam::v1::node_service_client::NodeServiceClient;
use polder_proto::ipam::v1::pool_service_client::PoolServiceClient;
use polder_proto::ipam::v1::{Allocation, KeepAliveRequest, ListPoolsRequest};
use polder_runtime::config::Period;
use polder_runtime::link::Link;
use polder_store::backend::Backend;
use polder_store::embedded::Embedded;
use polder_store::etcd::EtcdConfig;
use polder_store::testing::{self, Fault, Faulty};
use polder_store::{Commit, Guard, Outcome as StoreOutcome, Store, Write};
use tempfile::TempDir;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::bench::Replica;
use crate::calls::{Ask, Reply};
use crate::history::{Log, Recorder};
use crate::operations::Known;

pub(crate) const REPLICAS: usize = 2;

/// Where the state is kept.
pub(crate) enum Ground {
    Embedded(Arc<Embedded>, #[expect(dead_code, reason = "goes with the store")] TempDir),
    Etcd(tokio::sync::Mutex<testing::Etcd>),
}

impl Ground {
    pub(crate) fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::Embedded(Arc::new(Embedded::open(folder.path()).unwrap()), folder)
    }

    pub(crate) async fn etcd() -> Self {
        Self::Etcd(tokio::sync::Mutex::new(testing::Etcd::cluster(3).await))
    }

    /// A way of one's own to the store.
    async fn backend(&self) -> Arc<dyn Backend> {
        match self {
            Self::Embedded(store, _) => Arc::clone(store) as _,
            Self::Etcd(etcd) => {
                let config = EtcdConfig { members: etcd.lock().await.endpoints(), ..EtcdConfig::default() };
                loop {
                    match polder_store::etcd::Etcd::open(&config).await {
                        Ok(opened) => return Arc::new(opened),
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
            }
        }
    }
}

/// A replica with its way to the store, on which faults lie in wait.
pub(crate) struct Running {
    /// Locked for as long as it takes to make a client.
    replica: Mutex<Replica>,
    pub(crate) link: Arc<Faulty>,
    /// Whoever waits for an answer hears no more of it from then on.
    pub(crate) crash: CancellationToken,
}

impl Running {
    pub(crate) fn pools(&self) -> PoolServiceClient<Link> {
        self.replica.lock().unwrap().pools()
    }

    pub(crate) fn nodes(&self) -> NodeServiceClient<Link> {
        self.replica.lock().unwrap().nodes()
    }

    pub(crate) fn namespaces(&self) -> NamespaceServiceClient<Link> {
        self.replica.lock().unwrap().namespaces()
    }

    pub(crate) fn allocations(&self) -> AllocationServiceClient<Link> {
        self.replica.lock().unwrap().allocations()
    }
}

/// See the module.
pub(crate) struct World {
    pub(crate) ground: Ground,
    pub(crate) recorder: Recorder,
    /// The revision of the empty store.
    pub(crate) beginning: Revision,
    pub(crate) log: Arc<Log>,
    pub(crate) known: Mutex<Known>,
    /// What was asked under an id, to be asked again.
    pub(crate) asked: Mutex<Vec<Arc<Ask>>>,
    observer: Store,
    running: [Mutex<Arc<Running>>; REPLICAS],
    /// Replicas that have crashed and are being cleared away.
    crashed: Mutex<Vec<AbortOnDropHandle<()>>>,
}

/// The sweep and the undertaker come often; orphans have a grace that the clock of the test passes quickly.
fn config() -> IpamConfig {
    IpamConfig {
        sweep_every: Period(Duration::from_millis(100)),
        node_lease: Period(Duration::from_secs(2)),
        node_check_every: Period(Duration::from_millis(100)),
        orphan_grace: Period(Duration::from_secs(10)),
        ..IpamConfig::default()
    }
}

async fn start(ground: &Ground) -> Arc<Running> {
    let link = Faulty::over(ground.backend().await);
    let replica = Replica::with(&Store::new(Arc::clone(&link) as _), config()).await;
    Arc::new(Running { replica: Mutex::new(replica), link, crash: CancellationToken::new() })
}

impl World {
    pub(crate) async fn on(ground: Ground) -> Self {
        let recorder = Recorder::of(ground.backend().await).await;
        let (log, beginning) = (Arc::default(), recorder.position());
        let observer = Store::new(ground.backend().await);
        let running = [Mutex::new(start(&ground).await), Mutex::new(start(&ground).await)];
        let (known, asked, crashed) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { ground, recorder, beginning, log, known, asked, observer, running, crashed }
    }

    pub(crate) fn replica(&self, number: usize) -> Arc<Running> {
        Arc::clone(&self.running[number % REPLICAS].lock().unwrap())
    }

    /// The store's revision; nothing while the store is away.
    pub(crate) async fn revision(&self) -> Option<Revision> {
        self.observer.get(b"/polder/nothing").await.ok().map(|(_, revision)| revision)
    }

    /// The store's revision, which it is asked for until it answers.
    pub(crate) async fn settled(&self) -> Revision {
        loop {
            match self.revision().await {
                Some(revision) => return revision,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// A replica is cut off from the store in the midst of what it does, and never comes back; another takes its place.
    pub(crate) async fn crash(&self, number: usize, fault: Option<Fault>) {
        let old = self.replica(number);
        fault.into_iter().for_each(|fault| old.link.next_commit(fault));
        // The commit that is cut off is on its way by then, more often than not.
        tokio::time::sleep(Duration::from_millis(5)).await;
        old.link.set_down(true);
        old.crash.cancel();
        let fresh = start(&self.ground).await;
        *self.running[number % REPLICAS].lock().unwrap() = fresh;
        #[expect(clippy::disallowed_methods, reason = "joined by `clear`")]
        let cleared = tokio::spawn(clear_away(old));
        self.crashed.lock().unwrap().push(AbortOnDropHandle::new(cleared));
    }

    /// Waits until every crashed replica is gone.
    pub(crate) async fn clear(&self) {
        let crashed = std::mem::take(&mut *self.crashed.lock().unwrap());
        for cleared in crashed {
            cleared.await.unwrap();
        }
    }

    /// Learns from an answer.
    pub(crate) fn learn(&self, reply: &Reply) {
        const MOST: usize = 60;
        let mut known = self.known.lock().unwrap();
        let mut allocation = |held: &Option<Allocation>| {
            let Some(held) = held else { return };
            let addresses = held.addresses.iter().map(|one| one.address.clone()).collect();
            known.allocations.push((held.handle.clone(), held.uid.clone(), addresses));
            let more = known.allocations.len().saturating_sub(MOST);
            known.allocations.drain(..more);
        };
        match reply {
            Reply::AllocateAddresses(answer) => allocation(&answer.allocation),
            Reply::UpdateAllocation(answer) => allocation(&answer.allocation),
            Reply::RegisterNode(answer) => {
                known.nodes.extend(answer.node.iter().map(|node| (node.name.clone(), node.uid.clone())));
            }
            _ => {}
        }
    }

    /// Looks which pools there are.
    pub(crate) async fn look(&self, number: usize) {
        let answer = self.replica(number).pools().list_pools(ListPoolsRequest::default()).await;
        if let Ok(answer) = answer {
            let pools = answer.into_inner().pools.into_iter().filter(|pool| pool.name != "nodes");
            self.known.lock().unwrap().pools = pools.map(|pool| (pool.name.clone(), pool)).collect();
        }
    }

    /// A node's agent renews once and falls silent: the node lives, and is lost when its lease has run out.
    pub(crate) async fn renew(&self, number: usize, node: &str) {
        let Some(uid) = self.known.lock().unwrap().nodes.get(node).cloned() else { return };
        let (renewals, waiting) = tokio::sync::mpsc::channel(1);
        renewals.send(KeepAliveRequest { name: node.to_owned(), uid, sequence: 1 }).await.unwrap();
        let stream = self.replica(number).nodes().keep_alive(ReceiverStream::new(waiting)).await;
        if let Ok(stream) = stream {
            // A node that is gone, or a store that is away: the agent would try again.
            _ = tokio::time::timeout(Duration::from_secs(2), stream.into_inner().message()).await;
        }
    }

    /// Somebody takes a node's record away behind Polder's back, as a restored backup does. What was on it is orphaned.
    pub(crate) async fn orphan(&self, node: &str) {
        let head = Domain::IpamNodes.head_key().as_bytes();
        let (Ok((Some(at), _)), key) = (self.observer.get(head).await, format!("/polder/ipam/nodes/{node}")) else { return };
        let Ok((Some(_), _)) = self.observer.get(key.as_bytes()).await else { return };
        let guards = vec![Guard::Unchanged(at.key.clone(), at.modified)];
        let writes = vec![Write::delete(key), Write::put(at.key, at.value)];
        if let Ok(StoreOutcome::Committed { revision }) = self.observer.commit(Commit { guards, writes }).await {
            self.log.stranger(revision);
        }
    }
}

async fn clear_away(mut running: Arc<Running>) {
    let running = loop {
        match Arc::try_unwrap(running) {
            Ok(running) => break running,
            // A caller still waits for it.
            Err(shared) => running = shared,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    running.replica.into_inner().unwrap().stop().await;
}
