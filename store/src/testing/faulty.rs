//! A backend that does what another does, except for the faults that a test asks for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use polder_core::id::Revision;
use tokio::sync::{Notify, watch};

use crate::backend::{Backend, Batch, Commit, KeyRange, Lease, LeaseId, Limits, Outcome, Page};
use crate::error::Error;

/// What goes wrong with one commit that writes.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It happens, and the answer is lost.
    AnswerLost,
    /// It never arrives, and nobody can tell.
    RequestLost,
    /// The caller gets no answer, and it arrives only when the bell rings.
    Late(Arc<Notify>),
    /// It surely does not happen.
    Refused,
}

/// See the module's header.
pub struct Faulty {
    inner: Arc<dyn Backend>,
    faults: Mutex<VecDeque<Fault>>,
    /// Whether it is down, and how often it went down.
    down: watch::Sender<(bool, u64)>,
    deaf: Arc<AtomicBool>,
    lost: Arc<Mutex<Option<Bytes>>>,
    late: Arc<AtomicUsize>,
    pace: Mutex<Duration>,
    /// After how many ranges more it goes down.
    ranges: Mutex<Option<usize>>,
}

impl Faulty {
    /// Without faults so far.
    #[must_use]
    pub fn over(inner: Arc<dyn Backend>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            faults: Mutex::default(),
            down: watch::Sender::new((false, 0)),
            deaf: Arc::default(),
            lost: Arc::default(),
            late: Arc::default(),
            pace: Mutex::default(),
            ranges: Mutex::default(),
        })
    }

    /// The next commit that writes meets this fault; several wait in line.
    pub fn next_commit(&self, fault: Fault) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    /// Whether every call fails at once. Going down ends the open watches, however short it is.
    pub fn set_down(&self, down: bool) {
        self.down.send_modify(|(is_down, times)| (*is_down, *times) = (down, *times + u64::from(down)));
    }

    /// Goes down when so many ranges more have been answered.
    pub fn set_down_after(&self, ranges: usize) {
        *self.ranges.lock().unwrap_or_else(PoisonError::into_inner) = Some(ranges);
    }

    /// Whether watches lose every batch, without a word. One that has lost a batch stays silent until it ends: a watch of a store
    /// may fall behind, but it never leaves out something between.
    pub fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }

    /// Watches lose the next event of this key, and nothing else of its batch.
    pub fn lose_event(&self, key: impl Into<Bytes>) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.into());
    }

    /// Every commit takes this much longer.
    pub fn set_pace(&self, pace: Duration) {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = pace;
    }

    /// How many late commits have arrived by now.
    #[must_use]
    pub fn late_arrivals(&self) -> usize {
        self.late.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), Error> {
        if self.down.borrow().0 { Err(Error::Unavailable("the test says so".to_owned())) } else { Ok(()) }
    }

    fn count_range(&self) {
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        match ranges.take() {
            Some(0) => self.set_down(true),
            left => *ranges = left.map(|left| left - 1),
        }
    }

    fn fault(&self, commit: &Commit) -> Option<Fault> {
        if commit.writes.is_empty() {
            return None;
        }
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    #[expect(clippy::disallowed_methods, reason = "the test waits for the late arrival by its count")]
    fn arrive_late(&self, commit: Commit, bell: Arc<Notify>) {
        let (inner, late) = (Arc::clone(&self.inner), Arc::clone(&self.late));
        tokio::spawn(async move {
            bell.notified().await;
            // Whatever becomes of it: nobody is told, as on a real network.
            _ = inner.commit(commit).await;
            late.fetch_add(1, Ordering::SeqCst);
        });
    }
}

#[async_trait]
impl Backend for Faulty {
    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    async fn range(&self, keys: KeyRange, limit: usize, at: Option<Revision>) -> Result<Page, Error> {
        self.count_range();
        self.check()?;
        self.inner.range(keys, limit, at).await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        self.check()?;
        let pace = *self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
        let unknown = || Err(Error::OutcomeUnknown("the test says so".to_owned()));
        match self.fault(&commit) {
            None => self.inner.commit(commit).await,
            Some(Fault::AnswerLost) => {
                _ = self.inner.commit(commit).await?;
                unknown()
            }
            Some(Fault::RequestLost) => unknown(),
            Some(Fault::Late(bell)) => {
                self.arrive_late(commit, bell);
                unknown()
            }
            Some(Fault::Refused) => Err(Error::Unavailable("the test says so".to_owned())),
        }
    }

    async fn watch(&self, keys: KeyRange, after: Revision) -> Result<BoxStream<'static, Result<Batch, Error>>, Error> {
        let mut down = self.down.subscribe();
        let before = down.borrow().1;
        self.check()?;
        let deaf = Arc::clone(&self.deaf);
        let batches = self.inner.watch(keys, after).await?;
        let ended = async move { _ = down.wait_for(|(is_down, times)| *is_down || *times != before).await };
        let mut silent = false;
        let heard = batches.filter(move |_| {
            silent |= deaf.load(Ordering::SeqCst);
            futures::future::ready(!silent)
        });
        let lost = Arc::clone(&self.lost);
        let heard = heard.map(move |batch| batch.map(|batch| without(batch, &lost)));
        Ok(heard.take_until(Box::pin(ended)).boxed())
    }

    async fn grant(&self, ttl: Duration) -> Result<Lease, Error> {
        self.check()?;
        self.inner.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        self.check()?;
        self.inner.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.check()?;
        self.inner.revoke(lease).await
    }
}

/// The batch without the event that is to be lost, which then is.
fn without(mut batch: Batch, lost: &Mutex<Option<Bytes>>) -> Batch {
    let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = batch.events.iter().position(|event| Some(&event.key) == lost.as_ref()) {
        batch.events.remove(place);
        *lost = None;
    }
    batch
}
