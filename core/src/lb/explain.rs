//! Why a service is as it is, step by step, from the same code that decides.

use std::fmt;

use super::address::{Addressed, State, address, is_foreign};
use super::ask::Side;
use super::choose::Trial;
use super::endpoints::endpoints;
use super::plan::find;
use super::record::{ConditionKind, Service, ServiceKey, ServiceType, TrafficPolicy, Vip};
use super::{announce, bgp};
use crate::cluster::Cluster;
use crate::reason::{Reason, Refusal};
use crate::time::Timestamp;

/// What a step looks at, in the order in which the steps depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// The service's type and what it brings.
    Type,
    /// Who serves its outside.
    Class,
    /// Its address families.
    Families,
    /// Whether a pool may serve it.
    Pools,
    /// Whether it has, or can have now, its addresses.
    Address,
    /// Whether anything stands behind it.
    Endpoints,
    /// Whether nodes could answer for its external addresses.
    Nodes,
    /// Whether one does.
    Announcement,
    /// Whether routers are told of them.
    Bgp,
}

impl Check {
    /// The name of the step in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Class => "class",
            Self::Families => "families",
            Self::Pools => "pools",
            Self::Address => "address",
            Self::Endpoints => "endpoints",
            Self::Nodes => "nodes",
            Self::Announcement => "announcement",
            Self::Bgp => "bgp",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a step came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Well,
    /// It is not, for this reason.
    Bad(Reason),
    /// An earlier step stands in the way.
    Unknown,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was looked at.
    pub check: Check,
    /// How it came out.
    pub verdict: Verdict,
    /// For people, with the values.
    pub message: String,
}

/// Why a service is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The service as planning would leave it now.
    pub outcome: Service,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// How every pool was judged for the addresses that are missing.
    pub trials: Vec<(Side, Trial)>,
}

/// Explains a service on this state.
///
/// # Errors
/// [`Reason::ServiceNotFound`].
pub fn explain(cluster: &Cluster, key: &ServiceKey, now: Timestamp) -> Result<Explanation, Refusal> {
    let before = find(cluster, key)?;
    let mut steps = vec![kind(before)];
    let addressed = match address(State::at(cluster, now), Service::clone(before), Some(before)) {
        Ok(addressed) => addressed,
        Err(refusal) => {
            steps.push(step(Check::Families, Verdict::Bad(refusal.reason), refusal.message.clone()));
            return Ok(Explanation { outcome: Service::clone(before), steps, trials: Vec::new() });
        }
    };
    steps.extend(class(before));
    if Side::Cluster.belongs_to(before.spec.service_type) {
        let families = addressed.service.families().iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        let text = if families.is_empty() { "it speaks no family yet".to_owned() } else { format!("it speaks {families}") };
        steps.push(step(Check::Families, Verdict::Well, text));
    }
    for side in [Side::Cluster, Side::External] {
        let foreign = side == Side::External && is_foreign(&before.spec);
        if side.belongs_to(before.spec.service_type) && !foreign {
            steps.extend(addresses(side, before, &addressed));
        }
    }
    if let Some(dispute) = addressed.service.condition(ConditionKind::AddressConflict) {
        steps.push(step(Check::Address, Verdict::Bad(dispute.reason), dispute.message.clone()));
    }
    if before.spec.service_type != ServiceType::ExternalName {
        steps.push(behind(cluster, before));
    }
    steps.extend(announce::explain::steps(cluster, before));
    steps.extend(bgp::steps(cluster, before));
    Ok(Explanation { outcome: addressed.service, steps, trials: addressed.trials })
}

const fn step(check: Check, verdict: Verdict, message: String) -> Step {
    Step { check, verdict, message }
}

fn kind(service: &Service) -> Step {
    if service.spec.node_ports {
        let text = "type NodePort is served as ClusterIP; ports on the nodes are not offered. Use type LoadBalancer.".to_owned();
        return step(Check::Type, Verdict::Bad(Reason::TypeNotOffered), text);
    }
    let text = match service.spec.service_type {
        ServiceType::ClusterIp => "ClusterIP: it is reached inside the cluster only".to_owned(),
        ServiceType::Headless => "headless: its name answers with its endpoints, it has no address of its own".to_owned(),
        ServiceType::LoadBalancer => "LoadBalancer: it is reached inside the cluster and from outside".to_owned(),
        ServiceType::ExternalName => format!("ExternalName: its name is an alias of {}", service.spec.external_name),
    };
    step(Check::Type, Verdict::Well, text)
}

fn class(service: &Service) -> Option<Step> {
    let class = &service.spec.external.class;
    (service.spec.service_type == ServiceType::LoadBalancer).then(|| match is_foreign(&service.spec) {
        true => {
            let text = format!("class `{class}` asks for another load balancer; Polder gives it no external IP");
            step(Check::Class, Verdict::Bad(Reason::LoadBalancerClassForeign), text)
        }
        false => step(Check::Class, Verdict::Well, "Polder serves it".to_owned()),
    })
}

/// The steps of one side: pools that may serve it, and its addresses.
fn addresses(side: Side, before: &Service, addressed: &Addressed) -> [Step; 2] {
    let listed =
        |vips: &[Vip]| vips.iter().map(|vip| format!("{} from pool `{}`", vip.address, vip.pool)).collect::<Vec<_>>().join(", ");
    let (held, now) = (side.held(before), side.held(&addressed.service));
    let noun = side.noun();
    let failure = addressed.failures.iter().find(|(failed, _)| *failed == side).map(|(_, refusal)| refusal);
    let Some(refusal) = failure else {
        let text = match held == now {
            true => format!("{noun}: it holds {}", listed(now)),
            false => format!("{noun}: it is about to get {}", listed(now)),
        };
        let pools = now.iter().map(|vip| vip.pool.to_string()).collect::<Vec<_>>().join(", ");
        return [
            step(Check::Pools, Verdict::Well, format!("{noun}: served by {pools}")),
            step(Check::Address, Verdict::Well, text),
        ];
    };
    let serving = |trial: &&(Side, Trial)| {
        trial.0 == side && trial.1.outcome.as_ref().map_or_else(|refusal| refusal.reason == Reason::PoolExhausted, |_| true)
    };
    let pools = addressed.trials.iter().filter(serving).map(|(_, trial)| trial.pool.to_string()).collect::<Vec<_>>().join(", ");
    let keeps = if now.is_empty() { String::new() } else { format!(" Until then it keeps {}.", listed(now)) };
    let (about_pools, verdict) = match (refusal.reason, pools.as_str()) {
        (
            Reason::NoEligiblePool
            | Reason::NamespaceNotAllowed
            | Reason::PoolNotFound
            | Reason::PoolDraining
            | Reason::PoolDisabled,
            _,
        ) => (step(Check::Pools, Verdict::Bad(refusal.reason), format!("{noun}: {}", refusal.message)), Verdict::Unknown),
        (reason, "") => (step(Check::Pools, Verdict::Unknown, format!("{noun}: no pool was asked")), Verdict::Bad(reason)),
        (reason, _) => (step(Check::Pools, Verdict::Well, format!("{noun}: may come from {pools}")), Verdict::Bad(reason)),
    };
    [about_pools, step(Check::Address, verdict, format!("{}{keeps}", refusal.message))]
}

fn behind(cluster: &Cluster, service: &Service) -> Step {
    let all = endpoints(cluster, service);
    let ready = all.iter().filter(|endpoint| endpoint.ready).count();
    let source = match service.spec.selector.is_empty() {
        true => "it was given".to_owned(),
        false => format!("selector {} matches", service.spec.selector),
    };
    let local = service.spec.service_type == ServiceType::LoadBalancer && service.spec.external_policy == TrafficPolicy::Local;
    let mut nodes: Vec<_> = all.iter().filter(|endpoint| endpoint.ready).filter_map(|endpoint| endpoint.node.as_ref()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let where_from = if local { format!(", on {} nodes that may take its traffic", nodes.len()) } else { String::new() };
    let noun = if all.len() == 1 { "endpoint" } else { "endpoints" };
    let text = format!("{source} {} {noun}, {ready} ready{where_from}", all.len());
    match ready {
        0 => step(Check::Endpoints, Verdict::Bad(Reason::NoReadyEndpoints), text),
        _ => step(Check::Endpoints, Verdict::Well, text),
    }
}
