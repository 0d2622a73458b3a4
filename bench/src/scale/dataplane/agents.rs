//! Nodes that follow, a connection each.

use std::sync::{Arc, Mutex, PoisonError};

use polder_proto::lb::v1::WatchDataplaneRequest;
use polder_proto::lb::v1::dataplane_service_client::DataplaneServiceClient;
use polder_proto::types::v1::WatchEventType;
use polder_runtime::clock::monotonic;
use polder_runtime::link::Link;
use polder_runtime::tasks::Failure;
use prost::Message;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::child::Running;
use crate::state::State;

/// What one node has seen.
#[derive(Debug, Default)]
struct Seen {
    /// Every revision that it had in full, and when.
    marks: Vec<(u64, Instant)>,
    messages: u64,
    bytes: u64,
}

struct Agent {
    seen: Arc<Mutex<Seen>>,
    revision: watch::Receiver<u64>,
}

/// See the module. They end when this is dropped.
pub(super) struct Agents {
    agents: Vec<Agent>,
    tasks: JoinSet<Result<(), Failure>>,
}

impl Agents {
    /// One for each node, all at once.
    pub(super) async fn follow(lb: &Running, state: &State) -> Result<Self, Failure> {
        let (mut agents, mut tasks) = (Vec::new(), JoinSet::new());
        for number in 0..state.nodes {
            let (node, uid) = State::node(number);
            let seen = Arc::new(Mutex::new(Seen::default()));
            let (revision, receiver) = watch::channel(0);
            let request = WatchDataplaneRequest { node, node_uid: uid.to_string(), start_revision: 0 };
            tasks.spawn(follow(lb.link()?, request, Arc::clone(&seen), revision));
            agents.push(Agent { seen, revision: receiver });
        }
        Ok(Self { agents, tasks })
    }

    /// Waits until every node has a revision, or a later one.
    pub(super) async fn all_have(&mut self, revision: u64) -> Result<(), Failure> {
        for agent in &mut self.agents {
            if agent.revision.wait_for(|has| *has >= revision).await.is_err() {
                let first = self.tasks.join_next().await;
                return Err(first.and_then(|ended| ended.ok()?.err()).unwrap_or_else(|| "a stream has ended".into()));
            }
        }
        Ok(())
    }

    /// The messages and bytes that the first node was sent since it was asked last.
    pub(super) fn received(&mut self) -> (u64, u64) {
        let first = self.agents.first().map(|agent| agent.seen.lock().unwrap_or_else(PoisonError::into_inner));
        first.map_or((0, 0), |mut seen| (std::mem::take(&mut seen.messages), std::mem::take(&mut seen.bytes)))
    }

    /// For every node the marks it has seen since it was asked last.
    pub(super) fn marks(&self) -> Vec<Vec<(u64, Instant)>> {
        let taken = self.agents.iter().map(|agent| agent.seen.lock().unwrap_or_else(PoisonError::into_inner));
        taken.map(|mut seen| std::mem::take(&mut seen.marks)).collect()
    }
}

async fn follow(
    link: Link,
    request: WatchDataplaneRequest,
    seen: Arc<Mutex<Seen>>,
    revision: watch::Sender<u64>,
) -> Result<(), Failure> {
    let mut stream = DataplaneServiceClient::new(link).watch_dataplane(request).await?.into_inner();
    while let Some(message) = stream.message().await? {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.messages += 1;
        seen.bytes += message.encoded_len() as u64;
        if matches!(message.r#type(), WatchEventType::Synced | WatchEventType::Heartbeat) {
            seen.marks.push((message.revision, monotonic()));
            revision.send_replace(message.revision);
        }
    }
    Ok(())
}
