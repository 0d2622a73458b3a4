//! Readiness: what the components say of themselves, as `grpc.health.v1` and for `/readyz`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use polder_core::reason::Refusal;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, HealthService};

use super::incoming::shutting_down;
use crate::tasks::Turns;

/// How often the components are asked.
const EVERY: Duration = Duration::from_millis(250);
/// The same until all of them are ready for the first time: somebody waits for the start.
const AT_FIRST: Duration = Duration::from_millis(10);

/// A component's answer to "can you work?": `Err` says why not.
pub(crate) type Check = Arc<dyn Fn() -> Result<(), Refusal> + Send + Sync>;

/// One component's part in the health of the process.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) component: &'static str,
    pub(crate) services: Vec<&'static str>,
    pub(crate) check: Check,
}

/// The health of a process; clones share it.
#[derive(Clone)]
pub(crate) struct Health(Arc<State>);

struct State {
    members: Vec<Member>,
    reporter: HealthReporter,
    draining: AtomicBool,
    /// What was reported last: watchers hear of changes only.
    reported: Mutex<BTreeMap<&'static str, bool>>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

impl Health {
    pub(crate) fn of(members: Vec<Member>) -> Self {
        Self(Arc::new(State {
            members,
            reporter: HealthReporter::new(),
            draining: AtomicBool::new(false),
            reported: Mutex::default(),
        }))
    }

    /// The `grpc.health.v1` service.
    pub(crate) fn service(&self) -> HealthService {
        HealthService::from_health_reporter(self.0.reporter.clone())
    }

    /// What each component says now.
    pub(crate) fn ask(&self) -> Vec<(&'static str, Result<(), Refusal>)> {
        let draining = self.0.draining.load(Ordering::Acquire);
        let answer = |member: &Member| if draining { Err(shutting_down()) } else { (member.check)() };
        self.0.members.iter().map(|member| (member.component, answer(member))).collect()
    }

    /// Asks all components and reports what has changed. The name `""` stands for the whole process.
    pub(crate) async fn report(&self) {
        let mut reported = self.0.reported.lock().await;
        let answers = self.ask();
        let mut now = BTreeMap::from([("", answers.iter().all(|(_, answer)| answer.is_ok()))]);
        for (member, (_, answer)) in self.0.members.iter().zip(&answers) {
            now.extend(member.services.iter().map(|service| (*service, answer.is_ok())));
        }
        for (service, ready) in &now {
            if reported.get(service) != Some(ready) {
                let status = if *ready { ServingStatus::Serving } else { ServingStatus::NotServing };
                self.0.reporter.set_service_status(service, status).await;
            }
        }
        if *reported != now {
            log(&answers);
        }
        *reported = now;
    }

    /// Reports changes until the process stops.
    pub(crate) async fn keep_reporting(self, stop: CancellationToken) {
        let mut first = Turns::every(AT_FIRST, stop.clone());
        while first.take(self.report()).await.is_some() && self.0.reported.lock().await.get("") != Some(&true) {}
        let mut turns = Turns::every(EVERY, stop);
        while turns.take(self.report()).await.is_some() {}
    }

    /// From now on nothing is ready, and all watchers have been told.
    pub(crate) async fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
        self.report().await;
    }
}

fn log(answers: &[(&'static str, Result<(), Refusal>)]) {
    for (component, answer) in answers {
        match answer {
            Ok(()) => tracing::info!(component, "ready"),
            Err(refusal) => tracing::info!(component, "not ready: {refusal}"),
        }
    }
}
