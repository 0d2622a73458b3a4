//! `polder`: the operator's tool. It talks gRPC to the services; `polder up` is all of them in one process.
//!
//! The client side knows messages by their descriptors only: requests and answers are proto3 JSON ([`client`]), so what
//! `-o json` prints is the API's own form, and a new field of the API needs no line here.

pub mod args;
pub mod client;
pub mod cmd;
pub mod duration;
pub mod failure;
pub mod manifest;
pub mod output;
pub mod up;

use std::process::ExitCode;

use polder_runtime::link::Link;

use args::{Cli, DnsVerb, Global, Holders, Verb};
use client::Client;
use cmd::Context;
use cmd::apply::How;
use cmd::delete::Removal;
use failure::Failure;
use output::Format;

/// Runs one command to its end.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let format = cli.global.output;
    if let Verb::Up(up) = &cli.verb {
        return up::run(up);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return finish(Err(Failure::Local(format!("no threads can be started: {error}"))), format),
    };
    let outcome = runtime.block_on(async {
        match cli.verb {
            Verb::Explain { reason } => cmd::explain::run(&reason),
            Verb::Convert { filename, strict } => cmd::convert::run(&filename, strict, format),
            verb => ask(&cli.global, verb).await,
        }
    });
    finish(outcome, format)
}

fn finish(outcome: Result<String, Failure>, format: Format) -> ExitCode {
    match outcome {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(failure @ (Failure::Negative(_) | Failure::Late(_))) => {
            print!("{}", failure.text());
            ExitCode::from(failure.exit_code())
        }
        Err(failure) => {
            let text = if format == Format::Json { failure.json() } else { failure.text() };
            eprint!("{text}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// A client of the services that the command line names.
fn connect(global: &Global) -> Result<Client, Failure> {
    let link = |own: Option<&String>| {
        let uris: Vec<&str> = own.unwrap_or(&global.server).split(',').map(str::trim).collect();
        Link::remote(&uris, None).map_err(|error| Failure::Usage(error.to_string()))
    };
    Ok(Client::new(link(global.ipam.as_ref())?, link(global.lb.as_ref())?, link(global.dns.as_ref())?))
}

fn how(holders: Holders) -> How {
    How { allow_eviction: holders.allow_eviction, accepted: holders.accept, ..How::default() }
}

async fn ask(global: &Global, verb: Verb) -> Result<String, Failure> {
    let client = connect(global)?;
    let context = Context { client, format: global.output, headers: !global.no_headers, now: polder_runtime::clock::now() };
    match verb {
        Verb::Get { kind, name, namespace, filter } => cmd::get::run(&context, &kind, name.as_deref(), &namespace, &filter).await,
        Verb::Apply { filename, dry_run, holders, if_match, wait } => {
            let how = How { dry_run, wait, if_match: if_match.into_iter().collect(), ..how(holders) };
            cmd::apply::run(&context, &cmd::apply::read(&filename)?, &how).await
        }
        Verb::Plan { filename, holders } => cmd::plan::run(&context, &filename, &how(holders)).await,
        Verb::Delete { kind: Some(kind), name: Some(name), namespace, force, wait, .. } => {
            cmd::delete::one(&context, (&kind, &namespace, &name), Removal { force, wait }).await
        }
        Verb::Delete { filename, force, wait, .. } => {
            cmd::delete::all(&context, &cmd::apply::read(&filename)?.intents, Removal { force, wait }).await
        }
        Verb::Import { kind, file, name, in_parts, dry_run } => {
            let name = name.unwrap_or_default();
            cmd::zone::import(&context, &kind, &file, cmd::zone::Importing { name, in_parts, dry_run }).await
        }
        Verb::Export { kind, name } => cmd::zone::export(&context, &kind, &name).await,
        Verb::Who { address, at } => cmd::ask::who(&context, &address, at.as_deref()).await,
        Verb::Why { kind_or_name, name: Some(name), record_type, namespace, client } if kind_or_name == "name" => {
            cmd::why::name(&context, &name, &record_type, (&namespace, &client)).await
        }
        Verb::Why { kind_or_name, name, namespace, .. } => {
            cmd::why::run(&context, &kind_or_name, name.as_deref(), &namespace).await
        }
        Verb::Dig { name, record_type, namespace, client } => {
            cmd::ask::dig(&context, &name, &record_type, (&namespace, &client)).await
        }
        Verb::Dns { what: DnsVerb::Top { limit } } => cmd::dns::top(&context, limit).await,
        Verb::Dns { what: DnsVerb::Failures { limit } } => cmd::dns::failures(&context, limit).await,
        Verb::History { address } => cmd::ask::history(&context, &address).await,
        Verb::Drain { node, announcements: false, end } => cmd::change::drain(&context, &node, end).await,
        Verb::Drain { node, announcements: true, end } => cmd::announcements::drain(&context, &node, end).await,
        Verb::Move { kind, address, to } => cmd::announcements::shift(&context, &kind, &address, to.as_deref()).await,
        Verb::Rename { kind, from, to } => cmd::change::rename(&context, &kind, &from, &to).await,
        Verb::Check { fix } => cmd::ask::check(&context, fix).await,
        Verb::Health => context.client.health().await,
        Verb::Up(_) | Verb::Explain { .. } | Verb::Convert { .. } => Err(Failure::Local("this verb asks no server".to_owned())),
    }
}
