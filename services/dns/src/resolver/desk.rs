//! The desk: one task that knows which questions are being asked. Equal questions are asked once, and all who wait get the answer; a
//! bounded number is asked at the same time, and a bounded number of clients waits for each. It also follows the settings, and looks
//! after upstreams that do not answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use polder_core::dns::RecordType;
use polder_core::dns::resolver::reply::{Life, Why};
use polder_core::dns::resolver::{Answer, Asked, Key, Looked, Spec};
use polder_core::dns::wire::MOST_TCP;
use polder_core::dns::{DomainName, Rcode};
use polder_runtime::clock;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::exchange::{exchange, probe};
use super::servers::{Server, State};
use super::{Deliver, Found, Origin, Resolver};
use crate::names::{Names, Position};

/// The most clients that wait for one question, and for how many there is room for each question that may be asked at a time.
const MOST_WAITERS: usize = 256;
const WAITERS_EACH: usize = 4;
/// A client is given what is kept, in spite of its age, when no upstream has answered for so long (RFC 8767 §5).
const PATIENCE: Duration = Duration::from_millis(1800);
/// How often upstreams that do not answer are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often all upstreams are looked at, for whether what they are asked comes back to us.
const LOOP_LOOK: Duration = Duration::from_secs(300);

/// What the desk is given to do.
pub(crate) enum Job {
    /// A client waits.
    Ask(Waiter),
    /// An answer is to be fetched before its end.
    Refresh(Key),
}

/// A client that waits.
pub(crate) struct Waiter {
    pub(super) asked: Asked,
    pub(super) deliver: Deliver,
}

/// A question that is being asked.
struct Flight {
    task: Id,
    waiters: Vec<Waiter>,
}

/// What a task of the desk comes back with.
enum Done {
    Flight { key: Key, generation: u64, answer: Option<Answer> },
    Probe(Arc<Server>),
}

/// See the module.
pub(crate) struct Desk {
    resolver: Arc<Resolver>,
    queue: mpsc::Receiver<Job>,
    names: Arc<Names>,
    flights: HashMap<Key, Flight>,
    /// How many clients wait.
    waiting: usize,
    /// When the clients of a question are given what is kept; all wait equally long, so they come in order.
    patience: VecDeque<(Instant, Id, Key)>,
    tasks: JoinSet<Done>,
    next_loop_look: Instant,
    /// Room for any message.
    scratch: Vec<u8>,
}

impl Desk {
    pub(crate) fn new(resolver: Arc<Resolver>, queue: mpsc::Receiver<Job>, names: Arc<Names>) -> Self {
        Self {
            resolver,
            queue,
            names,
            flights: HashMap::new(),
            waiting: 0,
            patience: VecDeque::new(),
            tasks: JoinSet::new(),
            next_loop_look: clock::monotonic(),
            scratch: vec![0; usize::from(MOST_TCP)],
        }
    }

    /// Works until the stop. `position` moves when the settings may have changed. Clients that wait at the end get no answer.
    pub(crate) async fn run(mut self, mut position: watch::Receiver<Position>, stop: CancellationToken) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let impatient = self.patience.front().map(|(at, ..)| *at);
            tokio::select! {
                () = stop.cancelled() => return,
                Some(job) = self.queue.recv() => self.take(job),
                Some(ended) = self.tasks.join_next_with_id() => self.end(ended),
                () = sleep_until(impatient.unwrap_or_else(clock::monotonic)), if impatient.is_some() => self.lose_patience(),
                Ok(()) = position.changed() => self.follow(),
                _ = look.tick() => self.look_after(),
            }
            self.resolver.metrics.in_flight(self.flights.len());
        }
    }

    fn follow(&mut self) {
        let state = self.names.state();
        let spec = state.cluster.dns.resolver().map_or_else(Spec::default, |settings| settings.spec.clone());
        if self.resolver.set(&spec) {
            self.next_loop_look = clock::monotonic();
            self.look_after();
        }
    }

    fn take(&mut self, job: Job) {
        let state = self.resolver.state.load_full();
        let (key, waiter) = match job {
            Job::Ask(waiter) => (waiter.asked.key.clone(), Some(waiter)),
            Job::Refresh(key) => (key, None),
        };
        let most = usize::try_from(state.spec.in_flight).unwrap_or(usize::MAX);
        let room = match self.flights.get(&key) {
            Some(flight) => flight.waiters.len() < MOST_WAITERS && self.waiting < most.saturating_mul(WAITERS_EACH),
            None => self.flights.len() < most,
        };
        match (room, waiter) {
            (false, Some(waiter)) => self.reject(&state, waiter),
            // What is kept is still good.
            (false, None) => {}
            (true, waiter) => {
                self.waiting += usize::from(waiter.is_some());
                match self.flights.get_mut(&key) {
                    Some(flight) => flight.waiters.extend(waiter),
                    None => self.ask(&state, key, waiter),
                }
            }
        }
    }

    fn ask(&mut self, state: &Arc<State>, key: Key, waiter: Option<Waiter>) {
        let Some(route) = state.route(&key.name).cloned() else {
            // The settings have changed meanwhile.
            self.waiting -= usize::from(waiter.is_some());
            waiter.into_iter().for_each(|waiter| self.refuse(waiter));
            return;
        };
        let (resolver, state, asked) = (Arc::clone(&self.resolver), Arc::clone(state), key.clone());
        let task = self.tasks.spawn(async move {
            let answer = exchange(&route, &state.spec, &asked, &resolver.metrics).await;
            Done::Flight { key: asked, generation: state.generation, answer }
        });
        if matches!(self.resolver.cache.look(&key), Looked::Stale { .. }) {
            self.patience.push_back((clock::monotonic() + PATIENCE, task.id(), key.clone()));
        }
        self.flights.insert(key, Flight { task: task.id(), waiters: waiter.into_iter().collect() });
    }

    fn end(&mut self, ended: Result<(Id, Done), JoinError>) {
        let (key, generation, answer) = match ended {
            Ok((_, Done::Probe(server))) => return self.probed(&server),
            Ok((_, Done::Flight { key, generation, answer })) => (key, generation, answer),
            Err(error) => {
                tracing::error!("a question to upstreams failed: {error}");
                let lost = self.flights.iter().find(|(_, flight)| flight.task == error.id());
                let Some(key) = lost.map(|(key, _)| key.clone()) else { return };
                (key, self.resolver.state.load().generation, None)
            }
        };
        let Some(flight) = self.flights.remove(&key) else { return };
        self.waiting -= flight.waiters.len();
        let state = self.resolver.state.load_full();
        let kept = state.generation == generation;
        let rule = state.route(&key.name).map_or_else(DomainName::root, |route| route.domain.clone());
        let (answer, life, why, found, age) = match answer.map(Arc::new) {
            Some(answer) => {
                if kept {
                    self.resolver.cache.keep(&key, &answer);
                }
                let life = state.spec.cache.life(&answer, Duration::ZERO);
                (answer, life, Why::Plain, Found::Asked, Duration::ZERO)
            }
            None => match self.resolver.cache.fail(&key).filter(|_| kept) {
                Some((answer, age)) => (answer, Life::Stale, Why::Stale, Found::Stale, age),
                None => (Arc::new(Answer::failure()), Life::Stale, Why::Unreachable, Found::Asked, Duration::ZERO),
            },
        };
        let origin = Origin { rule, by: answer.by.clone(), found, age };
        for waiter in flight.waiters {
            self.deliver(waiter, &answer, (life, why), &origin);
        }
    }

    /// Gives what is kept to those who have waited long enough; the question itself goes on, for those who come later.
    fn lose_patience(&mut self) {
        let Some((_, task, key)) = self.patience.pop_front() else { return };
        let Some(flight) = self.flights.get_mut(&key).filter(|flight| flight.task == task) else { return };
        let Looked::Stale { answer, age, .. } = self.resolver.cache.look(&key) else { return };
        let waiters = std::mem::take(&mut flight.waiters);
        self.waiting -= waiters.len();
        let rule = self.resolver.state.load().route(&key.name).map_or_else(DomainName::root, |route| route.domain.clone());
        let origin = Origin { rule, by: answer.by.clone(), found: Found::Stale, age };
        for waiter in waiters {
            self.deliver(waiter, &answer, (Life::Stale, Why::Stale), &origin);
        }
    }

    fn deliver(&mut self, waiter: Waiter, answer: &Answer, (life, why): (Life, Why), origin: &Origin) {
        if why == Why::Stale {
            self.resolver.metrics.stale();
        }
        let Waiter { asked, deliver } = waiter;
        if let Some(sent) = asked.reply(answer, life, why, &mut self.scratch) {
            deliver(self.scratch.get(..sent.length).unwrap_or_default(), sent, origin);
        }
    }

    /// Too many questions: the client gets what is kept, else SERVFAIL, at once.
    fn reject(&mut self, state: &State, waiter: Waiter) {
        self.resolver.metrics.rejected();
        let rule = state.route(&waiter.asked.key.name).map_or_else(DomainName::root, |route| route.domain.clone());
        match self.resolver.cache.look(&waiter.asked.key) {
            Looked::Stale { answer, age, .. } => {
                let origin = Origin { rule, by: answer.by.clone(), found: Found::Stale, age };
                self.deliver(waiter, &answer, (Life::Stale, Why::Stale), &origin);
            }
            Looked::Fresh { .. } | Looked::Missing => {
                let origin = Origin { rule, by: None, found: Found::Asked, age: Duration::ZERO };
                self.deliver(waiter, &Answer::failure(), (Life::Stale, Why::Overloaded), &origin);
            }
        }
    }

    fn refuse(&mut self, waiter: Waiter) {
        let origin = Origin { rule: DomainName::root(), by: None, found: Found::Asked, age: Duration::ZERO };
        self.deliver(waiter, &Answer::empty(Rcode::Refused), (Life::Stale, Why::Plain), &origin);
    }

    /// Asks upstreams that do not answer, and from time to time all of them, for a name that only they can bring back to us.
    fn look_after(&mut self) {
        self.resolver.cache.measure();
        let state = self.resolver.state.load_full();
        let all = clock::monotonic() >= self.next_loop_look;
        if all {
            self.next_loop_look = clock::monotonic() + LOOP_LOOK;
        }
        for route in &state.routes {
            for server in route.servers.iter().filter(|server| all || server.is_down() || server.is_looped()) {
                let Some(name) = server.begin_probe(&route.domain) else { continue };
                let (server, metrics, within) = (Arc::clone(server), self.resolver.metrics.clone(), state.spec.timeout);
                self.tasks.spawn(async move {
                    probe(&server, &Key::plain(name, RecordType::TXT), within, &metrics).await;
                    Done::Probe(server)
                });
            }
        }
    }

    fn probed(&self, server: &Server) {
        let upstream = &server.upstream;
        match server.end_probe() {
            Some(true) => tracing::error!(
                %upstream,
                "an upstream asks this server what it is asked: a loop. It is not asked any more; take it out of the resolver settings, \
                 or this server out of its own"
            ),
            Some(false) => tracing::info!(%upstream, "an upstream does not ask this server any more; it is asked again"),
            None => {}
        }
        self.resolver.metrics.looped(upstream, server.is_looped());
    }
}
