use polder_core::id::Uid;
use polder_core::meta::Meta;
use polder_core::time::Timestamp;

use super::*;

fn full() -> pb::ResolverSettings {
    let stub = pb::StubDomain { domain: "corp.example".to_owned(), upstreams: vec!["10.0.0.2:5353".to_owned()] };
    pb::ResolverSettings {
        upstreams: vec!["192.0.2.53".to_owned(), "[2001:db8::53]:5353".to_owned()],
        stub_domains: vec![stub],
        policy: pb::UpstreamPolicy::Sequential.into(),
        timeout_milliseconds: Some(700),
        tries: Some(2),
        max_in_flight: Some(10),
        cache_entries: Some(0),
        cache_bytes: Some(65_536),
        cache_ttl_limit_seconds: Some(60),
        cache_negative_ttl_limit_seconds: Some(30),
        cache_ttl_minimum_seconds: Some(5),
        serve_stale_seconds: Some(0),
        prefetch_hits: Some(0),
        views: vec![branch()],
        ..pb::ResolverSettings::default()
    }
}

fn branch() -> pb::View {
    pb::View {
        name: "branch".to_owned(),
        clients: vec!["192.0.2.0/24".to_owned()],
        client_namespaces: vec!["shop".to_owned()],
        visible_namespaces: vec!["shop".to_owned(), "pay".to_owned()],
    }
}

fn request(settings: pb::ResolverSettings, paths: &[&str]) -> pb::UpdateResolverSettingsRequest {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = (!paths.is_empty()).then_some(prost_types::FieldMask { paths });
    pb::UpdateResolverSettingsRequest { settings: Some(settings), update_mask, ..pb::UpdateResolverSettingsRequest::default() }
}

fn resolver(spec: Spec) -> Arc<Resolver> {
    Arc::new(Resolver { meta: Meta { uid: Uid(5), version: 2, created: Timestamp(1), updated: Timestamp(2) }, spec })
}

#[test]
fn what_is_sent_is_what_is_shown() {
    let spec = Resetting::read(request(full(), &[])).unwrap().spec(None).unwrap();
    assert_eq!(shown(&spec), full());
    let stored = stored(Some(&resolver(spec.clone())));
    assert_eq!((stored.etag.as_str(), stored.update_time.is_some()), ("00000005-2", true));
    assert_eq!(Resetting::read(request(stored, &[])).unwrap().spec(None).unwrap(), spec, "and can be sent back");
    let usual = Resetting::read(request(pb::ResolverSettings::default(), &[])).unwrap().spec(None).unwrap();
    assert_eq!(usual, Spec::default());
}

#[test]
fn a_mask_replaces_what_it_names() {
    let current = resolver(Resetting::read(request(full(), &[])).unwrap().spec(None).unwrap());
    let sent = pb::ResolverSettings { upstreams: vec!["192.0.2.1".to_owned()], tries: Some(5), ..full() };
    let spec = Resetting::read(request(sent, &["upstreams", "timeout_milliseconds"])).unwrap().spec(Some(&current)).unwrap();
    assert_eq!((spec.upstreams.len(), spec.tries, &spec.stubs), (1, 2, &current.spec.stubs));
    let refusal = Resetting::read(request(full(), &["cluster_domain", "nothing"])).unwrap_err();
    assert_eq!(refusal.violations.len(), 2);
}

#[test]
fn every_bad_field_is_named() {
    let stub = |domain: &str, servers: &[&str]| pb::StubDomain {
        domain: domain.to_owned(),
        upstreams: servers.iter().map(|server| (*server).to_owned()).collect(),
    };
    let settings = pb::ResolverSettings {
        upstreams: vec!["192.0.2.53:0".to_owned()],
        stub_domains: vec![stub("", &["192.0.2.1"]), stub("a.example", &[]), stub("b.example", &["tls://192.0.2.1"])],
        policy: 9,
        timeout_milliseconds: Some(0),
        tries: Some(6),
        max_in_flight: Some(0),
        cache_entries: Some(1_000_001),
        cache_bytes: Some(1),
        cache_ttl_limit_seconds: Some(0),
        cache_negative_ttl_limit_seconds: Some(0),
        cache_ttl_minimum_seconds: Some(301),
        serve_stale_seconds: Some(604_801),
        prefetch_hits: Some(1001),
        views: vec![pb::View { name: "No".to_owned(), ..branch() }, pb::View { clients: vec!["x/8".to_owned()], ..branch() }],
        ..pb::ResolverSettings::default()
    };
    let refusal = Resetting::read(request(settings, &[])).unwrap_err();
    let fields: Vec<&str> = refusal.violations.iter().map(|bad| bad.field.strip_prefix("settings.").unwrap()).collect();
    assert_eq!(
        fields,
        [
            "upstreams[0]",
            "stub_domains[0].domain",
            "stub_domains[1].upstreams",
            "stub_domains[2].upstreams[0]",
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
            "views[0].name",
            "views[1].clients[0]",
        ]
    );
    let crossed = pb::ResolverSettings { cache_ttl_minimum_seconds: Some(31), ..full() };
    assert_eq!(Resetting::read(request(crossed, &[])).unwrap_err().reason, Reason::ConflictingFields);
    assert!(Resetting::read(pb::UpdateResolverSettingsRequest::default()).unwrap_err().violations[0].field == "settings");
}
