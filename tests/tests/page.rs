//! The web page in a real browser: it shows what there is, and what happens while somebody looks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use polder_tests::{Page, Shape, Site, eventually};
use serde_json::Value;

/// Waits until a section of the page shows all of these, or none of them.
fn shows(page: &mut Page, section: &str, words: &[&str], wanted: bool) {
    eventually(&format!("{section} shows {words:?}: {wanted}"), || {
        let text = page.text(section);
        if words.iter().all(|word| text.contains(word) == wanted) { Ok(()) } else { Err(text) }
    });
}

/// Waits until a table has a row with all of these.
fn has_row(page: &mut Page, list: &str, words: &[&str]) {
    let rows = format!("[...document.querySelectorAll('#{list} tbody tr')].map((row) => row.innerText.replaceAll(/\\s+/g, ' '))");
    let found = |rows: &Value| {
        let mut texts = rows.as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.any(|text| words.iter().all(|word| text.contains(word)))
    };
    let _ = page.wait_for(&format!("{list} has a row with {words:?}"), &rows, found);
}

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web-3, namespace: shop, labels: {app: WS}}\nspec: {nodeName: node-b}\n";
const PENDING: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: api, namespace: shop}\n\
                       spec: {type: LoadBalancer, loadBalancerIP: 10.0.0.13, ports: [{port: 80}]}\n";

#[test]
fn the_page_shows_the_cluster_and_follows_it_without_being_loaded_again() {
    let mut site = Site::start(Shape::Embedded);
    let mut page = Page::open(site.folder(), &format!("http://{}/", site.http()));
    shows(&mut page, "#services", &["No services yet", "polder apply -f"], true);
    let _ = page.value("window.loadedOnce = true");

    let example = polder_tests::site::repository("examples/two-tier.yaml");
    let _ = site.polder(&["apply", "-f", example.to_str().unwrap()]).ok();
    for (list, words) in [
        ("services", &["shop web LoadBalancer 172.28.", "10.0.0.13 80/TCP 2/2 web.shop.svc.cluster.local"][..]),
        ("services", &["shop db ClusterIP 172.28.", "5432/TCP 1/1 db.shop.svc.cluster.local"]),
        ("pools", &["external", "10.0.0.13-10.0.0.20"]),
        ("pools", &["pod", "172.27.0.0/16 3 65,533 65,536"]),
        ("nodes", &["node-a", "10.0.0.10", "172.27.0.0/26"]),
        ("allocations", &["shop/web-1 POD pod node-a yes", "app=WS"]),
    ] {
        has_row(&mut page, list, words);
    }
    shows(&mut page, "#freshness", &["live"], true);
    // There are no agents, so nobody answers for the external address; nothing else needs attention.
    shows(&mut page, "#attention", &["Service shop/web: Announced: NOT_ANNOUNCED", "no agent has ever been heard of there"], true);
    assert_eq!(page.value("document.querySelectorAll('#attention li').length"), 1);

    let _ = site.polder_reading(&["apply", "-f", "-"], POD).ok();
    has_row(&mut page, "allocations", &["shop/web-3 POD pod node-b yes"]);
    has_row(&mut page, "services", &["shop web LoadBalancer", " 3/3 "]);
    has_row(&mut page, "pools", &["172.27.0.0/16 4 65,532 65,536"]);
    let _ = site.polder(&["delete", "pod", "web-3", "-n", "shop"]).ok();
    shows(&mut page, "#allocations", &["shop/web-3"], false);
    has_row(&mut page, "services", &["shop web LoadBalancer", " 2/2 "]);

    let _ = site.polder_reading(&["apply", "-f", "-"], PENDING).ok();
    shows(&mut page, "#attention", &["Service shop/api", "ADDRESS_IN_USE", "held by service `shop/web`"], true);
    has_row(&mut page, "services", &["shop api LoadBalancer", "<pending>", "ADDRESS_IN_USE"]);
    let _ = page.value("const box = document.getElementById('filter'); box.value = '5432'; box.dispatchEvent(new Event('input'))");
    let visible = "[...document.querySelectorAll('#services tbody tr')].filter((row) => !row.hidden).length";
    assert_eq!(page.value(visible), 1, "the filter hides what does not match");
    let _ = page.value("box.value = ''; box.dispatchEvent(new Event('input'))");
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());

    site.kill("all", 0);
    shows(&mut page, "#freshness", &["stale since"], true);
    shows(&mut page, "#allocations", &["shop/web-1", "GATEWAY_UNREACHABLE"], true);
    assert_eq!(page.value("window.loadedOnce"), true, "it is still the page that was opened");
}
