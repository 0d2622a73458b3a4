//! The forecaster: reads out of the journals, now and then, how fast pools fill.
//!
//! What it finds is kept in memory only: it is read again after a restart, and every replica reads for itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use polder_core::ipam::Pool;
use polder_core::ipam::forecast::Growth;
use polder_runtime::tasks::Turns;
use tokio_util::sync::CancellationToken;

use crate::history::{Trends, trends};
use crate::service::Service;

/// What is known of how fast pools fill. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forecasts(Arc<Mutex<Option<Trends>>>);

impl Forecasts {
    /// The growth of a pool; `None` before the journals were first read.
    pub(crate) fn growth(&self, pool: &Pool) -> Option<Growth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|trends| trends.of(pool))
    }

    fn set(&self, trends: Trends) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(trends);
    }
}

/// See the module.
pub(crate) struct Forecaster {
    service: Service,
    every: Duration,
}

impl Forecaster {
    pub(crate) const fn new(service: Service, every: Duration) -> Self {
        Self { service, every }
    }

    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut turns = Turns::every(self.every, stop);
        while let Some(read) = turns.take(trends(&self.service)).await {
            match read {
                Ok(trends) => self.service.forecasts().set(trends),
                Err(refusal) => tracing::debug!(%refusal, "the journals could not be read; what is known of pools' growth stays"),
            }
        }
    }
}
