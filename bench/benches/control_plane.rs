//! `cargo bench -p polder-bench --bench control_plane [-- --help]`: see the crate.

use std::process::ExitCode;

use clap::Parser as _;
use polder_bench::options::Options;
use polder_bench::{program, run};

fn main() -> ExitCode {
    let options = Options::parse();
    let measurement = run(&options, |line| println!("{line}"));
    program::run(options.otlp_endpoint.as_deref(), options.json.as_deref(), measurement)
}
