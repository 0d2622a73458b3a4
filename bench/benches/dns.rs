//! `cargo bench -p polder-bench --bench dns [-- --help]`: see [`polder_bench::dns`].

use std::process::ExitCode;

use clap::Parser as _;
use polder_bench::dns::{Options, run};
use polder_bench::program;

fn main() -> ExitCode {
    let options = Options::parse();
    let measurement = run(&options, |line| println!("{line}"));
    program::run(None, options.json.as_deref(), measurement)
}
