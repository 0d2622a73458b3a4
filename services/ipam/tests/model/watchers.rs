//! Clients that follow the allocations of a replica, go on where they stopped when it is gone, and begin anew only when they must.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polder_core::reason::Reason;
use polder_proto::ipam::v1::{WatchAllocationsRequest, WatchAllocationsResponse};
use polder_proto::types::v1::WatchEventType;
use polder_runtime::clock;
use polder_runtime::status::decode;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use crate::checker::{Checker, ensure};
use crate::ending::catch_up;
use crate::world::World;

/// After how many changes a client breaks off by itself, once it is further than where it began.
const PATIENCE: usize = 25;

/// Handle and addresses of an allocation.
type Held = (String, Vec<String>);

/// What a client believes.
#[derive(Debug, Default)]
struct Belief {
    /// By uid.
    held: BTreeMap<String, Held>,
    /// What the snapshot has brought so far.
    coming: BTreeMap<String, Held>,
    /// Everything up to this revision was told, and something of this one.
    whole: u64,
    begun: u64,
    snapshots: usize,
    resumed: usize,
}

impl Belief {
    /// The stream has ended. What of a revision was told in part is told again.
    fn broken(&mut self, too_old: bool) {
        self.coming.clear();
        self.whole = if too_old { 0 } else { self.whole };
        self.begun = self.whole;
    }

    /// The allocations about which the client is wrong: what it believes, and what is the case.
    fn differs_from(&self, checker: &Checker) -> BTreeMap<String, (Option<Held>, Option<Held>)> {
        let held = checker.oracle.held().map(|held| {
            let addresses = held.holdings.iter().map(|holding| holding.address.to_string()).collect();
            (held.meta.uid.to_string(), (held.handle.to_string(), addresses))
        });
        let held: BTreeMap<String, Held> = held.collect();
        let uids = self.held.keys().chain(held.keys()).filter(|uid| self.held.get(*uid) != held.get(*uid));
        uids.map(|uid| (uid.clone(), (self.held.get(uid).cloned(), held.get(uid).cloned()))).collect()
    }

    fn take(&mut self, message: WatchAllocationsResponse) {
        let kind = message.r#type();
        if message.revision > self.begun && !matches!(kind, WatchEventType::Snapshot) {
            (self.whole, self.begun) = (self.begun, message.revision);
        }
        let object = message.allocation.map(|held| {
            let addresses = held.addresses.into_iter().map(|one| one.address).collect();
            (held.uid, (held.handle, addresses))
        });
        match kind {
            WatchEventType::Snapshot => self.coming.extend(object),
            WatchEventType::Synced => {
                self.held = std::mem::take(&mut self.coming);
                (self.whole, self.begun) = (message.revision, message.revision);
                self.snapshots += 1;
            }
            WatchEventType::Put => self.held.extend(object),
            WatchEventType::Delete => object.into_iter().for_each(|(uid, _)| _ = self.held.remove(&uid)),
            WatchEventType::Heartbeat | WatchEventType::Unspecified => self.whole = message.revision,
        }
    }
}

impl fmt::Display for Belief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { held: _, coming, whole, begun, snapshots, resumed } = self;
        let coming = coming.len();
        write!(f, "{coming} coming, whole at {whole}, begun {begun}, began anew {snapshots} times, went on {resumed} times")
    }
}

/// See the module.
pub(crate) struct Watcher {
    belief: Arc<Mutex<Belief>>,
    _task: AbortOnDropHandle<()>,
}

impl Watcher {
    #[expect(clippy::disallowed_methods, reason = "aborted with the watcher")]
    pub(crate) fn of(world: &Arc<World>, number: usize) -> Self {
        let belief: Arc<Mutex<Belief>> = Arc::default();
        let task = tokio::spawn(follow(Arc::clone(world), number, Arc::clone(&belief)));
        Self { belief, _task: AbortOnDropHandle::new(task) }
    }

    /// Waits until the client believes what is the case. That may change while it waits: the time of an orphan runs out.
    ///
    /// # Errors
    /// What it believes instead, or what is wrong with a change that came.
    pub(crate) async fn knows(&self, world: &World, checker: &mut Checker) -> Result<(), String> {
        let until = clock::monotonic() + Duration::from_secs(30);
        loop {
            let revision = catch_up(world, checker).await?;
            let wrong = self.belief.lock().unwrap().differs_from(checker);
            if wrong.is_empty() {
                return Ok(());
            }
            let late = || format!("at revision {revision} a watch is wrong about {wrong:#?}\n  {}", self.belief.lock().unwrap());
            ensure(clock::monotonic() < until, late)?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How often it began anew, and how often it went on.
    pub(crate) fn figures(&self) -> (usize, usize) {
        let belief = self.belief.lock().unwrap();
        (belief.snapshots, belief.resumed)
    }
}

async fn follow(world: Arc<World>, number: usize, belief: Arc<Mutex<Belief>>) {
    loop {
        let running = world.replica(number);
        let ended = running.crash.run_until_cancelled(watch(&world, number, &belief)).await;
        let too_old = ended.is_some_and(|status| decode(&status).reason == Reason::ResumeTokenCompacted);
        belief.lock().unwrap().broken(too_old);
        drop(running);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One stream to its end, and why it ended.
async fn watch(world: &World, number: usize, belief: &Mutex<Belief>) -> Status {
    let start_revision = belief.lock().unwrap().whole;
    let request = WatchAllocationsRequest { start_revision, ..Default::default() };
    let mut stream = match Box::pin(world.replica(number).allocations().watch_allocations(request)).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return status,
    };
    belief.lock().unwrap().resumed += usize::from(start_revision > 0);
    let mut changes = 0;
    // One commit can have more changes than a client has patience for: it has to get past it, or it would come back for ever.
    while changes < PATIENCE || belief.lock().unwrap().whole == start_revision {
        match stream.message().await {
            Ok(Some(message)) => {
                changes += usize::from(matches!(message.r#type(), WatchEventType::Put | WatchEventType::Delete));
                belief.lock().unwrap().take(message);
            }
            Ok(None) => return Status::unavailable("the stream ended"),
            Err(status) => return status,
        }
    }
    Status::unavailable("the client has had enough of it for now")
}
