//! The web page in a real browser: it shows what there is, and what happens while somebody looks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use polder_tests::{Page, Shape, Site, eventually};

/// Waits until a section of the page shows all of these, or none of them.
fn shows(page: &mut Page, section: &str, words: &[&str], wanted: bool) {
    eventually(&format!("{section} shows {words:?}: {wanted}"), || {
        let text = page.text(section);
        if words.iter().all(|word| text.contains(word) == wanted) { Ok(()) } else { Err(text) }
    });
}

#[test]
fn the_page_shows_the_cluster_and_follows_it_without_being_loaded_again() {
    let mut site = Site::start(Shape::Embedded);
    let mut page = Page::open(site.folder(), &format!("http://{}/", site.http()));
    shows(&mut page, "#services", &["No services yet", "polder apply -f"], true);
    let _ = page.value("window.loadedOnce = true");

    let example = polder_tests::site::repository("examples/two-tier.yaml");
    let _ = site.polder(&["apply", "-f", example.to_str().unwrap()]).ok();
    shows(&mut page, "#services", &["shop", "web", "LoadBalancer", "10.0.0.13", "db", "5432/TCP", "2/2"], true);
    shows(&mut page, "#pools", &["external", "10.0.0.13-10.0.0.20", "pod", "172.27.0.0/16"], true);
    shows(&mut page, "#nodes", &["node-a", "10.0.0.10", "172.27.0.0/26"], true);
    shows(&mut page, "#allocations", &["shop/web-1", "shop/web-2", "shop/db-1", "app=WS"], true);
    shows(&mut page, "#freshness", &["live"], true);

    let _ = site.polder(&["delete", "pod", "web-2", "-n", "shop"]).ok();
    shows(&mut page, "#allocations", &["shop/web-2"], false);
    shows(&mut page, "#services", &["1/1"], true);

    site.kill("all", 0);
    shows(&mut page, "#freshness", &["stale since"], true);
    shows(&mut page, "#allocations", &["shop/web-1", "GATEWAY_UNREACHABLE"], true);
    assert_eq!(page.value("window.loadedOnce"), true, "it is still the page that was opened");
}
