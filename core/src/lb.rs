//! Services: their virtual IPs, their endpoints, and the decisions about them.

pub mod record;
pub mod view;

pub use record::{
    Affinity, Change, Condition, ConditionKind, Endpoint, External, FamilyPolicy, Protocol, Service, ServiceKey, ServicePort,
    ServiceSpec, ServiceType, TargetPort, TrafficPolicy, Vip,
};
pub use view::View;
