//! When services may stand under one external address together.
//!
//! The rule: all have the same non-empty sharing key, no two have a protocol and port in common, those whose external traffic
//! policy is Local have the same selector (a node that attracts the traffic must have endpoints of all of them), and, unless the
//! pool allows it, they are of one namespace: a key can be guessed by other tenants. The last part is a rule for newcomers: a
//! pool that ceases to allow it takes nothing from services that share already.

use std::net::IpAddr;

use super::record::{Service, ServiceSpec, TrafficPolicy};
use crate::ipam::Pool;
use crate::net::Selector;
use crate::reason::{Reason, Refusal, shown};

/// What must be equal under one address: the pods that must be on the announcing node, if that matters.
fn backends(spec: &ServiceSpec) -> Option<&Selector> {
    (spec.external_policy == TrafficPolicy::Local).then_some(&spec.selector)
}

/// Whether `newcomer` may hold `address` of the pool beside `holder`; without a pool, whether it may go on to.
///
/// # Errors
/// [`Reason::AddressInUse`] when the newcomer wants no sharing, and the `Sharing…` reasons.
pub(super) fn check(pool: Option<&Pool>, address: IpAddr, newcomer: &Service, holder: &Service) -> Result<(), Refusal> {
    let (new, old) = (&newcomer.spec, &holder.spec);
    let (new_key, old_key) = (new.external.sharing_key.as_str(), old.external.sharing_key.as_str());
    let refuse = |reason: Reason, why: String| {
        let message = format!("{address} is held by service `{}`{why}", holder.key);
        Err(Refusal::new(reason, message).with("address", address).with("holder", &holder.key).about("service", &holder.key))
    };
    if new_key.is_empty() {
        let why = ". Ask for another address, or give both services the same sharing key.";
        return refuse(Reason::AddressInUse, why.to_owned());
    }
    if new_key != old_key {
        let why = match old_key {
            "" => ", which has no sharing key. Give it the same key, or ask for another address.".to_owned(),
            _ => format!(" under another sharing key than `{}`. Use one key for both, or ask for another address.", shown(new_key)),
        };
        return refuse(Reason::SharingKeyMismatch, why);
    }
    let foreign = newcomer.key.namespace != holder.key.namespace;
    if let Some(pool) = pool.filter(|pool| foreign && !pool.share_across_namespaces) {
        let why = format!(
            " of another namespace, and pool `{}` does not let namespaces share an address. Ask for another address, or allow it \
             in the pool.",
            pool.name
        );
        return refuse(Reason::SharingNamespaceNotAllowed, why);
    }
    if backends(new) != backends(old) {
        let why = ", and with external traffic policy Local both must have that policy and the same selector.".to_owned();
        return refuse(Reason::SharingBackendMismatch, why);
    }
    let taken =
        |port: &&super::ServicePort| old.ports.iter().any(|other| (other.protocol, other.port) == (port.protocol, port.port));
    if let Some(port) = new.ports.iter().find(taken) {
        let why = format!(
            ", which has {} port {} there already. Use another port, or ask for another address.",
            port.protocol.as_str(),
            port.port
        );
        return refuse(Reason::SharingPortConflict, why);
    }
    Ok(())
}
