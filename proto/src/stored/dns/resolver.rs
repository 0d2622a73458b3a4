//! The stored form of the resolver's settings.

use std::net::SocketAddr;
use std::time::Duration;

use polder_core::dns::resolver::{CacheSpec, Policy, Resolver, Spec, Stub, Upstream};
use polder_core::dns::views::View;
use polder_core::net::Label;
use prost::Message;

use super::super::fields::{
    read_address, read_each, read_meta, read_port, read_prefixes, read_text, write_address, write_meta, write_prefixes,
};
use super::{VERSION, known};
use crate::state::v1 as pb;

pub(super) fn read(bytes: &[u8]) -> Result<Resolver, String> {
    let stored = pb::ResolverSettings::decode(bytes).map_err(|error| error.to_string())?;
    known(stored.version)?;
    let policy = match pb::UpstreamPolicy::try_from(stored.policy) {
        Ok(pb::UpstreamPolicy::Unspecified) => Policy::Random,
        Ok(pb::UpstreamPolicy::RoundRobin) => Policy::RoundRobin,
        Ok(pb::UpstreamPolicy::Sequential) => Policy::Sequential,
        Err(_) => return Err(format!("its policy {} is not known", stored.policy)),
    };
    let spec = Spec {
        upstreams: read_each(&stored.upstreams, read_upstream)?,
        stubs: read_each(&stored.stub_domains, |stub| {
            Ok(Stub { domain: read_text(&stub.domain)?, upstreams: read_each(&stub.upstreams, read_upstream)? })
        })?,
        policy,
        timeout: Duration::from_millis(u64::from(stored.timeout_milliseconds)),
        tries: stored.tries,
        in_flight: stored.max_in_flight,
        cache: CacheSpec {
            entries: stored.cache_entries,
            bytes: stored.cache_bytes,
            ttl: stored.cache_ttl_limit_seconds,
            negative_ttl: stored.cache_negative_ttl_limit_seconds,
            minimum: stored.cache_ttl_minimum_seconds,
            stale: stored.serve_stale_seconds,
            prefetch: stored.prefetch_hits,
        },
        views: read_each(&stored.views, read_view)?,
    };
    Ok(Resolver { meta: read_meta(stored.meta)?, spec })
}

fn read_view(stored: &pb::View) -> Result<View, String> {
    let labels = |texts: &[String]| read_each(texts, |text| read_text::<Label>(text));
    Ok(View {
        name: read_text(&stored.name)?,
        clients: read_prefixes(&stored.clients)?,
        client_namespaces: labels(&stored.client_namespaces)?,
        visible_namespaces: labels(&stored.visible_namespaces)?,
    })
}

fn write_view(view: &View) -> pb::View {
    let texts = |labels: &[Label]| labels.iter().map(ToString::to_string).collect();
    pb::View {
        name: view.name.to_string(),
        clients: write_prefixes(&view.clients),
        client_namespaces: texts(&view.client_namespaces),
        visible_namespaces: texts(&view.visible_namespaces),
    }
}

fn read_upstream(stored: &pb::Upstream) -> Result<Upstream, String> {
    Ok(Upstream(SocketAddr::new(read_address(&stored.address)?, read_port(stored.port)?)))
}

fn write_upstreams(upstreams: &[Upstream]) -> Vec<pb::Upstream> {
    let write = |Upstream(address): &Upstream| pb::Upstream { address: write_address(address.ip()), port: address.port().into() };
    upstreams.iter().map(write).collect()
}

pub(super) fn write(settings: &Resolver) -> pb::ResolverSettings {
    let Resolver { meta, spec } = settings;
    let policy = match spec.policy {
        Policy::Random => pb::UpstreamPolicy::Unspecified,
        Policy::RoundRobin => pb::UpstreamPolicy::RoundRobin,
        Policy::Sequential => pb::UpstreamPolicy::Sequential,
    };
    let write = |stub: &Stub| pb::StubDomain { domain: stub.domain.to_string(), upstreams: write_upstreams(&stub.upstreams) };
    let cache = &spec.cache;
    pb::ResolverSettings {
        version: VERSION,
        meta: Some(write_meta(meta)),
        upstreams: write_upstreams(&spec.upstreams),
        stub_domains: spec.stubs.iter().map(write).collect(),
        policy: policy.into(),
        timeout_milliseconds: u32::try_from(spec.timeout.as_millis()).unwrap_or(u32::MAX),
        tries: spec.tries,
        max_in_flight: spec.in_flight,
        cache_entries: cache.entries,
        cache_bytes: cache.bytes,
        cache_ttl_limit_seconds: cache.ttl,
        cache_negative_ttl_limit_seconds: cache.negative_ttl,
        cache_ttl_minimum_seconds: cache.minimum,
        serve_stale_seconds: cache.stale,
        prefetch_hits: cache.prefetch,
        views: spec.views.iter().map(write_view).collect(),
    }
}
