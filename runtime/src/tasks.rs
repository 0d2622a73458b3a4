//! Named tasks that end together: the only place that spawns.
//!
//! A [`Tasks`] group owns every task it has spawned. At shutdown the group's token asks all of them to stop, waits for a bounded
//! time, cuts off those that do not listen, and says which ones they were. A *vital* task is one that the process cannot do
//! without: when it ends before it was asked to, the group reports the loss and the process ends with it. [`Turns`] are for tasks
//! that do the same again and again.

pub mod signals;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What makes a vital task, or a whole process, fail: an error for people, logged once.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A group of tasks; clones share it.
#[derive(Clone)]
pub struct Tasks(Arc<Group>);

struct Group {
    stop: CancellationToken,
    cut: CancellationToken,
    tracker: TaskTracker,
    /// The names of the tasks that run now, by number.
    running: Mutex<BTreeMap<u64, &'static str>>,
    next: AtomicU64,
    lost: watch::Sender<Option<Lost>>,
}

/// A vital task that ended without being asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the task `{task}` has ended: {why}")]
pub struct Lost {
    /// The task's name.
    pub task: &'static str,
    /// Its error, or that it returned or panicked.
    pub why: String,
}

/// Tasks that did not stop in time and were cut off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("did not stop in time and were cut off: {}", .tasks.join(", "))]
pub struct Stuck {
    /// Their names.
    pub tasks: Vec<&'static str>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &self.names()).finish_non_exhaustive()
    }
}

impl Tasks {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Group {
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            tracker: TaskTracker::new(),
            running: Mutex::default(),
            next: AtomicU64::new(0),
            lost: watch::Sender::new(None),
        }))
    }

    /// Spawns a task whose end is no news. It should end soon after its token is cancelled.
    pub fn spawn<F, T>(&self, name: &'static str, task: F)
    where
        F: FnOnce(CancellationToken) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let task = task(self.stop_token());
        self.launch(name, async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                tracing::error!(task = name, "a task has panicked: {}", panic_text(&*panic));
            }
        });
    }

    /// Spawns a task that the process cannot do without: if it returns, fails or panics before its token is cancelled,
    /// [`Tasks::lost`] says so.
    pub fn spawn_vital<F, T>(&self, name: &'static str, task: F)
    where
        F: FnOnce(CancellationToken) -> T,
        T: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let task = task(self.stop_token());
        let group = Arc::clone(&self.0);
        self.launch(name, async move {
            let why = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) if group.stop.is_cancelled() => return,
                Ok(Ok(())) => "it returned".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("it panicked: {}", panic_text(&*panic)),
            };
            tracing::error!(task = name, "a vital task has ended: {why}");
            // The first loss is the one that counts; what falls after it falls because of it.
            group.lost.send_if_modified(|lost| lost.is_none() && lost.replace(Lost { task: name, why }).is_none());
        });
    }

    /// Cancelled when the group is asked to stop.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// Waits until a vital task is lost, for ever if none is.
    pub async fn lost(&self) -> Lost {
        let mut lost = self.0.lost.subscribe();
        loop {
            if let Some(lost) = lost.borrow_and_update().clone() {
                return lost;
            }
            if lost.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Asks every task to stop and waits for them, at most for `limit`.
    ///
    /// # Errors
    /// [`Stuck`] names the tasks that had to be cut off.
    pub async fn drain(&self, limit: Duration) -> Result<(), Stuck> {
        self.0.stop.cancel();
        self.0.tracker.close();
        if tokio::time::timeout(limit, self.0.tracker.wait()).await.is_ok() {
            return Ok(());
        }
        let tasks = self.names();
        self.0.cut.cancel();
        self.0.tracker.wait().await;
        Err(Stuck { tasks })
    }

    /// The names of the tasks that run now.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.0.running().values().copied().collect()
    }

    fn launch(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let group = Arc::clone(&self.0);
        let number = group.next.fetch_add(1, Ordering::Relaxed);
        group.running().insert(number, name);
        self.0.tracker.spawn(async move {
            let _listed = Listed { group: Arc::clone(&group), number };
            tokio::select! {
                () = task => {}
                () = group.cut.cancelled() => {}
            }
        });
    }
}

impl Group {
    fn running(&self) -> MutexGuard<'_, BTreeMap<u64, &'static str>> {
        // Nothing that runs under this lock can leave the map half changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a task off the list when it ends, however it ends.
struct Listed {
    group: Arc<Group>,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.group.running().remove(&self.number);
    }
}

/// The turns of a task that does the same again and again: the first at once, then at a steady pace until the task is to stop.
#[derive(Debug)]
pub struct Turns {
    times: Interval,
    stop: CancellationToken,
}

impl Turns {
    /// A turn in every `period`, but at most a hundred a second. One that takes longer puts off the next.
    #[must_use]
    pub fn every(period: Duration, stop: CancellationToken) -> Self {
        let mut times = tokio::time::interval(period.max(Duration::from_millis(10)));
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { times, stop }
    }

    /// Waits until it is time, and does `turn`. `None` at the stop: a turn that is under way then is dropped where it waits.
    pub async fn take<T>(&mut self, turn: impl Future<Output = T>) -> Option<T> {
        let times = &mut self.times;
        let next = async {
            times.tick().await;
            turn.await
        };
        self.stop.run_until_cancelled(next).await
    }
}

/// What a panic said, where it said something.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests;
