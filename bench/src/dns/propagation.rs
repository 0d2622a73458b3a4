//! From the making of a service until its name is served: `polder-lb` and `polder-dns` on one etcd, one service after the other.

use std::time::Duration;

use polder_proto::lb::v1::service_catalog_service_client::ServiceCatalogServiceClient;
use polder_proto::lb::v1::{CreateServiceRequest, Service, ServicePort, ServiceSpec};
use polder_runtime::clock::monotonic;
use polder_runtime::tasks::Failure;

use super::ask::Asking;
use super::mix::ZONE;
use super::{Options, start};
use crate::bed::Bed;
use crate::load::summary;
use crate::state::NAMESPACE;

/// How long a name may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the services and asks for each, without a pause, until it is there.
///
/// # Errors
/// A process that does not start, a call that fails, a name that is not served.
pub(super) async fn measure(
    options: &Options,
    bed: &Bed,
    services: u32,
    take: &mut impl FnMut(String, f64, &'static str),
) -> Result<(), Failure> {
    let lb = start("polder-lb", bed, options).await?;
    let dns = start("polder-dns", bed, options).await?;
    let mut catalog = ServiceCatalogServiceClient::new(lb.link()?);
    let mut asking = Asking::of(dns.dns.ok_or("the process serves no DNS")?).await?;
    let (mut answered, mut asked, mut acknowledged) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..options.changes {
        let ports = vec![ServicePort { name: "http".to_owned(), port: 80, ..ServicePort::default() }];
        let name = format!("new-{number}");
        let host = format!("{name}.{NAMESPACE}.svc.{ZONE}");
        let spec = ServiceSpec { ports, ..ServiceSpec::default() };
        let service = Service { namespace: NAMESPACE.to_owned(), name, spec: Some(spec), ..Default::default() };
        let begun = monotonic();
        catalog.create_service(CreateServiceRequest { service: Some(service), ..Default::default() }).await?;
        let committed = monotonic();
        asking.until_served(&host, PATIENCE).await?;
        let served = monotonic();
        answered.push(committed - begun);
        asked.push(served - begun);
        acknowledged.push(served - committed);
    }
    for (what, took) in
        [("asked for until answered", &answered), ("asked for until served", &asked), ("answered until served", &acknowledged)]
    {
        let micros = summary(took)?;
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("the longest", 1.0)] {
            let millis = micros.value_at_quantile(quantile) as f64 / 1e3;
            take(format!("{services} services, one more, {what}, {name}"), millis, "ms");
        }
    }
    lb.stop().await?;
    dns.stop().await
}
