//! `cargo bench -p polder-bench --bench scale [-- --help]`: see [`polder_bench::scale`].

use std::process::ExitCode;

use clap::Parser as _;
use polder_bench::program;
use polder_bench::scale::{Options, run};

fn main() -> ExitCode {
    let options = Options::parse();
    let measurement = run(&options, |line| println!("{line}"));
    program::run(None, options.json.as_deref(), measurement)
}
