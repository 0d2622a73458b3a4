//! `GetResolverSettings` and `UpdateResolverSettings`.

use polder_core::reason::Reason;
use polder_proto::dns::v1::{GetResolverSettingsRequest, ResolverSettings, StubDomain, UpdateResolverSettingsRequest};
use polder_proto::types::v1::ImpactAction;

use super::super::dig::{ask, short};
use super::super::site::Site;
use super::upstream::Upstream;
use super::{asking, set};

fn update(settings: ResolverSettings, paths: &[&str]) -> UpdateResolverSettingsRequest {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = (!paths.is_empty()).then_some(prost_types::FieldMask { paths });
    UpdateResolverSettingsRequest { settings: Some(settings), update_mask, ..UpdateResolverSettingsRequest::default() }
}

async fn current(site: &Site) -> ResolverSettings {
    let answer = site.client().await.get_resolver_settings(GetResolverSettingsRequest {}).await.unwrap();
    answer.into_inner().settings.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_planned_changed_repeated_and_guarded() {
    let upstream = Upstream::start();
    let (_folder, site) = Site::shop().await;
    let never = current(&site).await;
    assert_eq!((never.etag.as_str(), never.update_time, never.cluster_domain.as_str()), ("", None, "cluster.local"));
    assert_eq!((never.cluster_ttl_seconds, never.cache_entries, never.tries), (Some(5), Some(10_000), Some(3)));
    let mut client = site.client().await;
    let ask_once = UpdateResolverSettingsRequest { request_id: "once".to_owned(), ..update(asking(&[&upstream]), &[]) };
    let planned = UpdateResolverSettingsRequest { validate_only: true, request_id: String::new(), ..ask_once.clone() };
    let planned = client.update_resolver_settings(planned).await.unwrap().into_inner();
    assert_eq!((planned.impact[0].action(), current(&site).await), (ImpactAction::Create, never));
    let made = client.update_resolver_settings(ask_once.clone()).await.unwrap().into_inner();
    assert_eq!(client.update_resolver_settings(ask_once).await.unwrap().into_inner(), made);
    let made = made.settings.unwrap();
    assert_eq!(current(&site).await, made);
    let reason = |status: tonic::Status| polder_runtime::status::decode(&status).reason;
    let stale = ResolverSettings { etag: "00000000-1".to_owned(), ..made.clone() };
    assert_eq!(reason(client.update_resolver_settings(update(stale, &[])).await.unwrap_err()), Reason::EtagMismatch);
    let tries = ResolverSettings { tries: Some(1), ..ResolverSettings::default() };
    let changed = client.update_resolver_settings(update(tries, &["tries"])).await.unwrap().into_inner().settings.unwrap();
    assert_eq!((changed.tries, &changed.upstreams), (Some(1), &made.upstreams));
    assert_ne!(changed.etag, made.etag);
    let same = client.update_resolver_settings(update(changed.clone(), &[])).await.unwrap().into_inner();
    assert_eq!((&same.settings.unwrap().etag, same.impact.len()), (&changed.etag, 0));
    let stub = StubDomain { domain: "svc.cluster.local".to_owned(), upstreams: vec![upstream.text()] };
    let ours = ResolverSettings { stub_domains: vec![stub], ..changed };
    assert_eq!(reason(client.update_resolver_settings(update(ours, &[])).await.unwrap_err()), Reason::ZoneOverlap);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_act_at_once() {
    let upstream = Upstream::start();
    let (_folder, site) = Site::shop().await;
    let refused = ask("dig", &site, "www.example.com A");
    assert!(refused.contains("REFUSED") && refused.contains("flags: qr rd;"), "{refused}");
    set(&site, asking(&[&upstream])).await;
    assert_eq!(short(&site, "www.example.com A"), ["192.0.2.1"]);
    set(&site, ResolverSettings::default()).await;
    assert!(ask("dig", &site, "www.example.com A").contains("REFUSED"), "also what was kept");
    set(&site, asking(&[&upstream])).await;
    assert_eq!(short(&site, "www.example.com A"), ["192.0.2.1"]);
    assert_eq!(upstream.asked("www.example.com."), (2, 0), "what others may have said is forgotten");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_change_nothing_and_name_every_field() {
    let (_folder, site) = Site::shop().await;
    let bad = ResolverSettings {
        upstreams: vec!["quic://192.0.2.1".to_owned(), "x".to_owned()],
        tries: Some(0),
        ..ResolverSettings::default()
    };
    let before = current(&site).await;
    let status = site.client().await.update_resolver_settings(update(bad, &[])).await.unwrap_err();
    let refusal = polder_runtime::status::decode(&status);
    let fields: Vec<(&str, Reason)> = refusal.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect();
    assert_eq!(
        fields,
        [
            ("settings.upstreams[0]", Reason::NotImplemented),
            ("settings.upstreams[1]", Reason::AddressMalformed),
            ("settings.tries", Reason::CountOutOfBounds),
        ]
    );
    assert_eq!(current(&site).await, before);
    site.stop().await;
}
