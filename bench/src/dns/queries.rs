//! What queries cost: all servers with the same zone, in turns.

use std::fmt;
use std::path::Path;

use polder_proto::dns::v1::ExportZoneRequest;
use polder_proto::dns::v1::dns_service_client::DnsServiceClient;
use polder_runtime::tasks::Failure;

use super::client::{Turn, flood, latency};
use super::mix::ZONE;
use super::row::Head;
use super::servers::Server;
use super::{Cost, Kind, MIB, Mix, Options, Report, Row, start};
use crate::bed::Bed;

/// One turn of one server.
struct Taken {
    turn: Turn,
    /// Microseconds of processor time for a query.
    cpu_us: f64,
}

/// Measures every mix on so many services.
///
/// # Errors
/// A server that does not start, or answers something else than the mix says.
pub(super) async fn measure(
    options: &Options,
    bed: &Bed,
    services: u32,
    report: &mut Report,
    each: &mut impl FnMut(&dyn fmt::Display),
) -> Result<(), Failure> {
    let zone = export(options, bed).await?;
    let before = options.before.is_some().then_some(Kind::Before);
    let mut servers = Vec::new();
    for kind in options.servers.iter().copied().chain(before) {
        match Server::start(kind, options, bed, &zone).await? {
            Some(server) => servers.push(server),
            None => {
                let missing = format!("{kind} is not installed, its rows are missing: `tools/deps.sh bench` brings it");
                each(&missing);
                report.missing.push(missing);
            }
        }
    }
    each(&Head);
    for mix in options.mixes.iter().copied() {
        for row in turns(options, &servers, services, mix).await? {
            each(&row);
            report.rows.push(row);
        }
    }
    Ok(())
}

/// The zone as `polder-dns` exports it.
async fn export(options: &Options, bed: &Bed) -> Result<String, Failure> {
    let running = start("polder-dns", bed, options).await?;
    let request = ExportZoneRequest { zone: ZONE.to_owned() };
    let mut pieces = DnsServiceClient::new(running.link()?).export_zone(request).await?.into_inner();
    let mut zone = String::new();
    while let Some(piece) = pieces.message().await? {
        zone.push_str(&piece.text);
    }
    running.stop().await?;
    Ok(zone)
}

/// All rounds of one mix.
async fn turns(options: &Options, servers: &[Server], services: u32, mix: Mix) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    let questions = folder.path().join("questions");
    std::fs::write(&questions, mix.questions(services))?;
    let mut taken: Vec<Vec<Taken>> = servers.iter().map(|_| Vec::new()).collect();
    // The first round is not counted: it finds caches cold.
    for round in 0..=options.rounds {
        for (server, taken) in servers.iter().zip(&mut taken) {
            let turn = one(options, server, &questions, mix).await?;
            taken.extend((round > 0).then_some(turn));
        }
    }
    let polder = servers.iter().position(|server| server.kind == Kind::Polder);
    let mut rows = Vec::new();
    for (server, turns) in servers.iter().zip(&taken) {
        let per_second = Cost::of(turns.iter().map(|taken| taken.turn.per_second)).ok_or("there was no round")?;
        let (lost, completed) = turns.iter().fold((0, 0), |sum, taken| (sum.0 + taken.turn.lost, sum.1 + taken.turn.completed));
        let against = polder.filter(|_| server.kind != Kind::Polder).and_then(|polder| taken.get(polder));
        rows.push(Row {
            services,
            mix,
            server: server.kind,
            cpu_us: Cost::of(turns.iter().map(|taken| taken.cpu_us)).ok_or("there was no round")?,
            of_polder: against.and_then(|polder| Cost::of(turns.iter().zip(polder).map(|(one, ours)| one.cpu_us / ours.cpu_us))),
            per_second,
            lost_ppm: lost as f64 / (lost + completed).max(1) as f64 * 1e6,
            latency: latency(options, server.address, &questions, per_second.median / 2.0).await?,
            pss_mib: server.memory()?.map(|bytes| bytes / MIB),
        });
    }
    Ok(rows)
}

async fn one(options: &Options, server: &Server, questions: &Path, mix: Mix) -> Result<Taken, Failure> {
    let before = server.spent()?;
    let turn = flood(options, server.address, questions).await?;
    let spent = server.spent()?.since(&before);
    let missing = if server.kind == Kind::Echo { 0 } else { mix.missing() };
    let share = turn.missing as f64 * 100.0 / turn.completed.max(1) as f64;
    // What is lost and where the file ends move the share a little.
    if (share - f64::from(missing)).abs() > 1.0 || turn.fine + turn.missing != turn.completed || turn.completed == 0 {
        return Err(format!("{}: {missing} of 100 answers should be NXDOMAIN and the others fine: {turn:?}", server.kind).into());
    }
    Ok(Taken { cpu_us: spent.as_secs_f64() * 1e6 / turn.completed as f64, turn })
}
