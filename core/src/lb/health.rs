//! How nodes find out by themselves whether what stands behind a service answers.

use std::time::Duration;

use super::record::{Protocol, ServiceSpec, ServiceType};
use crate::reason::{Reason, Violations};

/// How often an endpoint is asked when nobody says.
pub const USUAL_INTERVAL: Duration = Duration::from_secs(10);
/// How long an answer may take when nobody says; no longer than the interval.
pub const USUAL_TIMEOUT: Duration = Duration::from_secs(2);
/// How many answers make an endpoint healthy when nobody says.
pub const USUAL_HEALTHY: u32 = 2;
/// How many failures make it unhealthy when nobody says.
pub const USUAL_UNHEALTHY: u32 = 3;

const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(300);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
const MOST_TIMES: u32 = 10;
const MOST_PATH: usize = 1024;
const MOST_HOST: usize = 253;

/// What is asked of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A TCP connection that is accepted.
    Tcp,
    /// An HTTP answer with a status of 200 to 399.
    Http {
        /// What is asked for, from the slash on.
        path: String,
        /// The host that is named; empty: the endpoint's address.
        host: String,
    },
}

/// A check of every endpoint of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// On which port; 0: where the first TCP port of the service goes.
    pub port: u16,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many answers in a row make an endpoint healthy.
    pub healthy: u32,
    /// So many failures in a row make it unhealthy.
    pub unhealthy: u32,
}

/// Notes everything about the check that can never be right, under the field names of the API below `at`.
pub(super) fn check_health(spec: &ServiceSpec, at: &str, bad: &mut Violations) {
    let Some(check) = &spec.health_check else { return };
    let at = |field: &str| if field.is_empty() { format!("{at}.health_check") } else { format!("{at}.health_check.{field}") };
    if spec.service_type == ServiceType::ExternalName {
        let text = "nothing of an ExternalName service can be checked; take this away, or change the type";
        bad.add(at(""), Reason::ConflictingFields, text);
    } else if check.port == 0 && lacks_tcp(spec) {
        bad.add(at("port"), Reason::FieldRequired, "the service has no TCP port; say which port is to be checked");
    }
    let between = |least: Duration, given: Duration, most: Duration| (least..=most).contains(&given);
    if !between(SHORTEST_INTERVAL, check.interval, LONGEST_INTERVAL) {
        let text = format!("{:?} is out of bounds: {SHORTEST_INTERVAL:?} to {LONGEST_INTERVAL:?}", check.interval);
        bad.add(at("interval"), Reason::CountOutOfBounds, text);
    } else if !between(SHORTEST_TIMEOUT, check.timeout, check.interval) {
        let text = format!("{:?} is out of bounds: {SHORTEST_TIMEOUT:?} to the interval, {:?}", check.timeout, check.interval);
        bad.add(at("timeout"), Reason::CountOutOfBounds, text);
    }
    for (field, times) in [("healthy_threshold", check.healthy), ("unhealthy_threshold", check.unhealthy)] {
        if !(1..=MOST_TIMES).contains(&times) {
            bad.add(at(field), Reason::CountOutOfBounds, format!("{times} is out of bounds: 1 to {MOST_TIMES}"));
        }
    }
    if let Probe::Http { path, host } = &check.probe {
        check_http(path, host, &at("http"), bad);
    }
}

/// Whether it has ports, or needs none, and none of them is of TCP.
fn lacks_tcp(spec: &ServiceSpec) -> bool {
    let none_needed = spec.service_type == ServiceType::Headless;
    (none_needed || !spec.ports.is_empty()) && spec.ports.iter().all(|port| port.protocol != Protocol::Tcp)
}

/// Path and host travel in a request's first lines, so they are what may stand there and nothing else.
fn check_http(path: &str, host: &str, at: &str, bad: &mut Violations) {
    let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    for (field, text, most) in [("path", path, MOST_PATH), ("host", host, MOST_HOST)] {
        if text.len() > most {
            bad.add(
                format!("{at}.{field}"),
                Reason::FieldTooLong,
                format!("{} bytes are too long; at most {most} are taken", text.len()),
            );
        } else if !printable(text) {
            bad.add(
                format!("{at}.{field}"),
                Reason::InvalidArgument,
                "only printable ASCII characters other than the space are taken",
            );
        }
    }
    if path.len() <= MOST_PATH && printable(path) && (!path.starts_with('/') || path.contains('#')) {
        bad.add(format!("{at}.path"), Reason::InvalidArgument, "a path begins with / and has no #");
    }
    if host.len() <= MOST_HOST && printable(host) && host.contains(['/', '@', '?', '#']) {
        bad.add(format!("{at}.host"), Reason::InvalidArgument, "a host is a name or an address, and a port if need be");
    }
}
