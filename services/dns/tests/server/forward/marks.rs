//! How answers by UDP show that they are the upstream's: cookies and the letters of names.

use polder_dns::{CookieConfig, DnsConfig};
use polder_proto::dns::v1::ResolverSettings;

use super::super::dig::short;
use super::super::site::{Site, served};
use super::super::zones::{new_set, new_zone};
use super::{Upstream, asking, set, shop, until};

/// One try only: what is answered was answered in it.
fn once(upstream: &Upstream) -> ResolverSettings {
    ResolverSettings { tries: Some(1), timeout_milliseconds: Some(5000), ..asking(&[upstream]) }
}

/// Asks for a name, gets the truth, and says how often the upstream was asked by UDP and by TCP.
fn asked(site: &Site, upstream: &Upstream, label: &str) -> (usize, usize) {
    let name = format!("{label}.a-name-of-many-letters.example.com");
    assert_eq!(short(site, &format!("{name} A")), ["192.0.2.1"], "{name}");
    upstream.asked(&format!("{name}."))
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_learned_shown_and_looked_for() {
    let (_folder, site, upstream) = shop(once).await;
    let asked = |label: &str| asked(&site, &upstream, label);
    // Afterwards a probe would look like a server that has no cookies any more.
    let label = format!(r#"{{to="{}",rcode="NXDOMAIN"}}"#, upstream.text());
    until(&site, &format!("polder_dns_forward_responses_total{label}"), 1).await;
    assert_eq!(asked("crumb-1"), (2, 0), "told BADCOOKIE, then asked again with the cookie");
    assert_eq!(asked("crumb-2"), (1, 0), "the cookie is remembered");
    assert_eq!(asked("stolen-1"), (1, 0), "an answer with a wrong cookie is dropped");
    assert_eq!(asked("bare-1"), (1, 1), "one without a cookie is asked for by TCP");
    assert_eq!(asked("crumb-3"), (1, 0), "the server has cookies all the same");
    assert_eq!(asked("stale-1"), (2, 1), "one that finds no cookie good is asked by TCP");
    assert_eq!(asked("www-1"), (1, 1), "one that has no cookies any more, by TCP");
    assert_eq!(asked("www-2"), (1, 0), "and by UDP from then on");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_change_are_looked_at_by_tcp() {
    let (_folder, site, upstream) = shop(once).await;
    let asked = |label: &str| asked(&site, &upstream, label);
    assert_eq!(asked("www-1"), (1, 0));
    assert_eq!(asked("guessed-1"), (1, 1), "somebody else answered, faster");
    assert_eq!(asked("guessed-2"), (1, 1), "and again: the upstream itself keeps them");
    assert_eq!(asked("small-1"), (1, 1), "the upstream changes them by TCP too");
    assert_eq!(asked("small-2"), (1, 0), "it is believed from then on");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_ours_that_requires_cookies_is_asked_by_udp() {
    let cookies = CookieConfig { require: true, ..CookieConfig::default() };
    let (_other_folder, other) = Site::shop_with(DnsConfig { cookies, ..DnsConfig::default() }).await;
    let mut client = other.client().await;
    client.create_zone(new_zone("corp.example")).await.unwrap();
    let made = client.create_record_set(new_set("corp.example/www/A", &["10.9.9.9"])).await.unwrap().into_inner();
    served(&mut client, made.revision).await;
    let (_folder, site) = Site::shop().await;
    let upstreams = vec![other.dns().to_string()];
    set(&site, ResolverSettings { upstreams, tries: Some(1), ..ResolverSettings::default() }).await;
    assert_eq!(short(&site, "www.corp.example A"), ["10.9.9.9"]);
    let text = other.metrics();
    let by_tcp = |line: &&str| line.starts_with("polder_dns_requests_total{") && line.contains(r#"proto="tcp""#);
    assert_eq!(text.lines().find(by_tcp), None, "{text}");
    site.stop().await;
    other.stop().await;
}
