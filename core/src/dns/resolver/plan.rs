//! What a request does to the settings. Pure: a state and a request give a decision or a refusal.

use std::sync::Arc;

use super::super::name::DomainName;
use super::super::zones::{Move, keeps_views};
use super::settings::{Resolver, Spec};
use crate::cluster::Cluster;
use crate::meta::Meta;
use crate::reason::{Reason, Refusal, shown};
use crate::schema::{Domain, PlanContext};

/// The domain that a decision about the settings rests on.
pub const READS: [Domain; 1] = [Domain::DnsZones];

/// Accepts an empty etag, or the one of the settings as they are.
///
/// # Errors
/// [`Reason::EtagMismatch`].
pub fn check_etag(current: Option<&Arc<Resolver>>, etag: &str) -> Result<(), Refusal> {
    match current {
        Some(current) => current.meta.check_etag("resolver settings", "resolver", etag),
        None if etag.is_empty() => Ok(()),
        None => {
            let message = format!("The resolver settings were never set: etag `{}` is not theirs. Leave it out.", shown(etag));
            Err(Refusal::new(Reason::EtagMismatch, message).with("etag", shown(etag)))
        }
    }
}

/// The settings as `spec` says. `domain` is the cluster's own.
///
/// # Errors
/// [`Reason::ZoneOverlap`] for a stub domain whose names are all ours; [`Reason::ViewInUse`] for a view that is gone and has zones.
pub fn update(cluster: &Cluster, domain: &DomainName, spec: Spec, context: PlanContext) -> Result<Move<Resolver>, Refusal> {
    if let Some(stub) = spec.stubs.iter().find(|stub| stub.domain.is_under(domain)) {
        let message = format!(
            "Stub domain `{}` is, or lies in, the cluster's domain `{domain}`, whose names are computed: its servers would never be \
             asked. Leave it out.",
            stub.domain
        );
        let refusal = Refusal::new(Reason::ZoneOverlap, message).with("stub_domain", &stub.domain).with("other", domain);
        return Err(refusal.about("zone", domain));
    }
    keeps_views(&cluster.dns, &spec.views)?;
    let before = cluster.dns.resolver().cloned();
    let after = match &before {
        Some(before) if before.spec == spec => Arc::clone(before),
        Some(before) => Arc::new(Resolver { meta: before.meta.changed(context.now), spec }),
        None => Arc::new(Resolver { meta: Meta::new(context.now, context.entropy, 0), spec }),
    };
    Ok(Move { before, after: Some(after) })
}
