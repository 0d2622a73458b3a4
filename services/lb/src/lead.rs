//! Which replica leads, and what it knows while it does.
//!
//! One replica at a time grants nodes the right to answer for addresses. It holds the key `/polder/lb/lead`, put by create on a
//! lease of the store, and what it knows is in its memory only: which rights it has granted, which nodes it has heard of. A crash
//! leaves the key until its lease ends; the next lead extends what nodes still hold and waits a time to live before it grants
//! anything else ([`Rights`]). Everything a lead does is done through [`Lead::with`], which does nothing once the lease may have
//! run out at the store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use polder_core::lb::announce::{Moment, Presence, Rights, Tenure};
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal};
use polder_proto::state::v1 as stored;
use polder_proto::stored::Stored;
use polder_runtime::clock;
use polder_runtime::metrics::Metrics;
use polder_store::backend::{Guard, LeaseId};
use polder_store::{Commit, Error, Mirror, Outcome, Store, Write};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prost::Message as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::convergence::Words;

/// The key of the lead.
const KEY: &str = "/polder/lb/lead";
/// The form of its value.
const VERSION: u32 = 1;
/// The time between two looks at a lead that somebody else has.
const LOOK: Duration = Duration::from_millis(250);
/// How long a new lead waits for a view that shows everything its predecessors did.
const CATCH_UP: Duration = Duration::from_secs(2);
/// How many times to live nodes have to find a new lead before they count as silent.
const GRACE: u32 = 3;

/// What a lead knows.
pub(crate) struct Reign {
    tenure: Tenure,
    /// Who may answer for what.
    pub(crate) rights: Rights,
    /// Who is heard of.
    pub(crate) presence: Presence,
    /// How far nodes have come.
    pub(crate) words: Words,
}

/// Times of the lead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// How long a right to answer lasts.
    pub(crate) right: Duration,
    /// How long the lead lasts without renewal.
    pub(crate) lead: Duration,
}

/// The lead as one replica sees it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lead(Arc<Shared>);

struct Shared {
    origin: Instant,
    me: stored::Leader,
    times: Times,
    reign: Mutex<Option<Reign>>,
    known: watch::Sender<Option<stored::Leader>>,
    stirred: Notify,
    progress: watch::Sender<u64>,
    leading: Gauge,
    taken: Counter,
    conflicts: Counter,
}

impl Lead {
    /// The lead as a replica of this name and address begins to see it: nobody's.
    pub(crate) fn new(replica: String, address: String, times: Times, metrics: &Metrics) -> Self {
        let (leading, taken, conflicts) = (Gauge::default(), Counter::default(), Counter::default());
        metrics.register(|registry| {
            registry.register("polder_lb_leading", "Whether this replica grants the right to answer", leading.clone());
            registry.register("polder_lb_leads_taken", "How often this replica has taken the lead", taken.clone());
            let conflicted = "Reports of nodes that a stranger answers for an external address";
            registry.register("polder_lb_announcement_conflicts", conflicted, conflicts.clone());
        });
        Self(Arc::new(Shared {
            origin: clock::monotonic(),
            me: stored::Leader { version: VERSION, replica, address },
            times,
            reign: Mutex::new(None),
            known: watch::Sender::new(None),
            stirred: Notify::new(),
            progress: watch::Sender::new(0),
            leading,
            taken,
            conflicts,
        }))
    }

    /// How long a right to answer lasts.
    pub(crate) fn ttl(&self) -> Duration {
        self.0.times.right
    }

    /// Does something as the lead, at this moment; nothing, and `None`, when this replica does not lead for sure.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Reign, Moment) -> T) -> Option<T> {
        let mut reign = self.0.reign.lock().unwrap_or_else(PoisonError::into_inner);
        // Read inside the lock: whoever waits for it must not act on an old time.
        let now = self.now();
        reign.as_mut().filter(|reign| reign.tenure.holds(now)).map(|reign| act(reign, now))
    }

    /// The refusal of something that only the lead can do.
    pub(crate) fn refusal(&self) -> Refusal {
        let known = self.0.known.borrow().clone();
        let message = match &known {
            Some(leader) if !leader.address.is_empty() => {
                format!("This replica does not lead; the one at {} does. Ask that one.", leader.address)
            }
            Some(leader) => format!("This replica does not lead; replica {} does. Ask the others.", leader.replica),
            None => "No replica is known to lead now. Try again in a moment.".to_owned(),
        };
        let refusal = Refusal::new(Reason::NotLeading, message).retry_in(LOOK);
        match known {
            Some(leader) => refusal.with("leader", leader.address).with("leader_replica", leader.replica),
            None => refusal,
        }
    }

    /// Says that something has changed which the announcer should look at.
    pub(crate) fn stir(&self) {
        self.0.stirred.notify_one();
    }

    /// Waits until something has changed.
    pub(crate) async fn stirred(&self) {
        self.0.stirred.notified().await;
    }

    /// Whether this replica leads for sure.
    pub(crate) fn leads(&self) -> bool {
        self.with(|_, _| ()).is_some()
    }

    /// Where the replica serves that leads, when it is another one and says so.
    pub(crate) fn address(&self) -> Option<String> {
        let known = self.0.known.borrow();
        let other = known.as_ref().filter(|leader| leader.replica != self.0.me.replica && !leader.address.is_empty());
        other.map(|leader| leader.address.clone())
    }

    /// Says that a node has come further.
    pub(crate) fn progressed(&self) {
        self.0.progress.send_modify(|count| *count += 1);
    }

    /// Counts that a stranger answers for an address.
    pub(crate) fn conflicted(&self) {
        self.0.conflicts.inc();
    }

    /// Waits until a node has come further.
    pub(crate) async fn progress(&self) {
        drop(self.0.progress.subscribe().changed().await);
    }

    /// The moment, later, as a point in the time of the runtime.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        self.0.origin + moment
    }

    fn now(&self) -> Moment {
        clock::monotonic().duration_since(self.0.origin)
    }

    /// Leads whenever nobody else does, until the stop; then gives the lead up at once.
    pub(crate) async fn run(self, mirror: Mirror<Stored>, stop: CancellationToken) {
        let mut lease = None;
        stop.run_until_cancelled(self.work(&mirror, &mut lease)).await;
        if self.step_down() {
            tracing::info!(replica = %self.0.me.replica, "this replica gives up the lead, because it ends");
        }
        if let Some(lease) = lease {
            drop(mirror.store().revoke(lease).await);
        }
    }

    async fn work(&self, mirror: &Mirror<Stored>, lease: &mut Option<LeaseId>) {
        loop {
            match self.campaign(mirror, lease).await {
                Ok(true) => self.reign(mirror.store(), lease).await,
                Ok(false) => {}
                Err(refusal) => tracing::debug!(%refusal, "the lead could not be asked for; it will be tried again"),
            }
            if self.step_down() {
                tracing::warn!(replica = %self.0.me.replica, "this replica does not lead any more: its lease could not be renewed in time");
            }
            if let Some(old) = lease.take() {
                drop(mirror.store().revoke(old).await);
            }
            sleep(LOOK).await;
        }
    }

    /// Takes the lead if nobody has it. What is in `lease` afterwards has to be revoked, whatever the outcome.
    async fn campaign(&self, mirror: &Mirror<Stored>, lease: &mut Option<LeaseId>) -> Result<bool, Refusal> {
        let store = mirror.store();
        let (entry, _) = store.get(KEY.as_bytes()).await?;
        if let Some(entry) = entry {
            self.0.known.send_replace(stored::Leader::decode(entry.value).ok());
            return Ok(false);
        }
        self.0.known.send_replace(None);
        let sent = self.now();
        let granted = store.grant(self.0.times.lead).await?.id;
        *lease = Some(granted);
        let write = Write::Put { key: KEY.into(), value: self.0.me.encode_to_vec().into(), lease: Some(granted) };
        let commit = Commit { guards: vec![Guard::Absent(KEY.into())], writes: vec![write] };
        if matches!(store.commit(commit).await?, Outcome::Conflict { .. }) {
            return Ok(false);
        }
        // Rights are judged by assignments: every one that an earlier lead acted on has to be in the view.
        let snapshot = mirror.latest(CATCH_UP).await?;
        self.begin(Tenure::new(self.0.times.lead, sent), snapshot.view.lb.board().nodes().cloned().collect());
        Ok(true)
    }

    fn begin(&self, tenure: Tenure, answering: Vec<Name>) {
        let (now, ttl) = (self.now(), self.0.times.right);
        let presence = Presence::new(ttl, &answering, ttl * GRACE, now);
        let reign = Reign { tenure, rights: Rights::new(ttl, now), presence, words: Words::default() };
        *self.0.reign.lock().unwrap_or_else(PoisonError::into_inner) = Some(reign);
        self.0.known.send_replace(Some(self.0.me.clone()));
        self.0.leading.set(1);
        self.0.taken.inc();
        tracing::info!(replica = %self.0.me.replica, "this replica leads: it grants nodes the right to answer for addresses");
        self.stir();
    }

    /// Renews the lease until it is lost.
    async fn reign(&self, store: &Store, lease: &Option<LeaseId>) {
        let Some(lease) = *lease else { return };
        loop {
            sleep(self.0.times.lead / 4).await;
            let sent = self.now();
            match self.renew(store, lease).await {
                Ok(true) => drop(self.with(|reign, _| reign.tenure.renewed(sent))),
                Ok(false) => return,
                Err(error) => tracing::debug!(%error, "the lead could not be renewed; it will be tried again"),
            }
            if self.with(|_, _| ()).is_none() {
                return;
            }
        }
    }

    /// Whether the lease was renewed and the key is still this replica's: somebody may have deleted it by hand.
    async fn renew(&self, store: &Store, lease: LeaseId) -> Result<bool, Error> {
        match store.keep_alive(lease).await {
            Ok(_) => {
                let (entry, _) = store.get(KEY.as_bytes()).await?;
                Ok(entry.is_some_and(|entry| entry.value == self.0.me.encode_to_vec()))
            }
            Err(Error::LeaseGone(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Leads no more; whether it did.
    fn step_down(&self) -> bool {
        let led = self.0.reign.lock().unwrap_or_else(PoisonError::into_inner).take().is_some();
        if led {
            self.0.leading.set(0);
            self.0.known.send_replace(None);
        }
        led
    }
}
