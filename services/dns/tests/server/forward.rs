//! Names outside: asked of made-up upstreams that lose, cut, forge and fall silent, by UDP, TCP and TLS, and of another server of ours.

#[path = "forward/marks.rs"]
mod marks;
#[path = "forward/outage.rs"]
mod outage;
#[path = "forward/real.rs"]
mod real;
#[path = "forward/secret.rs"]
mod secret;
#[path = "forward/settings.rs"]
mod settings;
#[path = "forward/upstream.rs"]
mod upstream;

use std::time::Duration;

use polder_core::reason::Refusal;
use polder_proto::dns::v1::Zone;
use polder_proto::dns::v1::{
    AnswerSource, ResolveRequest, ResolveResponse, ResolverSettings, StubDomain, UpdateResolverSettingsRequest,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::dig::{ask, short};
use super::site::{Site, served};
use super::zones::{new_set, new_zone};
pub(crate) use upstream::Upstream;

pub(crate) fn asking(upstreams: &[&Upstream]) -> ResolverSettings {
    let policy = polder_proto::dns::v1::UpstreamPolicy::Sequential.into();
    let upstreams = upstreams.iter().map(|upstream| upstream.text()).collect();
    ResolverSettings { upstreams, policy, timeout_milliseconds: Some(300), ..ResolverSettings::default() }
}

/// Changes the settings, and waits until they act.
pub(crate) async fn set(site: &Site, settings: ResolverSettings) {
    let mut client = site.client().await;
    let wanted = !(settings.upstreams.is_empty() && settings.stub_domains.is_empty());
    let request = UpdateResolverSettingsRequest { settings: Some(settings), ..UpdateResolverSettingsRequest::default() };
    let revision = client.update_resolver_settings(request).await.unwrap().into_inner().revision;
    served(&mut client, revision).await;
    // The names have moved then; the desk looks at the settings right after.
    while ask("dig", site, "web.shop.svc.cluster.local A").contains("flags: qr aa rd ra;") != wanted {}
}

/// The shop, which asks one upstream.
pub(crate) async fn shop(settings: impl Fn(&Upstream) -> ResolverSettings) -> (tempfile::TempDir, Site, Upstream) {
    let upstream = Upstream::start();
    let (folder, site) = Site::shop().await;
    set(&site, settings(&upstream)).await;
    (folder, site, upstream)
}

pub(crate) async fn resolve(site: &Site, name: &str) -> Result<ResolveResponse, Refusal> {
    let request = ResolveRequest { name: name.to_owned(), ..ResolveRequest::default() };
    let answer = site.client().await.resolve(request).await;
    answer.map(tonic::Response::into_inner).map_err(|status| polder_runtime::status::decode(&status))
}

/// The value of a metric.
pub(crate) fn metric(site: &Site, name: &str) -> u64 {
    let text = site.metrics();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

/// Waits until a metric has the value.
async fn until(site: &Site, name: &str, value: u64) {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while metric(site, name) != value {
        assert!(tokio::time::Instant::now() < end, "{name} is {}, and not {value}", metric(site, name));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_asked_for_once_and_then_kept() {
    let (_folder, site, upstream) = shop(|upstream| asking(&[upstream])).await;
    let first = resolve(&site, "www.example.com").await.unwrap();
    assert_eq!((first.source(), first.answered_by.clone(), first.rule.as_str()), (AnswerSource::Upstream, upstream.text(), "."));
    assert_eq!((first.answers[0].data.as_str(), first.age), ("192.0.2.1", None));
    for transport in ["", "+tcp", "+noedns"] {
        let answer = ask("dig", &site, &format!("{transport} WWW.example.com A"));
        assert!(answer.contains("flags: qr rd ra;") && answer.contains("WWW.example.com.\t"), "{answer}");
    }
    let kept = resolve(&site, "www.example.com").await.unwrap();
    assert_eq!((kept.source(), kept.answered_by), (AnswerSource::Cache, upstream.text()));
    assert!(kept.age.is_some() && kept.answers[0].ttl_seconds <= 300);
    assert_eq!(upstream.asked("www.example.com."), (1, 0));
    let labels = r#"{type="success"}"#;
    assert_eq!(metric(&site, &format!("polder_dns_cache_hits_total{labels}")), 4);
    assert_eq!(metric(&site, "polder_dns_cache_misses_total"), 1);
    assert!(ask("kdig", &site, "+norec new.example.com A").contains("REFUSED"), "who wants no recursion gets none");
    let local = ResolveRequest { name: "new.example.com".to_owned(), local_only: true, ..ResolveRequest::default() };
    assert_eq!(site.client().await.resolve(local).await.unwrap().into_inner().rcode, "REFUSED");
    assert_eq!(upstream.asked("new.example.com."), (0, 0));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn negative_answers_are_kept_with_their_start_of_zone() {
    let (_folder, site, upstream) = shop(|upstream| asking(&[upstream])).await;
    for _ in 0..2 {
        let answer = ask("dig", &site, "gone.example.com A");
        assert!(answer.contains("status: NXDOMAIN") && answer.contains("\tSOA\t"), "{answer}");
    }
    assert_eq!(upstream.asked("gone.example.com."), (1, 0));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_cut_and_lost_packets_lead_to_the_right_answer() {
    let (_folder, site, upstream) = shop(|upstream| asking(&[upstream])).await;
    for name in ["forged", "lost", "garbage", "once"] {
        assert_eq!(short(&site, &format!("{name}.example.com A")), ["192.0.2.1"], "{name}");
    }
    let cut = ask("dig", &site, "+ignore big.example.com A");
    assert!(cut.contains("flags: qr tc rd ra;") && cut.contains("ANSWER: 0,"), "{cut}");
    assert_eq!(short(&site, "big.example.com A").len(), 200);
    assert_eq!(upstream.asked("big.example.com."), (1, 1), "by TCP after the cut, then kept");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_that_lead_outside_are_followed() {
    let (_folder, site, _upstream) = shop(|upstream| asking(&[upstream])).await;
    let answer = ask("dig", &site, "pay.shop.svc.cluster.local A");
    assert!(answer.contains("flags: qr aa rd ra;") && answer.contains("ANSWER: 2,"), "{answer}");
    assert!(answer.contains("CNAME\tpay.example.com.") && answer.contains("192.0.2.1"), "{answer}");
    assert_eq!(short(&site, "pay.shop.svc.cluster.local CNAME"), ["pay.example.com."]);
    assert_eq!(short(&site, "alias.example.com A"), ["192.0.2.7", "edge.example.com."]);
    let mut client = site.client().await;
    client.create_zone(new_zone("site.example")).await.unwrap();
    let made = client.create_record_set(new_set("site.example/out/CNAME", &["gone.example.com."])).await.unwrap().into_inner();
    served(&mut client, made.revision).await;
    let answer = ask("dig", &site, "out.site.example A");
    assert!(answer.contains("NXDOMAIN") && answer.contains("CNAME\tgone.example.com."), "{answer}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stub_domains_are_asked_of_their_own_servers() {
    let (_other_folder, other) = Site::shop().await;
    let mut client = other.client().await;
    client.create_zone(new_zone("corp.example")).await.unwrap();
    let made = client.create_record_set(new_set("corp.example/www/A", &["10.9.9.9"])).await.unwrap().into_inner();
    served(&mut client, made.revision).await;
    let stub = StubDomain { domain: "corp.example".to_owned(), upstreams: vec![other.dns().to_string()] };
    let settings = move |upstream: &Upstream| ResolverSettings { stub_domains: vec![stub.clone()], ..asking(&[upstream]) };
    let (_folder, site, upstream) = shop(settings).await;
    for transport in ["", "+tcp"] {
        assert_eq!(short(&site, &format!("{transport} www.corp.example A")), ["10.9.9.9"]);
    }
    let answer = resolve(&site, "nothing.corp.example").await.unwrap();
    assert_eq!((answer.rcode.as_str(), answer.rule.as_str()), ("NXDOMAIN", "corp.example"));
    assert_eq!(answer.answered_by, other.dns().to_string());
    assert_eq!(upstream.asked("www.corp.example."), (0, 0));
    assert_eq!(short(&site, "www.example.com A"), ["192.0.2.1"]);
    // A zone of our own comes before what others say.
    let made = site.client().await.create_zone(new_zone("corp.example")).await.unwrap().into_inner();
    served(&mut site.client().await, made.revision).await;
    let Some(Zone { .. }) = made.zone else { panic!("no zone") };
    assert!(ask("dig", &site, "www.corp.example A").contains("NXDOMAIN"));
    site.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_upstream_does_the_client_gets_the_truth_or_a_failure() {
    let (_folder, site, _upstream) =
        shop(|upstream| ResolverSettings { timeout_milliseconds: Some(60), ..asking(&[upstream]) }).await;
    // A failure prints the names and the seed.
    let mut runner = TestRunner::new(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() });
    let label =
        prop::sample::select(vec!["www", "lost", "never", "failing", "once", "garbage", "forged", "gone", "alias", "short"]);
    let outcome = runner.run(&(label, 0..6), |(label, number)| {
        let answer = ask("dig", &site, &format!("{label}-{number}.example.com A"));
        let expected = match label {
            "never" | "failing" => "status: SERVFAIL",
            "gone" => "status: NXDOMAIN",
            "alias" => "192.0.2.7",
            _ => "192.0.2.1",
        };
        prop_assert!(answer.contains(expected) && !answer.contains("192.0.2.66"), "{}", answer);
        Ok(())
    });
    outcome.unwrap();
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_path_of_a_pod_ends_outside() {
    let upstream = Upstream::start();
    let config = polder_dns::DnsConfig { autopath: true, ..polder_dns::DnsConfig::default() };
    let (_folder, site) = Site::shop_with(config).await;
    let searched = |name: &str| format!("{name}.shop.svc.cluster.local A");
    assert!(ask("dig", &site, &searched("www.example.com")).contains("status: NXDOMAIN"), "there is nobody to ask");
    set(&site, asking(&[&upstream])).await;
    for _ in 0..2 {
        let answer = ask("dig", &site, &searched("www.example.com"));
        let told = |line: &str| line.starts_with("www.example.com.shop.svc.cluster.local.") && line.ends_with("192.0.2.1");
        assert!(answer.contains("status: NOERROR") && answer.lines().any(told), "{answer}");
    }
    assert_eq!(upstream.asked("www.example.com."), (1, 0));
    assert_eq!(short(&site, &searched("alias.example.com")), ["192.0.2.7", "edge.example.com."]);
    assert_eq!(short(&site, &searched("big.example.com")).len(), 200, "what is long goes by TCP");
    let gone = ask("dig", &site, &searched("gone.example.com"));
    assert!(gone.contains("status: NXDOMAIN") && !gone.contains("SOA"), "{gone}");
    // What is in the cluster is found without anybody's help, and what has no dot is looked for there alone.
    assert_eq!(short(&site, &searched("web.shop.svc")), ["172.28.0.2"]);
    assert!(ask("dig", &site, &searched("nothing")).contains("status: NXDOMAIN"));
    assert_eq!((upstream.asked("web.shop.svc."), upstream.asked("nothing.")), ((0, 0), (0, 0)));
    site.stop().await;
}
