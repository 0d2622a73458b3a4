//! `polder-fuzz SECONDS [TARGET...]`: runs every named target, or all, for that long each.

#![allow(clippy::panic, reason = "this crate is test code: it fails by panicking")]

use std::time::Duration;

use polder_fuzz::driver::{self, Until};
use polder_fuzz::{Target, all};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok());
    let seconds = seconds.unwrap_or_else(|| panic!("usage: polder-fuzz SECONDS [TARGET...]"));
    let named: Vec<String> = arguments.collect();
    for name in &named {
        assert!(all().iter().any(|target| target.name == name), "there is no target {name}");
    }
    let seed = driver::seed();
    let wanted = |target: &Target| named.is_empty() || named.iter().any(|name| name == target.name);
    for target in all().into_iter().filter(wanted) {
        let outcome = driver::run(&target, seed, Until::Time(Duration::from_secs(seconds)));
        let coverage = match outcome.reached {
            0 => "without coverage".to_owned(),
            reached => format!("{reached} places reached, {} inputs kept", outcome.kept),
        };
        println!("{:18} seed {seed}: {} inputs run, {coverage}", target.name, outcome.iterations);
    }
}
