//! Health checks.

use std::time::Duration;

use polder_core::lb::health::{HealthCheck, Probe, USUAL_HEALTHY, USUAL_INTERVAL, USUAL_TIMEOUT, USUAL_UNHEALTHY};
use polder_core::reason::{Reason, Violations};

use super::super::common::port;
use super::super::ipam::values::{duration, show_duration};
use crate::lb::v1 as pb;
use crate::lb::v1::health_check::Kind;

/// Reads a check at the field `at`; what is left out is as usual.
pub(super) fn read(given: pb::HealthCheck, at: &str, bad: &mut Violations) -> Option<HealthCheck> {
    let probe = match given.kind {
        Some(Kind::Tcp(pb::TcpHealthCheck {})) => Some(Probe::Tcp),
        Some(Kind::Http(pb::HttpHealthCheck { path, host })) => {
            Some(Probe::Http { path: if path.is_empty() { "/".to_owned() } else { path }, host })
        }
        None => {
            bad.add(at, Reason::FieldRequired, "say what is asked of an endpoint: tcp or http");
            None
        }
    };
    let number = if given.port == 0 { Some(0) } else { port(given.port, format!("{at}.port"), bad) };
    let mut time = |given: Option<&prost_types::Duration>, field: &str, usual: Duration| match given {
        None => Some(usual),
        given => duration(given, &format!("{at}.{field}"), bad),
    };
    let interval = time(given.interval.as_ref(), "interval", USUAL_INTERVAL);
    let timeout = time(given.timeout.as_ref(), "timeout", interval.map_or(USUAL_TIMEOUT, |interval| interval.min(USUAL_TIMEOUT)));
    let times = |given: u32, usual: u32| if given == 0 { usual } else { given };
    Some(HealthCheck {
        probe: probe?,
        port: number?,
        interval: interval?,
        timeout: timeout?,
        healthy: times(given.healthy_threshold, USUAL_HEALTHY),
        unhealthy: times(given.unhealthy_threshold, USUAL_UNHEALTHY),
    })
}

/// A check as the API shows it, with everything said.
#[must_use]
pub fn health_check(check: &HealthCheck) -> pb::HealthCheck {
    let kind = match &check.probe {
        Probe::Tcp => Kind::Tcp(pb::TcpHealthCheck {}),
        Probe::Http { path, host } => Kind::Http(pb::HttpHealthCheck { path: path.clone(), host: host.clone() }),
    };
    pb::HealthCheck {
        kind: Some(kind),
        port: check.port.into(),
        interval: show_duration(check.interval),
        timeout: show_duration(check.timeout),
        healthy_threshold: check.healthy,
        unhealthy_threshold: check.unhealthy,
    }
}
