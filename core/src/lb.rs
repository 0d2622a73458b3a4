//! Services: their virtual IPs, their endpoints, how they are advertised, and the decisions about all that.

mod address;
pub mod announce;
mod ask;
mod assign;
pub mod audit;
pub mod bgp;
mod brief;
pub mod check;
mod choose;
mod conflict;
pub mod dataplane;
pub mod endpoints;
pub mod explain;
mod families;
pub mod health;
mod immutable;
pub mod plan;
mod pools;
pub mod reassign;
pub mod record;
pub mod rest;
mod runs;
mod selecting;
mod sharing;
mod space;
pub mod touched;
pub mod view;

pub use address::{CLASS, is_foreign};
pub use ask::Side;
pub use audit::audit;
pub use brief::{Brief, BriefRef};
pub use choose::Trial;
pub use endpoints::endpoints;
pub use explain::{Explanation, explain};
pub use plan::{Decision, Draft, Wishes};
pub use reassign::{Scope, reassign};
pub use record::{
    Affinity, Change, Condition, ConditionKind, Endpoint, External, FamilyPolicy, Protocol, Rest, Service, ServiceKey, ServicePort,
    ServiceSpec, ServiceType, TargetPort, TrafficPolicy, Vip,
};
pub use touched::touched;
pub use view::View;

#[cfg(test)]
mod tests;
