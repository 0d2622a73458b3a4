//! From bound to open: a process that has the sockets of another one, or of the service manager, takes what waits in them only when it
//! can answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::time::{sleep, timeout};

use super::handover::{self, Handover, HandoverError, Predecessor};
use super::{Process, Running, StartError};
use crate::inherit::Giver;
use crate::server::health::Health;

/// How long a process with sockets of the service manager may let clients wait until it is ready; then it says what it can.
const WARM_UP: Duration = Duration::from_secs(3);
/// How often it looks whether it is ready.
const LOOK: Duration = Duration::from_millis(10);

/// Whose place a process takes, and how the next one takes its own.
#[derive(Debug)]
pub(super) struct Succession {
    handover: Handover,
    predecessor: Option<Predecessor>,
}

/// Where a process has it until it starts.
pub(super) type Place = Arc<Mutex<Option<Succession>>>;

impl Process {
    /// Takes the place of the process that listens at the path of `handover`, and lets another one take its own there. To be called
    /// before components are built: they get the sockets of that process from [`Self::inheritance`]. With nobody there, everything is
    /// bound as always. [`Self::start`] waits until all components are ready.
    ///
    /// # Errors
    /// [`HandoverError`]; whoever listens there goes on as before.
    pub async fn succeed(&self, handover: Handover) -> Result<(), HandoverError> {
        if self.inheritance.from() == Some(Giver::Manager) {
            return Err(HandoverError::Twice { path: handover.path });
        }
        let predecessor = Predecessor::ask(&handover.path).await?;
        let predecessor = predecessor.map(|(predecessor, passed)| {
            self.inheritance.adopt(Giver::Process, passed);
            predecessor
        });
        self.inheritance.begin_keeping();
        *self.succession.lock().unwrap_or_else(PoisonError::into_inner) = Some(Succession { handover, predecessor });
        Ok(())
    }

    fn succession(&self) -> Option<Succession> {
        self.succession.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Running {
    /// Opens the doors, at once or when everything is ready.
    ///
    /// # Errors
    /// [`StartError::NotReady`] when the process before has to go on, [`StartError::Lost`] for a task that was lost meanwhile,
    /// [`StartError::Handover`] when no next one could follow; everything has been stopped then.
    pub(super) async fn begin(self) -> Result<Self, StartError> {
        let (succession, stop) = (self.process.succession(), self.process.stop_token());
        let (handover, predecessor) = succession.map(|it| (it.handover, it.predecessor)).unzip();
        let predecessor = predecessor.flatten();
        if let Some(giver) = self.process.inheritance.from() {
            let limit = if giver == Giver::Manager { WARM_UP } else { handover.as_ref().map_or(WARM_UP, |it| it.warm_up) };
            let tasks = self.process.tasks.clone();
            let warm = stop.run_until_cancelled(timeout(limit, warm(self.health.clone())));
            let warm = tokio::select! {
                lost = tasks.lost() => return Err(self.end(lost.into()).await),
                warm = warm => warm,
            };
            match warm {
                // It was asked to stop: nothing was taken out of any socket.
                None => return Ok(self),
                Some(Err(_)) if predecessor.as_ref().is_some_and(Predecessor::lives) => return self.give_up(limit).await,
                Some(Err(_)) => tracing::warn!("not ready after {limit:?}, and nobody else answers: {}", self.lack()),
                Some(Ok(())) => {}
            }
        }
        let listener = match &predecessor {
            None => handover.as_ref().map(|it| handover::listen(&it.path)).transpose(),
            Some(_) => Ok(None),
        };
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => return Err(self.end(error.into()).await),
        };
        self.process.inheritance.open();
        let listener = match predecessor {
            Some(predecessor) => Some(predecessor.relieve().await),
            None => listener,
        };
        if let Some((handover, listener)) = handover.zip(listener) {
            self.keep_giving(handover, listener);
        }
        Ok(self)
    }

    fn keep_giving(&self, handover: Handover, listener: UnixListener) {
        let (inheritance, stop) = (self.process.inheritance.clone(), self.process.stop_token());
        self.process.tasks.spawn("handover", |_| handover::give(listener, handover.path, inheritance, stop));
    }

    /// What is not ready, and why.
    fn lack(&self) -> String {
        let answers = self.health.ask();
        let lacks = answers.iter().filter_map(|(component, answer)| Some(format!("{component}: {}", answer.as_ref().err()?)));
        lacks.collect::<Vec<_>>().join("; ")
    }

    async fn give_up(self, after: Duration) -> Result<Self, StartError> {
        let error = StartError::NotReady { after, why: self.lack() };
        Err(self.end(error).await)
    }

    async fn end(self, error: StartError) -> StartError {
        if let Err(stuck) = self.drain().await {
            tracing::warn!("{stuck}");
        }
        error
    }
}

async fn warm(health: Health) {
    while health.ask().iter().any(|(_, answer)| answer.is_err()) {
        sleep(LOOK).await;
    }
}
