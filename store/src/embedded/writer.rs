//! The one thread that changes the embedded store.
//!
//! It takes every operation that waits, judges them in turn, makes all that changed durable by one fsync, moves the state in
//! memory, wakes the watches, and only then answers. So nothing is visible before it is durable, and the cost of the fsync is
//! shared by everyone who waits. When the disk fails, what the file holds is no longer known: the thread answers the group with
//! the error and refuses everything after it until the store is opened anew.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Shared;
use super::disk::Disk;
use super::draft::Draft;
use super::state::State;
use crate::backend::{Commit, Lease, LeaseId, Outcome};
use crate::error::Error;

/// The most operations that share one fsync.
const GROUP: usize = 256;
/// How long the thread sleeps when there is no lease to expire.
const IDLE: Duration = Duration::from_secs(3600);
/// The least time between two looks at the leases, so that many of them expire in one group.
const LEASE_TICK: Duration = Duration::from_millis(50);

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// One operation; its permit bounds how many can wait.
pub(super) struct Op {
    pub(super) work: Work,
    pub(super) permit: OwnedSemaphorePermit,
}

/// What an operation asks for, and where the answer goes.
pub(super) enum Work {
    Commit(Commit, Reply<Outcome>),
    Grant(Duration, Reply<Lease>),
    Revoke(LeaseId, Reply<()>),
}

/// An answer that waits for the fsync.
enum Answer {
    Commit(Reply<Outcome>, Result<Outcome, Error>),
    Grant(Reply<Lease>, Lease),
    Revoke(Reply<()>, Result<(), Error>),
}

impl Answer {
    /// Nobody waiting for an answer is no failure: the caller gave up.
    fn send(self, failure: Option<&Error>) {
        match self {
            Self::Commit(reply, result) => _ = reply.send(failure.map_or(result, |error| Err(error.clone()))),
            Self::Grant(reply, lease) => _ = reply.send(failure.map_or(Ok(lease), |error| Err(error.clone()))),
            Self::Revoke(reply, result) => _ = reply.send(failure.map_or(result, |error| Err(error.clone()))),
        }
    }
}

/// The thread's own things.
pub(super) struct Writer {
    pub(super) disk: Disk,
    pub(super) shared: Arc<Shared>,
    pub(super) last_lease: LeaseId,
    pub(super) broken: Option<Error>,
}

impl Writer {
    /// Runs until every sender is gone.
    pub(super) fn run(mut self, ops: &Receiver<Op>) {
        loop {
            let first = match ops.recv_timeout(self.sleep()) {
                Ok(op) => Some(op),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let group: Vec<Op> = first.into_iter().chain(ops.try_iter()).take(GROUP).collect();
            self.group(group);
        }
    }

    fn sleep(&self) -> Duration {
        self.shared.leases().next().map_or(IDLE, |next| next.max(LEASE_TICK))
    }

    fn group(&mut self, ops: Vec<Op>) {
        let (draft, answers, permits) = self.judge(ops);
        if self.broken.is_none() && !draft.is_empty() {
            let written = self.disk.write(&draft);
            if let Err(error) = written {
                tracing::error!(%error, "the embedded store cannot write; it stays read-only until it is opened anew");
                answers.into_iter().for_each(|answer| answer.send(Some(&error)));
                self.broken = Some(Error::Unavailable(format!("an earlier write failed ({error}); open the store anew")));
                return;
            }
            self.publish(draft);
        }
        answers.into_iter().for_each(|answer| answer.send(self.broken.as_ref()));
        drop(permits);
    }

    fn judge(&mut self, ops: Vec<Op>) -> (Draft, Vec<Answer>, Vec<OwnedSemaphorePermit>) {
        let shared = Arc::clone(&self.shared);
        let state = shared.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut draft = Draft::new(state.revision);
        let expired = shared.leases().take_expired();
        expired.into_iter().for_each(|lease| draft.end(&state, lease));
        let (works, permits): (Vec<_>, Vec<_>) = ops.into_iter().map(|op| (op.work, op.permit)).unzip();
        let answers = works.into_iter().map(|work| self.judge_one(&state, &mut draft, work)).collect();
        (draft, answers, permits)
    }

    fn judge_one(&mut self, state: &State, draft: &mut Draft, work: Work) -> Answer {
        match work {
            Work::Commit(commit, reply) => {
                let result = draft.commit(state, commit, |lease| self.shared.leases().contains(lease));
                Answer::Commit(reply, result)
            }
            Work::Grant(ttl, reply) => {
                self.last_lease = LeaseId(self.last_lease.0 + 1);
                draft.grant(self.last_lease, ttl.as_secs());
                Answer::Grant(reply, Lease { id: self.last_lease, ttl })
            }
            Work::Revoke(lease, reply) => {
                let known = self.shared.leases().remove(lease);
                if known {
                    draft.end(state, lease);
                }
                Answer::Revoke(reply, if known { Ok(()) } else { Err(Error::LeaseGone(lease)) })
            }
        }
    }

    /// Makes a durable group visible.
    fn publish(&self, draft: Draft) {
        for (lease, ttl) in draft.granted() {
            self.shared.leases().insert(*lease, Duration::from_secs(*ttl));
        }
        let revision = draft.revision();
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        draft.into_applied().into_iter().for_each(|applied| state.apply(applied));
        drop(state);
        self.shared.revision.send_replace(revision);
    }
}
