//! Which servers a name is asked of, and in which order.

use super::super::name::DomainName;
use super::settings::{Policy, Spec};
use super::upstream::Upstream;

/// The servers of one domain and all below it that no longer domain has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The domain; the root for the servers of all other names.
    pub domain: DomainName,
    /// Its servers.
    pub upstreams: Vec<Upstream>,
}

impl Spec {
    /// Every route, longer domains first: the first one that has a name is the one to take.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        let stubs = self.stubs.iter().map(|stub| Route { domain: stub.domain.clone(), upstreams: stub.upstreams.clone() });
        let others = Route { domain: DomainName::root(), upstreams: self.upstreams.clone() };
        let mut routes: Vec<Route> = stubs.chain([others]).filter(|route| !route.upstreams.is_empty()).collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.domain.as_wire().len()));
        routes
    }
}

/// The order in which servers are asked, as places in `up`, which says of each whether it answers. Those that do not come last: with
/// none left they are better than nobody. `turn` counts the questions, `random` is drawn anew for each.
#[must_use]
pub fn order(policy: Policy, up: &[bool], turn: u64, random: u64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..up.len()).collect();
    let count = u64::try_from(up.len()).unwrap_or(u64::MAX).max(1);
    match policy {
        Policy::Sequential => {}
        Policy::RoundRobin => places.rotate_left(usize::try_from(turn % count).unwrap_or_default()),
        Policy::Random => {
            let mut left = random;
            for at in (1..places.len()).rev() {
                let choices = u64::try_from(at).unwrap_or_default() + 1;
                places.swap(at, usize::try_from(left % choices).unwrap_or_default());
                left /= choices;
            }
        }
    }
    places.sort_by_key(|place| !up.get(*place).copied().unwrap_or_default());
    places
}
