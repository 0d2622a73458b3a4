//! Clients that follow the allocations of a replica, go on where they stopped when it is gone, and begin anew only when they must.

use std::collections::BTreeMap;
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
use crate::world::World;

/// After how many changes a client breaks off by itself, once it is further than where it began.
const PATIENCE: usize = 25;

/// What a client believes.
#[derive(Debug, Default)]
struct Belief {
    /// Handle and addresses of every allocation, by uid.
    held: BTreeMap<String, (String, Vec<String>)>,
    /// What the snapshot has brought so far.
    coming: BTreeMap<String, (String, Vec<String>)>,
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

    /// Waits until the client believes what is the case.
    ///
    /// # Errors
    /// What it believes instead.
    pub(crate) async fn knows(&self, checker: &Checker) -> Result<(), String> {
        let wanted: BTreeMap<String, (String, Vec<String>)> = checker
            .oracle
            .held()
            .map(|held| {
                let addresses = held.holdings.iter().map(|holding| holding.address.to_string()).collect();
                (held.meta.uid.to_string(), (held.handle.to_string(), addresses))
            })
            .collect();
        let until = clock::monotonic() + Duration::from_secs(30);
        while self.belief.lock().unwrap().held != wanted {
            let late = || format!("a watch believes {:#?}\n  and held is {wanted:#?}", self.belief.lock().unwrap());
            ensure(clock::monotonic() < until, late)?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
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
