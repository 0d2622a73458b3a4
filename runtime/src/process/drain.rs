//! A process that serves, and how it ends.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Addresses, Closing, Process};
use crate::clock;
use crate::server::health::Health;
use crate::tasks::{Lost, Stuck, Tasks};

/// What every step of the drain gets, however late it is.
const LEAST: Duration = Duration::from_secs(1);

/// A process that serves.
pub struct Running {
    pub(super) process: Process,
    pub(super) addresses: Addresses,
    pub(super) health: Health,
    connections: Tasks,
    closing: Closing,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Why a process did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// A task that it cannot do without is lost.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// Calls or tasks had to be cut off.
    #[error(transparent)]
    Stuck(#[from] Stuck),
}

impl Running {
    pub(super) const fn new(process: Process, addresses: Addresses, health: Health, connections: Tasks, closing: Closing) -> Self {
        Self { process, addresses, health, connections, closing }
    }

    /// Where it can be reached, with the ports that were really bound.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Cancelling it asks the process to stop.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.process.stop_token()
    }

    /// Serves until it is asked to stop or loses a vital task, then drains.
    ///
    /// # Errors
    /// [`Ended::Lost`] for a lost task; [`Ended::Stuck`] when something had to be cut off at the drain timeout.
    pub async fn wait(self) -> Result<(), Ended> {
        let lost = tokio::select! {
            () = self.process.stop.cancelled() => None,
            lost = self.process.tasks.lost() => Some(lost),
        };
        let drained = self.drain().await;
        match lost {
            Some(lost) => Err(lost.into()),
            None => Ok(drained?),
        }
    }

    pub(super) async fn drain(self) -> Result<(), Stuck> {
        tracing::info!("draining");
        self.process.stop.cancel();
        let until = clock::monotonic() + self.process.config.drain_timeout.0;
        self.health.drain().await;
        self.process.inheritance.forget();
        self.process.stack.drain_token().cancel();
        let calls = self.connections.drain(left(until)).await;
        let tasks = self.process.tasks.drain(left(until)).await;
        let mut stuck: Vec<&'static str> =
            [calls, tasks].into_iter().filter_map(Result::err).flat_map(|stuck| stuck.tasks).collect();
        for (name, close) in self.closing {
            if tokio::time::timeout(left(until), close).await.is_err() {
                stuck.push(name);
            }
        }
        tracing::info!("drained");
        if stuck.is_empty() { Ok(()) } else { Err(Stuck { tasks: stuck }) }
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(clock::monotonic()).max(LEAST)
}
