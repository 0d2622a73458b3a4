//! The servers of every route as the settings say, and how they are.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use polder_core::dns::DomainName;
use polder_core::dns::cookie::Secret;
use polder_core::dns::resolver::{Spec, Upstream, order};
use polder_runtime::entropy;

use super::lines::Lines;
use super::plain::Plain;
use super::trust::Trust;

/// A server that has not answered so often in a row counts as down.
const MOST_FAILURES: u32 = 2;
/// How the names of our own probes begin.
const PROBE: &str = "polder-loop-";

/// How a server is asked.
pub(super) enum Way {
    /// By UDP and TCP.
    Plain(Plain),
    /// Over TLS.
    Tls(Lines),
}

/// What servers are asked with.
#[derive(Clone)]
pub(super) struct Means {
    /// Whom those that are asked over TLS are certified by.
    pub(super) trust: Arc<Trust>,
    /// What cookies for the others are made with.
    pub(super) secret: Secret,
}

/// A server of one route.
pub(super) struct Server {
    pub(super) upstream: Upstream,
    pub(super) way: Way,
    /// How often in a row it has not answered.
    failures: AtomicU32,
    /// What it is asked comes back to us: it is not asked.
    looped: AtomicBool,
    /// The name that the probe under way asks for, and whether it came back.
    probe: Mutex<Option<(DomainName, bool)>>,
}

impl Server {
    fn new(upstream: &Upstream, means: &Means) -> Self {
        let way = match &upstream.tls {
            None => Way::Plain(Plain::new(upstream.address, means.secret)),
            Some(shows) => Way::Tls(Lines::new(upstream.address, shows.clone(), Arc::clone(&means.trust))),
        };
        Self {
            upstream: upstream.clone(),
            way,
            failures: AtomicU32::new(0),
            looped: AtomicBool::new(false),
            probe: Mutex::new(None),
        }
    }

    pub(super) fn answered(&self) {
        if self.failures.swap(0, Ordering::Relaxed) >= MOST_FAILURES {
            tracing::info!(upstream = %self.upstream, "an upstream answers again");
        }
    }

    pub(super) fn was_silent(&self, why: &str) {
        let before = self.failures.load(Ordering::Relaxed);
        self.failures.store(before.saturating_add(1), Ordering::Relaxed);
        if before + 1 == MOST_FAILURES {
            tracing::warn!(upstream = %self.upstream, "an upstream does not answer: {why}; it is asked last until it does");
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= MOST_FAILURES
    }

    pub(super) fn is_looped(&self) -> bool {
        self.looped.load(Ordering::Relaxed)
    }

    /// A name in `domain` that nobody can guess, to be asked of the server now; `None` while another probe is under way.
    pub(super) fn begin_probe(&self, domain: &DomainName) -> Option<DomainName> {
        let mut probe = self.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if probe.is_some() {
            return None;
        }
        let name = domain.child(&format!("{PROBE}{:032x}", entropy::draw().0))?;
        *probe = Some((name.clone(), false));
        Some(name)
    }

    /// Notes that somebody asks us for the name of the probe under way. Says whether it is that.
    fn comes_back(&self, name: &DomainName) -> bool {
        let mut probe = self.probe.lock().unwrap_or_else(PoisonError::into_inner);
        match probe.as_mut() {
            Some((own, back)) if own == name => {
                *back = true;
                true
            }
            _ => false,
        }
    }

    /// Ends the probe under way. Gives whether the server is in a loop, where that has changed.
    pub(super) fn end_probe(&self) -> Option<bool> {
        let back = self.probe.lock().unwrap_or_else(PoisonError::into_inner).take().is_some_and(|(_, back)| back);
        (self.looped.swap(back, Ordering::Relaxed) != back).then_some(back)
    }
}

/// A domain with its servers.
pub(super) struct Route {
    /// The root for all names that no other route has.
    pub(super) domain: DomainName,
    pub(super) servers: Vec<Arc<Server>>,
    turn: AtomicU64,
}

impl Route {
    /// Whom to ask, in order, without those that ask us; and whether any of them is thought to answer.
    pub(super) fn order(&self, spec: &Spec) -> (Vec<Arc<Server>>, bool) {
        let able: Vec<&Arc<Server>> = self.servers.iter().filter(|server| !server.is_looped()).collect();
        let up: Vec<bool> = able.iter().map(|server| !server.is_down()).collect();
        let random = u64::try_from(entropy::draw().0 >> 64).unwrap_or_default();
        let places = order(spec.policy, &up, self.turn.fetch_add(1, Ordering::Relaxed), random);
        let servers = places.iter().filter_map(|place| able.get(*place).copied().cloned()).collect();
        (servers, up.contains(&true))
    }

    /// Whether the name is that of a probe of ours which came back; then that is noted.
    pub(super) fn is_own_probe(&self, name: &DomainName) -> bool {
        let label = name.as_wire().get(1..=PROBE.len());
        label == Some(PROBE.as_bytes()) && self.servers.iter().any(|server| server.comes_back(name))
    }
}

/// The settings in force.
pub(super) struct State {
    pub(super) spec: Spec,
    /// Longer domains first.
    pub(super) routes: Vec<Arc<Route>>,
    /// Counts the changes of the routes: what was asked under an older one is not kept.
    pub(super) generation: u64,
    means: Means,
}

impl State {
    pub(super) fn nothing(means: Means) -> Self {
        Self { spec: Spec::default(), routes: Vec::new(), generation: 0, means }
    }

    /// The state under new settings. Routes that stay as they were keep what is known of their servers.
    pub(super) fn next(&self, spec: Spec) -> Self {
        let routes = spec.routes().into_iter().map(|route| {
            let known = self.routes.iter().find(|known| known.domain == route.domain);
            let server = |upstream: &Upstream| {
                let before = known.iter().flat_map(|known| &known.servers).find(|server| server.upstream == *upstream);
                before.map_or_else(|| Arc::new(Server::new(upstream, &self.means)), Arc::clone)
            };
            let servers = route.upstreams.iter().map(server).collect();
            Arc::new(Route { domain: route.domain, servers, turn: AtomicU64::new(0) })
        });
        let same = (&self.spec.upstreams, &self.spec.stubs) == (&spec.upstreams, &spec.stubs);
        Self { routes: routes.collect(), generation: self.generation + u64::from(!same), spec, means: self.means.clone() }
    }

    /// Who is asked for a name.
    pub(super) fn route(&self, name: &DomainName) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| name.is_under(&route.domain))
    }
}
