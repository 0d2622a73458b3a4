//! Every target over its corpus, and over a bounded number of mutations of it.

use polder_fuzz::{Target, driver};

/// About three seconds of a debug build.
fn run(target: &Target, iterations: u64) {
    let outcome = driver::run(target, driver::seed(), driver::iterations(iterations));
    assert!(outcome.iterations > 0);
}

macro_rules! targets {
    ($($name:ident $iterations:literal)*) => {
        $(#[test] fn $name() { run(&polder_fuzz::targets::$name::TARGET, $iterations); })*

        #[test]
        fn every_target_is_run() {
            let run = [$(stringify!($name)),*];
            let all: Vec<&str> = polder_fuzz::all().iter().map(|target| target.name).collect();
            assert_eq!(run.as_slice(), all);
        }
    };
}

targets! {
    addresses 15_000
    arithmetic 1_500
    selectors 60_000
    selector_meaning 60_000
    filters 40_000
    filter_meaning 40_000
    names 40_000
    page_tokens 100_000
    update_masks 1_000
    stored 8_000
    manifests 500
    manifest_values 1_500
    metallb_annotations 3_000
    zone_files 20_000
    queries 20_000
    upstream_answers 20_000
    skydns_entries 40_000
}
