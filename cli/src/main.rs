//! The binary `polder`.

use std::process::ExitCode;

use clap::Parser as _;
use polder_cli::args::Cli;

fn main() -> ExitCode {
    polder_cli::run(Cli::parse())
}
