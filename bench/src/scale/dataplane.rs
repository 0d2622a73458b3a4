//! What nodes are told, at scale: many streams on one replica, the first snapshot, one more service, and endpoints that come and go.
//!
//! The load balancer is the real binary on an etcd; the agents are streams of this process, a connection each. Latencies of changes
//! count from the store's acknowledgement to the mark that a node may program the revision, for every change and every node.

mod agents;
mod churn;
mod pure;
mod state;

use std::time::Duration;

use polder_proto::lb::v1::service_catalog_service_client::ServiceCatalogServiceClient;
use polder_proto::lb::v1::{CreateServiceRequest, Service, ServicePort, ServiceSpec, ServiceType};
use polder_proto::stored::Stored;
use polder_runtime::clock::monotonic;
use polder_runtime::tasks::Failure;
use polder_store::{Intent, Ledger, LedgerConfig, Mirror, MirrorConfig, testing};

use self::agents::Agents;
use self::state::State;
use super::{Figure, Options};
use crate::bed::{Bed, Engine};
use crate::child::Running;
use crate::load::summary;

/// How many services are made one after the other.
const CREATED: usize = 50;
/// How long the bench's own view may take.
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: f64 = 1024.0 * 1024.0;

/// Measures it all, on etcd: the embedded store belongs to one process. With routers every service has an external address, and every
/// node advertises it to each of them.
///
/// # Errors
/// A process that does not start, a call or a stream that fails.
pub(super) async fn measure(options: &Options, routers: u8, take: &mut impl FnMut(Figure)) -> Result<(), Failure> {
    let mut take = |what: String, value, unit| take(Figure::new(Engine::Etcd, what, value, unit));
    let bed = Bed::fresh(Engine::Etcd).await;
    let state = State { services: options.services, pods: u32::try_from(options.allocations)?, nodes: options.streams, routers };
    if routers > 0 {
        take("routers that every address is advertised to".to_owned(), routers.into(), "");
    }
    state.fill(bed.store()).await?;
    let mirror = Mirror::<Stored>::open(bed.store().clone(), MirrorConfig::for_service("ipam", testing::clock()));
    let view = mirror.synced(PATIENCE).await?;
    pure::measure(&view.view, &state, &mut take)?;
    drop(view);

    let store = format!("etcd://{}", bed.etcd_members().join(","));
    let arguments = ["--grpc-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--store", &store].map(str::to_owned);
    let lb = Running::start("polder-lb", &arguments, options.binaries.as_deref()).await?;
    let resident = |lb: &Running| lb.memory().map_or(0.0, |memory| memory.resident / MIB);
    take("polder-lb: resident before the first node".to_owned(), resident(&lb), "MiB");
    let mut agents = snapshots(&lb, &state, &mut take).await?;
    take(format!("polder-lb: resident with {} nodes", options.streams), resident(&lb), "MiB");
    one_more(&lb, &state, &mut agents, &mut take).await?;
    let ledger = Ledger::start(mirror, LedgerConfig::new("ipam", testing::clock(), testing::entropy()))?;
    let churn = churn::Churn { state, rate: options.changes, seconds: options.seconds };
    churn.measure(&lb, &ledger, &mut agents, &mut take).await?;
    take("polder-lb: resident in the end".to_owned(), resident(&lb), "MiB");
    drop(agents);
    ledger.shutdown().await;
    lb.stop().await
}

/// All nodes come at once.
async fn snapshots(lb: &Running, state: &State, take: &mut impl FnMut(String, f64, &'static str)) -> Result<Agents, Failure> {
    let (begun, before) = (monotonic(), lb.spent_until_now());
    let mut agents = Agents::follow(lb, state).await?;
    agents.all_have(1).await?;
    let count = state.nodes;
    take(format!("snapshots for {count} nodes at once, the last of them"), begun.elapsed().as_secs_f64() * 1000.0, "ms");
    spent(lb, before, "the same in processor time of polder-lb", take);
    let (messages, bytes) = agents.received();
    take("a snapshot, messages".to_owned(), messages as f64, "");
    take("a snapshot, bytes".to_owned(), bytes as f64 / MIB, "MiB");
    Ok(agents)
}

fn spent(lb: &Running, before: Option<Duration>, what: &str, take: &mut impl FnMut(String, f64, &'static str)) {
    if let Some(spent) = lb.spent_until_now().zip(before).map(|(now, before)| now.saturating_sub(before)) {
        take(what.to_owned(), spent.as_secs_f64() * 1000.0, "ms");
    }
}

/// One service after the other, each until every node has it.
async fn one_more(
    lb: &Running,
    state: &State,
    agents: &mut Agents,
    take: &mut impl FnMut(String, f64, &'static str),
) -> Result<(), Failure> {
    let mut client = ServiceCatalogServiceClient::new(lb.link()?);
    let (mut answered, mut told) = (Vec::new(), Vec::new());
    for number in 0..CREATED {
        let ports = vec![ServicePort { name: "http".to_owned(), port: 80, ..ServicePort::default() }];
        let selector = [("app".to_owned(), format!("app-{number}")), ("tier".to_owned(), "front".to_owned())].into();
        let r#type = if state.routers > 0 { ServiceType::LoadBalancer } else { ServiceType::ClusterIp };
        let spec = ServiceSpec { r#type: r#type.into(), selector, ports, ..ServiceSpec::default() };
        let service = Service {
            namespace: state::NAMESPACE.to_owned(),
            name: format!("more-{number}"),
            spec: Some(spec),
            ..Default::default()
        };
        let begun = monotonic();
        let made = client.create_service(CreateServiceRequest { service: Some(service), ..Default::default() }).await?.into_inner();
        answered.push(begun.elapsed());
        agents.all_have(made.revision).await?;
        told.push(begun.elapsed());
    }
    for (what, samples) in [("answered", &answered), ("told to the last node", &told)] {
        let millis = summary(samples)?;
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            take(format!("one more service, until {what}, {name}"), millis.value_at_quantile(quantile) as f64 / 1000.0, "ms");
        }
    }
    Ok(())
}

/// A change that the bench makes.
fn intent() -> Intent {
    Intent { request_id: None, digest: [0; 32], actor: "bench".to_owned(), trace_id: String::new(), method: "Bench" }
}
