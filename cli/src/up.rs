//! `polder up`.
use clap::Args;
use crate::failure::Failure;
/// x
#[derive(Debug, Args)]
pub struct UpArgs {}
/// x
pub async fn run(_: UpArgs) -> Result<(), Failure> { Ok(()) }
