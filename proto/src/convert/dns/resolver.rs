//! The resolver's settings: requests to decisions, decisions to answers.

use std::sync::Arc;
use std::time::Duration;

use polder_core::dns::resolver::check::{self, number};
use polder_core::dns::resolver::{CacheSpec, Policy, Resolver, Spec, Stub};
use polder_core::dns::views::View;
use polder_core::dns::views::check::{MOST_VIEWS, Texts, view};
use polder_core::dns::zones::Move;
use polder_core::dns::{DomainName, Settings};
use polder_core::net::Label;
use polder_core::reason::{Reason, Refusal, Violations};

use super::super::common::{Manner, known, object, show_time};
use super::super::ipam::values::few;
use super::super::mask;
use super::without_dot;
use crate::dns::v1 as pb;
use crate::types::v1 as types;

/// The full name of the message.
const MESSAGE: &str = "polder.dns.v1.ResolverSettings";
/// The fields that a caller may set.
const SETTABLE: &[&str] = &[
    "upstreams",
    "stub_domains",
    "policy",
    "timeout_milliseconds",
    "tries",
    "max_in_flight",
    "cache_entries",
    "cache_bytes",
    "cache_ttl_limit_seconds",
    "cache_negative_ttl_limit_seconds",
    "cache_ttl_minimum_seconds",
    "serve_stale_seconds",
    "prefetch_hits",
    "views",
];

/// Settings to be changed.
#[derive(Debug, Clone)]
pub struct Resetting {
    /// The etag that the caller has seen; empty is no check.
    pub etag: String,
    /// How.
    pub manner: Manner,
    incoming: pb::ResolverSettings,
    paths: Vec<String>,
}

impl Resetting {
    /// Reads a request.
    ///
    /// # Errors
    /// Every bad field.
    pub fn read(request: pb::UpdateResolverSettingsRequest) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let manner = Manner::read(&request.request_id, request.validate_only, &mut bad);
        let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        mask::check::<pb::ResolverSettings>(MESSAGE, SETTABLE, &paths, &mut bad);
        let Some(incoming) = request.settings else {
            bad.add("settings", Reason::FieldRequired, "it is required");
            return bad.finish(None);
        };
        if paths.is_empty() {
            spec(&incoming, &mut bad);
        }
        bad.finish(Some(Self { etag: incoming.etag.clone(), manner, incoming, paths }))
    }

    /// The settings as they shall be, where `current` is what there is now.
    ///
    /// # Errors
    /// Every bad field, when the mask makes one of them count only now.
    pub fn spec(&self, current: Option<&Arc<Resolver>>) -> Result<Spec, Refusal> {
        let usual = Spec::default();
        let before = shown(current.map_or(&usual, |current| &current.spec));
        let merged = match self.paths.is_empty() {
            true => self.incoming.clone(),
            false => mask::replace(MESSAGE, &before, &self.incoming, &self.paths)?,
        };
        let mut bad = Violations::new();
        let spec = spec(&merged, &mut bad);
        bad.finish(spec)
    }
}

fn at(field: &str) -> String {
    format!("settings.{field}")
}

fn spec(settings: &pb::ResolverSettings, bad: &mut Violations) -> Option<Spec> {
    let usual = Spec::default();
    let upstreams = check::upstreams(&settings.upstreams, &at("upstreams"), bad);
    let stubs = stubs(&settings.stub_domains, bad);
    let policy = match known(settings.policy, &at("policy"), bad) {
        pb::UpstreamPolicy::Unspecified | pb::UpstreamPolicy::Random => Policy::Random,
        pb::UpstreamPolicy::RoundRobin => Policy::RoundRobin,
        pb::UpstreamPolicy::Sequential => Policy::Sequential,
    };
    let millis = u32::try_from(usual.timeout.as_millis()).unwrap_or(u32::MAX);
    let mut take = |given, bounds, usual, field| bad.take(at(field), number(given, &bounds, usual));
    let timeout = take(settings.timeout_milliseconds, check::TIMEOUT, millis, "timeout_milliseconds");
    let tries = take(settings.tries, check::TRIES, usual.tries, "tries");
    let in_flight = take(settings.max_in_flight, check::IN_FLIGHT, usual.in_flight, "max_in_flight");
    let (cache, views) = (cache(settings, bad), views(&settings.views, bad));
    Some(Spec {
        upstreams,
        stubs,
        policy,
        timeout: Duration::from_millis(u64::from(timeout?)),
        tries: tries?,
        in_flight: in_flight?,
        cache: cache?,
        views,
    })
}

fn views(given: &[pb::View], bad: &mut Violations) -> Vec<View> {
    let mut views = Vec::new();
    if few(given.len(), MOST_VIEWS, &at("views"), bad) {
        for (nth, given) in given.iter().enumerate() {
            let texts = Texts {
                name: &given.name,
                clients: &given.clients,
                client_namespaces: &given.client_namespaces,
                visible_namespaces: &given.visible_namespaces,
            };
            let view = view(texts, &views, &at(&format!("views[{nth}]")), bad);
            views.extend(view);
        }
    }
    views
}

fn shown_view(view: &View) -> pb::View {
    let texts = |labels: &[Label]| labels.iter().map(ToString::to_string).collect();
    pb::View {
        name: view.name.to_string(),
        clients: view.clients.iter().map(ToString::to_string).collect(),
        client_namespaces: texts(&view.client_namespaces),
        visible_namespaces: texts(&view.visible_namespaces),
    }
}

fn cache(settings: &pb::ResolverSettings, bad: &mut Violations) -> Option<CacheSpec> {
    let usual = CacheSpec::default();
    let mut take = |given, bounds, usual, field| bad.take(at(field), number(given, &bounds, usual));
    let entries = take(settings.cache_entries, check::ENTRIES, usual.entries, "cache_entries");
    let bytes = take(settings.cache_bytes, check::BYTES, usual.bytes, "cache_bytes");
    let ttl = take(settings.cache_ttl_limit_seconds, check::TTL, usual.ttl, "cache_ttl_limit_seconds");
    let given = settings.cache_negative_ttl_limit_seconds;
    let negative_ttl = take(given, check::NEGATIVE_TTL, usual.negative_ttl, "cache_negative_ttl_limit_seconds");
    let minimum = take(settings.cache_ttl_minimum_seconds, check::MINIMUM, usual.minimum, "cache_ttl_minimum_seconds");
    let stale = take(settings.serve_stale_seconds, check::STALE, usual.stale, "serve_stale_seconds");
    let prefetch = take(settings.prefetch_hits, check::PREFETCH, usual.prefetch, "prefetch_hits");
    if let (Some(minimum), Some(ttl), Some(negative_ttl)) = (minimum, ttl, negative_ttl) {
        bad.take(at("cache_ttl_minimum_seconds"), check::minimum(minimum, ttl.min(negative_ttl)));
    }
    Some(CacheSpec {
        entries: entries?,
        bytes: bytes?,
        ttl: ttl?,
        negative_ttl: negative_ttl?,
        minimum: minimum?,
        stale: stale?,
        prefetch: prefetch?,
    })
}

fn stubs(given: &[pb::StubDomain], bad: &mut Violations) -> Vec<Stub> {
    let mut stubs = Vec::new();
    if few(given.len(), check::MOST_STUBS, &at("stub_domains"), bad) {
        for (nth, stub) in given.iter().enumerate() {
            let field = at(&format!("stub_domains[{nth}]"));
            let stub = check::stub(&stub.domain, &stub.upstreams, &stubs, &field, bad);
            stubs.extend(stub);
        }
    }
    stubs
}

/// What a caller could have sent for the settings.
fn shown(spec: &Spec) -> pb::ResolverSettings {
    let texts = |upstreams: &[_]| upstreams.iter().map(ToString::to_string).collect();
    let stub = |stub: &Stub| pb::StubDomain { domain: without_dot(&stub.domain), upstreams: texts(&stub.upstreams) };
    let policy = match spec.policy {
        Policy::Random => pb::UpstreamPolicy::Random,
        Policy::RoundRobin => pb::UpstreamPolicy::RoundRobin,
        Policy::Sequential => pb::UpstreamPolicy::Sequential,
    };
    let cache = &spec.cache;
    pb::ResolverSettings {
        upstreams: texts(&spec.upstreams),
        stub_domains: spec.stubs.iter().map(stub).collect(),
        policy: policy.into(),
        timeout_milliseconds: Some(u32::try_from(spec.timeout.as_millis()).unwrap_or(u32::MAX)),
        tries: Some(spec.tries),
        max_in_flight: Some(spec.in_flight),
        cache_entries: Some(cache.entries),
        cache_bytes: Some(cache.bytes),
        cache_ttl_limit_seconds: Some(cache.ttl),
        cache_negative_ttl_limit_seconds: Some(cache.negative_ttl),
        cache_ttl_minimum_seconds: Some(cache.minimum),
        serve_stale_seconds: Some(cache.stale),
        prefetch_hits: Some(cache.prefetch),
        views: spec.views.iter().map(shown_view).collect(),
        ..pb::ResolverSettings::default()
    }
}

/// The settings as they are stored, or the usual ones where nobody has set any.
#[must_use]
pub fn stored(current: Option<&Resolver>) -> pb::ResolverSettings {
    let Some(Resolver { meta, spec }) = current else { return shown(&Spec::default()) };
    pb::ResolverSettings { etag: meta.etag(), update_time: Some(show_time(meta.updated)), ..shown(spec) }
}

/// The settings with what the answering server's configuration says.
#[must_use]
pub fn configured(stored: pb::ResolverSettings, settings: &Settings) -> pb::ResolverSettings {
    pb::ResolverSettings {
        cluster_domain: without_dot(settings.zone()),
        cluster_ttl_seconds: Some(settings.ttl),
        cluster_negative_ttl_seconds: Some(settings.negative_ttl),
        ..stored
    }
}

/// What a change answers: the settings as they will be, and what changes.
#[must_use]
pub fn changed(decided: &Move<Resolver>) -> pb::UpdateResolverSettingsResponse {
    let settings = Some(stored(decided.after.as_deref()));
    let action = if decided.before.is_none() { types::ImpactAction::Create } else { types::ImpactAction::Update };
    let impact = decided.after.iter().filter(|_| decided.moves()).map(|after| {
        let count = |upstreams: usize| if upstreams == 1 { "1 server".to_owned() } else { format!("{upstreams} servers") };
        let Spec { upstreams, stubs, views, .. } = &after.spec;
        let description = format!("names outside: {}; {} stub domains; {} views", count(upstreams.len()), stubs.len(), views.len());
        let object = Some(object("resolver-settings", "", "resolver", &after.meta.uid.to_string()));
        types::Impact { object, action: action.into(), description }
    });
    pb::UpdateResolverSettingsResponse { settings, revision: 0, impact: impact.collect() }
}

/// The domain of a route, as the API writes it: `.` for all other names.
#[must_use]
pub fn rule(domain: &DomainName) -> String {
    if *domain == DomainName::root() { ".".to_owned() } else { without_dot(domain) }
}

#[cfg(test)]
mod tests;
