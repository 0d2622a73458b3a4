//! What this server has seen of its clients: which names are asked for most, which queries it could not answer, and lines in the log.
//! All of it is in memory, bounded, of this process alone, and gone with it.
//!
//! A query that is answered costs two comparisons here; one in [`SAMPLE`] is counted by name, by a thread that has a table of its own.

mod log;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polder_core::dns::pace::Pace;
use polder_core::dns::top::Top;
use polder_core::dns::wire::Question;
use polder_core::dns::{DomainName, Rcode, RecordType, Scope, Seed, Sent};
use polder_core::time::Timestamp;
use polder_runtime::clock;
use polder_runtime::metrics::Metrics;
use tokio::time::Instant;

pub use self::log::LogConfig;
use self::log::{Line, Log};
use crate::metrics::Lost;
use crate::resolver::{Found, Origin};

/// One in so many queries is counted by name. Clients ask in pairs and fours: a prime number meets each of them.
pub(crate) const SAMPLE: u32 = 17;
/// Failures that are kept.
pub(crate) const MOST_FAILURES: usize = 256;
/// Failures that are looked at in a second: more of them are counted only.
const FAILURES_A_SECOND: u32 = 1000;

/// A query that could not be answered.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) at: Timestamp,
    pub(crate) client: Option<IpAddr>,
    pub(crate) proto: &'static str,
    pub(crate) question: Option<(DomainName, RecordType)>,
    pub(crate) rcode: Option<Rcode>,
    pub(crate) why: &'static str,
}

/// What was asked for most.
#[derive(Debug, Default)]
pub(crate) struct TopNames {
    pub(crate) since: Timestamp,
    pub(crate) queries: u64,
    /// With the number of queries, and by how many that may be too high.
    pub(crate) names: Vec<(DomainName, RecordType, u64, u64)>,
}

/// See the module.
pub(crate) struct Seen {
    seed: Seed,
    began: Instant,
    tops: Mutex<Vec<Arc<Mutex<Top>>>>,
    failures: Mutex<VecDeque<Failure>>,
    failed: AtomicU64,
    pace: Pace,
    log: Log,
}

/// What becomes of a query.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    Answered(Sent),
    Lost(Lost),
}

/// A query at its end.
pub(crate) struct End<'a> {
    pub(crate) client: Option<IpAddr>,
    pub(crate) query: &'a [u8],
    pub(crate) fate: Fate,
    /// Where the answer was found, when it is not all ours.
    pub(crate) origin: Option<&'a Origin>,
    pub(crate) began: Instant,
}

impl Seen {
    pub(crate) fn new(seed: Seed, log: LogConfig, metrics: &Metrics) -> Self {
        Self {
            seed,
            began: clock::monotonic(),
            tops: Mutex::default(),
            failures: Mutex::new(VecDeque::with_capacity(MOST_FAILURES)),
            failed: AtomicU64::new(0),
            pace: Pace::new(FAILURES_A_SECOND),
            log: Log::new(log, metrics),
        }
    }

    /// For one thread, or those of one kind.
    pub(crate) fn eye(self: &Arc<Self>, proto: &'static str) -> Eye {
        let top = Arc::new(Mutex::new(Top::new(self.seed, self.began.elapsed())));
        locked(&self.tops).push(Arc::clone(&top));
        Eye { seen: Arc::clone(self), top, proto }
    }

    /// The names that were asked for most.
    pub(crate) fn top(&self, limit: usize) -> TopNames {
        let now = self.began.elapsed();
        let mut counts: HashMap<(DomainName, RecordType), (u64, u64)> = HashMap::new();
        let (mut queries, mut since) = (0, now);
        for top in locked(&self.tops).iter() {
            let mut top = locked(top);
            top.turn(now);
            queries += top.total();
            since = since.min(top.since());
            for counted in top.counted() {
                let Some(name) = DomainName::from_wire(counted.name) else { continue };
                let (count, error) = counts.entry((name, counted.rtype)).or_default();
                (*count, *error) = (*count + u64::from(counted.count), *error + u64::from(counted.error));
            }
        }
        let each = u64::from(SAMPLE);
        let times = |((name, rtype), (count, error))| (name, rtype, count * each, error * each);
        let mut names: Vec<_> = counts.into_iter().map(times).collect();
        names.sort_by(|(a, _, more, _), (b, _, less, _)| less.cmp(more).then_with(|| a.cmp(b)));
        names.truncate(limit);
        let ago = u64::try_from(now.saturating_sub(since).as_micros()).unwrap_or(u64::MAX);
        TopNames { since: Timestamp(clock::now().0.saturating_sub(ago)), queries: queries * each, names }
    }

    /// The newest failures, and how many there were.
    pub(crate) fn failures(&self, limit: usize) -> (Vec<Failure>, u64) {
        let newest = locked(&self.failures).iter().rev().take(limit).cloned().collect();
        (newest, self.failed.load(Ordering::Relaxed))
    }

    fn keep(&self, failure: Failure) {
        let mut failures = locked(&self.failures);
        if failures.len() >= MOST_FAILURES {
            failures.pop_front();
        }
        failures.push_back(failure);
    }
}

/// What looks at the queries of one thread, or of those of one kind.
#[derive(Clone)]
pub(crate) struct Eye {
    seen: Arc<Seen>,
    top: Arc<Mutex<Top>>,
    proto: &'static str,
}

impl Eye {
    /// Looks at the query with this number, which came at `began`.
    #[inline]
    pub(crate) fn arrived(&self, turn: u32, query: &[u8], began: Instant) {
        if turn.is_multiple_of(SAMPLE) {
            self.count(query, began);
        }
    }

    fn count(&self, query: &[u8], began: Instant) {
        // While somebody reads the table a query is not counted; nobody waits.
        if let Some(question) = Question::read(query)
            && let Ok(mut top) = self.top.try_lock()
        {
            top.add(question.name(), question.rtype, began.saturating_duration_since(self.seen.began));
        }
    }

    /// Looks at it again when it is answered, or lost.
    #[inline]
    pub(crate) fn ended(&self, turn: u32, end: &End<'_>) {
        let why = end.fate.why(end.origin.is_some());
        if why.is_some() || self.seen.log.samples(turn) {
            self.tell(turn, end, why);
        }
    }

    fn tell(&self, turn: u32, end: &End<'_>, why: Option<&'static str>) {
        let seen = &self.seen;
        let second = seen.began.elapsed().as_secs();
        if let Some(why) = why {
            seen.failed.fetch_add(1, Ordering::Relaxed);
            if seen.pace.pass(second) {
                let question = Question::read(end.query);
                let question = question.and_then(|asked| Some((DomainName::from_wire(asked.name())?, asked.rtype)));
                let (at, rcode) = (clock::now(), end.fate.rcode());
                seen.keep(Failure { at, client: end.client, proto: self.proto, question, rcode, why });
            }
        }
        if seen.log.wants(turn, why.is_some()) {
            let line = Line { client: end.client, proto: self.proto, question: Question::read(end.query), rcode: end.fate.rcode() };
            seen.log.write(second, &line, (end.found(), why.unwrap_or_default()), end.began.elapsed());
        }
    }
}

impl End<'_> {
    fn found(&self) -> &'static str {
        match (self.origin.map(|origin| origin.found), self.fate) {
            (Some(Found::Kept), _) => "cache",
            (Some(Found::Stale), _) => "stale",
            (Some(Found::Asked), _) => "upstream",
            (None, Fate::Answered(Sent { scope: Scope::Unknown | Scope::Outside, .. }) | Fate::Lost(_)) => "nowhere",
            (None, Fate::Answered(_)) => "authority",
        }
    }
}

impl Fate {
    const fn rcode(self) -> Option<Rcode> {
        match self {
            Self::Answered(sent) => Some(sent.rcode),
            Self::Lost(_) => None,
        }
    }

    /// Why it is a failure, if it is one. A client that has to show its cookie is none.
    const fn why(self, by_others: bool) -> Option<&'static str> {
        let Sent { rcode, scope, .. } = match self {
            Self::Answered(sent) => sent,
            Self::Lost(Lost::Unreadable) => return Some("it is no query"),
            Self::Lost(Lost::Limited) => return Some("its network of clients has had too many answers in this second"),
            Self::Lost(Lost::Unsent) => return Some("the answer could not be sent"),
        };
        Some(match (rcode, scope) {
            (Rcode::NoError | Rcode::NxDomain | Rcode::BadCookie, _) => return None,
            (Rcode::FormErr, _) => "the query cannot be read",
            (Rcode::NotImp, _) => "it asks for an operation that is not offered",
            (Rcode::BadVers, _) => "it speaks a version of EDNS that is not spoken here",
            (Rcode::Refused, Scope::Outside) if by_others => "an upstream refuses to answer",
            (Rcode::Refused, Scope::Outside) => "the name is in no zone of ours, and no upstream is asked for it",
            (Rcode::Refused, _) => "it asks for another class than IN, or for a transfer",
            (Rcode::ServFail, Scope::Outside) => "no upstream gives an answer",
            (Rcode::ServFail, Scope::Unknown) => "the store has not been read yet",
            (Rcode::ServFail, _) => "its aliases are too many, or a ring",
            (Rcode::Other(_), _) => "an upstream answers with another code",
        })
    }
}

/// What is behind these locks is whole after every step.
fn locked<T: ?Sized>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
