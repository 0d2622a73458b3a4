//! The web page's files.

use http::{Method, StatusCode};

use crate::world::World;

#[tokio::test]
async fn the_page_is_served_under_a_strict_policy() {
    let world = World::new().await;
    let page = world.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    for rule in ["default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    // Under this policy neither of these would run.
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(!html.contains("<style") && !html.contains("style=") && !html.contains("onclick"), "{html}");
}

#[tokio::test]
async fn every_file_that_the_page_names_is_there_and_is_cached_by_its_tag() {
    let world = World::new().await;
    let mut waiting = vec!["/".to_owned()];
    let mut seen = Vec::new();
    while let Some(path) = waiting.pop() {
        let file = world.get(&path).await;
        assert_eq!(file.status, StatusCode::OK, "{path}");
        let text = String::from_utf8(file.body.to_vec()).unwrap();
        let again = world.request(Method::GET, &path).header("if-none-match", file.header("etag"));
        assert_eq!(world.send(again, "").await.status, StatusCode::NOT_MODIFIED, "{path}");
        seen.push(path);
        let named = text.split('"').filter_map(|word| match word.strip_prefix("./") {
            Some(module) => Some(format!("/ui/{module}")),
            None => word.starts_with("/ui/").then(|| word.to_owned()),
        });
        let new: Vec<_> = named.filter(|path| !seen.contains(path) && !waiting.contains(path)).collect();
        waiting.extend(new);
    }
    for file in ["/ui/style.css", "/ui/app.js", "/ui/table.js", "/ui/live.js", "/ui/columns.js"] {
        assert!(seen.iter().any(|path| path == file), "{file} is not reached from the page: {seen:?}");
    }
}

#[tokio::test]
async fn nothing_outside_the_page_s_folder_is_served() {
    let world = World::new().await;
    for path in ["/ui/nothing.js", "/ui/../Cargo.toml", "/ui/%2e%2e/Cargo.toml", "/ui//etc/passwd"] {
        assert_eq!(world.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
