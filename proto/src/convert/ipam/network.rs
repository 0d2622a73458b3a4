//! The compute network.

use ipnet::IpNet;
use polder_core::ipam::ComputeNetwork;
use polder_core::ipam::network::{CONFIRMED, Draft};
use polder_core::net::{Family, parse_addr, parse_net};
use polder_core::reason::{Reason, Refusal, Violations, shown};

use super::values::{few, ranges, text};
use super::{Mutation, eviction};
use crate::convert::common::show_time;
use crate::ipam::v1 as pb;
use crate::types::v1 as types;

/// Reads a request to set the compute network.
///
/// # Errors
/// The refusal that names every bad field.
pub fn apply(request: &pb::ApplyComputeNetworkRequest) -> Result<Mutation<Draft>, Refusal> {
    let mut bad = Violations::new();
    let network = request.network.clone().unwrap_or_default();
    let mut normalised = Vec::new();
    let pod_subnets = subnets(&network.pod_subnet, "network.pod_subnet", &mut normalised, &mut bad);
    let service_subnets = subnets(&network.service_subnet, "network.service_subnet", &mut normalised, &mut bad);
    let subnet =
        Some(network.subnet.as_str()).filter(|text| !text.is_empty()).and_then(|text| bad.take("network.subnet", parse_net(text)));
    let gateway = Some(network.gateway.as_str())
        .filter(|text| !text.is_empty())
        .and_then(|text| bad.take("network.gateway", parse_addr(text)));
    if let Some(((net, _), gateway)) = subnet.zip(gateway) {
        if Family::of(net.addr()) != Family::of(gateway) {
            bad.add("network.gateway", Reason::FamilyMismatch, format!("{gateway} is of another family than the subnet {net}"));
        } else if !net.contains(&gateway) {
            bad.add("network.gateway", Reason::ConflictingFields, format!("{gateway} is outside the subnet {net}"));
        }
    }
    let accepted = accepted(&request.accepted_reasons, &mut bad);
    let draft = Draft {
        interface: text(&network.interface, "network.interface", &mut bad),
        subnet: subnet.map(|(net, _)| net),
        gateway,
        node_ranges: ranges(&network.node_range, "network.node_range", &mut bad),
        external_ranges: ranges(&network.external_range, "network.external_range", &mut bad),
        pod_subnets,
        service_subnets,
        normalised,
        etag: network.etag,
        eviction: eviction(request.allow_eviction),
        accepted,
    };
    let mutation = Mutation::finish(&request.request_id, request.validate_only, Some(draft), bad)?;
    Ok(mutation.if_planned(&request.plan_etag))
}

/// Reads the warnings that are accepted: only some have to be, and only those can be.
fn accepted(texts: &[String], bad: &mut Violations) -> Vec<Reason> {
    if !few(texts.len(), CONFIRMED.len(), "accepted_reasons", bad) {
        return Vec::new();
    }
    let read = texts.iter().enumerate().filter_map(|(at, text)| {
        let reason = text.parse().ok().filter(|reason| CONFIRMED.contains(reason));
        if reason.is_none() {
            let known = CONFIRMED.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(", ");
            let description = format!("`{}` is not a warning that has to be accepted; there are {known}", shown(text));
            bad.add(format!("accepted_reasons[{at}]"), Reason::InvalidArgument, description);
        }
        reason
    });
    read.collect()
}

/// Reads prefixes, at most one a family, and notes those that had host bits.
fn subnets(texts: &[String], field: &str, normalised: &mut Vec<(String, String, IpNet)>, bad: &mut Violations) -> Vec<IpNet> {
    let mut read: Vec<IpNet> = Vec::new();
    for (at, text) in texts.iter().take(3).enumerate() {
        let field = format!("{field}[{at}]");
        let Some((net, had_host_bits)) = bad.take(field.as_str(), parse_net(text)) else {
            continue;
        };
        if read.iter().any(|other| Family::of(other.addr()) == Family::of(net.addr())) {
            bad.add(field.as_str(), Reason::DuplicateValue, format!("{net} is a second subnet of its family; one is taken"));
        }
        if had_host_bits {
            normalised.push((field, text.clone(), net));
        }
        read.push(net);
    }
    read
}

/// The network as it is stored.
#[must_use]
pub fn show(network: &ComputeNetwork) -> pb::ComputeNetwork {
    let texts = |nets: &[IpNet]| nets.iter().map(ToString::to_string).collect();
    let applied = types::Condition {
        r#type: "Applied".to_owned(),
        status: types::ConditionStatus::True.into(),
        message: "its pools and reservations are stored".to_owned(),
        last_transition_time: Some(show_time(network.meta.updated)),
        ..types::Condition::default()
    };
    pb::ComputeNetwork {
        uid: network.meta.uid.to_string(),
        etag: network.meta.etag(),
        interface: network.interface.clone(),
        node_range: network.node_ranges.iter().map(ToString::to_string).collect(),
        external_range: network.external_ranges.iter().map(ToString::to_string).collect(),
        pod_subnet: texts(&network.pod_subnets),
        service_subnet: texts(&network.service_subnets),
        create_time: Some(show_time(network.meta.created)),
        update_time: Some(show_time(network.meta.updated)),
        conditions: vec![applied],
        subnet: network.subnet.map(|net| net.to_string()).unwrap_or_default(),
        gateway: network.gateway.map(|address| address.to_string()).unwrap_or_default(),
    }
}
