//! Names that are in no zone of ours: answered from what is kept, or handed to the desk, which asks upstreams.
//!
//! * [`Resolver::pass`]: what becomes of a query after our own zones have looked at it. It never waits: what cannot be answered at once
//!   goes into a bounded queue, and when that is full the client gets SERVFAIL. Our own names are answered before it comes to this.
//! * [`desk`]: the one task that knows which questions are being asked, so that equal ones are asked once.
//! * [`exchange`]: one question to upstreams, [`plain`] by UDP and TCP, [`lines`] over TLS. [`servers`]: what is known of them.
//! * [`cache`]: what is kept, in memory only.
//!
//! A question that an upstream asks us in turn waits for its own answer: a loop costs a client its answer, and never makes more
//! questions of one. So that it is found out, every upstream is asked now and then for a name that nobody can guess; when that comes
//! back to us, the upstream is not asked any more until it does not.

mod cache;
mod desk;
mod exchange;
mod lines;
mod metrics;
mod plain;
mod servers;
mod trust;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use polder_core::dns::cookie::Secret;
use polder_core::dns::resolver::reply::{FLAG_RECURSION_AVAILABLE, Life, Why};
use polder_core::dns::resolver::{Answer, Asked, Looked, Spec, Upstream};
use polder_core::dns::{DomainName, Outcome, Rcode, Seed, Sent, Transport};
use polder_runtime::entropy;
use polder_runtime::metrics::Metrics;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use self::cache::Cache;
pub(crate) use self::desk::Desk;
use self::desk::{Job, Waiter};
use self::metrics::{ForwardMetrics, Hit};
use self::servers::{Means, Route, State};
pub(crate) use self::trust::Trust;

/// Questions that wait to be looked at by the desk.
const MOST_WAITING: usize = 1024;

/// Where an answer was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The domain whose servers are asked; the root for all other names.
    pub(crate) rule: DomainName,
    /// Who said it, now or when it was first kept.
    pub(crate) by: Option<Upstream>,
    pub(crate) found: Found,
    /// For how long it has been kept.
    pub(crate) age: Duration,
}

/// How an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Kept,
    /// Kept, and its time is over.
    Stale,
    /// Asked for now.
    Asked,
}

/// Takes an answer to the client. Where it is dropped instead, the client gets none.
pub(crate) type Deliver = Box<dyn FnOnce(&[u8], Sent, &Origin) + Send>;

/// What becomes of a query.
pub(crate) enum Passed {
    /// The answer is in the buffer; not all are found outside.
    Now(Outcome, Option<Origin>),
    /// It will be delivered.
    Later,
}

/// See the module.
pub(crate) struct Resolver {
    state: ArcSwap<State>,
    /// Whether the state has anybody to be asked: all that an answer of our own depends on.
    asks: AtomicBool,
    cache: Cache,
    desk: mpsc::Sender<Job>,
    metrics: ForwardMetrics,
}

impl Resolver {
    /// A resolver that asks nobody until it is [told](Self::set) otherwise, and the queue of its desk.
    /// `server` is what metrics call it.
    pub(crate) fn new(seed: Seed, trust: Trust, metrics: &Metrics, server: &str) -> (Self, mpsc::Receiver<Job>) {
        let (desk, queue) = mpsc::channel(MOST_WAITING);
        let means = Means { trust: Arc::new(trust), secret: Secret::new(entropy::draw().0.to_be_bytes()) };
        let (state, metrics) = (State::nothing(means), ForwardMetrics::register(metrics, server));
        let cache = Cache::new(state.spec.cache, seed, metrics.clone());
        (Self { state: ArcSwap::from_pointee(state), asks: AtomicBool::new(false), cache, desk, metrics }, queue)
    }

    /// Takes new settings. What is kept stays, unless others are asked from now on. Says whether anything has changed.
    fn set(&self, spec: &Spec) -> bool {
        let before = self.state.load_full();
        if before.spec == *spec {
            return false;
        }
        let next = before.next(spec.clone());
        let others = next.generation != before.generation;
        let asks = !next.routes.is_empty();
        self.state.store(Arc::new(next));
        self.asks.store(asks, Ordering::Relaxed);
        self.cache.reset(spec.cache, others);
        if others {
            self.metrics.forget_servers();
        }
        true
    }

    /// Whether there is anybody to be asked. Where there is not, an answer of our own stays as it is, whatever it is.
    #[inline]
    pub(crate) fn asks(&self) -> bool {
        self.asks.load(Ordering::Relaxed)
    }

    /// What becomes of a query where somebody [is asked](Self::asks), after our own zones have given `outcome`, whose message is in `out`.
    /// With `deliver` gone unused nothing comes later.
    pub(crate) fn pass(
        &self,
        (outcome, transport): (Outcome, Transport),
        message: &[u8],
        out: &mut [u8],
        deliver: impl FnOnce() -> Option<Deliver>,
    ) -> Passed {
        if matches!(outcome, Outcome::Sent(_)) {
            return offered(outcome, out);
        }
        let state = self.state.load();
        let asked = match outcome {
            Outcome::Forward(_) => Asked::read(message, transport),
            Outcome::Searches(_, length) => Asked::read(message, transport).and_then(|asked| asked.searched(length)),
            Outcome::Leads(sent) => {
                let partial = out.get(..sent.length).unwrap_or_default();
                Asked::read(message, transport).and_then(|asked| asked.continued(partial))
            }
            Outcome::Dropped => return Passed::Now(outcome, None),
            Outcome::Sent(_) => None,
        };
        let route = asked.as_ref().and_then(|asked| state.route(&asked.key.name));
        let Some((route, asked)) = route.cloned().zip(asked) else {
            return offered(outcome, out);
        };
        self.answer(&route, asked, out, deliver).unwrap_or(Passed::Now(outcome, None))
    }

    /// `None`: the message in `out` is all there is to say.
    fn answer(&self, route: &Route, asked: Asked, out: &mut [u8], deliver: impl FnOnce() -> Option<Deliver>) -> Option<Passed> {
        let origin = |answer: &Answer, found, age| Origin { rule: route.domain.clone(), by: answer.by.clone(), found, age };
        let now = |sent: Option<Sent>, origin| sent.map(|sent| Passed::Now(Outcome::Forward(sent), Some(origin)));
        if route.is_own_probe(&asked.key.name) {
            let refusal = Answer::empty(Rcode::Refused);
            let sent = asked.reply(&refusal, Life::Stale, Why::Plain, out);
            return now(sent, origin(&refusal, Found::Asked, Duration::ZERO));
        }
        match self.cache.look(&asked.key) {
            Looked::Fresh { answer, life, age, prefetch } => {
                self.metrics.hit(Hit::of(answer.is_negative()));
                if prefetch && self.desk.try_send(Job::Refresh(asked.key.clone())).is_ok() {
                    self.metrics.prefetched();
                }
                let why = if answer.is_failure() { Why::Unreachable } else { Why::Plain };
                return now(asked.reply(&answer, life, why, out), origin(&answer, Found::Kept, age));
            }
            Looked::Stale { answer, age, hold: true } => {
                self.metrics.hit(Hit::of(answer.is_negative()));
                self.metrics.stale();
                return now(asked.reply(&answer, Life::Stale, Why::Stale, out), origin(&answer, Found::Stale, age));
            }
            Looked::Stale { .. } | Looked::Missing => self.metrics.missed(),
        }
        let waiter = Waiter { asked, deliver: deliver()? };
        match self.desk.try_send(Job::Ask(waiter)) {
            Ok(()) => Some(Passed::Later),
            Err(TrySendError::Full(job) | TrySendError::Closed(job)) => {
                self.metrics.rejected();
                let Job::Ask(Waiter { asked, .. }) = job else { return None };
                let failure = Answer::failure();
                let sent = asked.reply(&failure, Life::Stale, Why::Overloaded, out);
                now(sent, origin(&failure, Found::Asked, Duration::ZERO))
            }
        }
    }

    /// As [`Self::pass`], for those who wait, and also where nobody is asked: the answer is in `out` in any case. With `local` nobody else is asked.
    pub(crate) async fn finish(
        &self,
        (outcome, transport): (Outcome, Transport),
        message: &[u8],
        out: &mut [u8],
        local: bool,
    ) -> (Outcome, Option<Origin>) {
        if !self.asks() {
            return (outcome, None);
        }
        let (answer, answered) = oneshot::channel();
        let deliver = || -> Option<Deliver> {
            let deliver: Deliver = Box::new(move |message, sent, origin| {
                // The client may have gone.
                drop(answer.send((message.to_vec(), sent, origin.clone())));
            });
            (!local).then_some(deliver)
        };
        if let Passed::Now(outcome, origin) = self.pass((outcome, transport), message, out, deliver) {
            return (outcome, origin);
        }
        let Ok((message, sent, origin)) = answered.await else { return (Outcome::Dropped, None) };
        match out.get_mut(..message.len()) {
            Some(place) => place.copy_from_slice(&message),
            None => return (Outcome::Dropped, None),
        }
        (Outcome::Forward(sent), Some(origin))
    }
}

/// An answer of our own where others would be asked too: clients ask whether the server would, not whether it has.
fn offered(outcome: Outcome, out: &mut [u8]) -> Passed {
    if let Some(flags) = out.get_mut(3) {
        *flags |= FLAG_RECURSION_AVAILABLE;
    }
    Passed::Now(outcome, None)
}
