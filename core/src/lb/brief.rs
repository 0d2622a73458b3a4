//! Services in brief, as the name server keeps them: of each only what names follow from, in one piece of memory.
//!
//! A whole service takes more than a kilobyte in memory, most of it for what no name tells. A name server has all of them and looks
//! at one only when it changes, or a pod behind it does: so it keeps them written down and reads one when it needs it.

mod bytes;
mod table;

use std::sync::Arc;

use self::bytes::{Reader, Writer};
pub(super) use self::table::Briefs;
use super::record::{Endpoint, Protocol, Service, ServiceKey, ServicePort, ServiceSpec, ServiceType, TargetPort, Vip};
use crate::id::Uid;
use crate::meta::Meta;
use crate::net::{Family, Labels, Selector};
use crate::time::Timestamp;

/// No name tells when a service was made, or which of several by one name it is.
const META: Meta = Meta { uid: Uid(0), version: 0, created: Timestamp(0), updated: Timestamp(0) };

/// What names follow from of one service. Cheap to clone. It is written and read by one process: its bytes are no stored form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief(Arc<[u8]>);

impl Brief {
    /// That of a service: its type, selector, ports, families, virtual IPs, given endpoints, and what it is an alias for.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        let (spec, mut out) = (&service.spec, Writer::default());
        out.text(&spec.selector.to_string());
        out.number(spec.service_type as usize);
        out.flag(spec.publish_not_ready);
        out.each(&spec.ports, write_port);
        out.each(&spec.families, |out, family| out.flag(*family == Family::V6));
        for vips in [&service.cluster, &service.external] {
            out.each(vips, |out, vip| {
                out.address(vip.address);
                out.text(vip.pool.as_str());
            });
        }
        out.text(&spec.external_name);
        out.each(&spec.endpoints, |out, endpoint| {
            out.address(endpoint.address);
            out.flag(endpoint.ready);
            out.optional(endpoint.hostname.as_ref(), |out, name| out.text(name.as_str()));
            out.each(&endpoint.ports, |out, port| out.optional(port.as_ref(), |out, port| out.number((*port).into())));
        });
        Self(out.finish())
    }

    /// The service with nothing in it but what names follow from. `None` for bytes that [`Self::of`] did not write.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<Service> {
        let mut read = Reader(&self.0);
        let selector = read.text()?.parse().ok()?;
        let service_type = read_type(read.number()?)?;
        let mut spec = ServiceSpec { selector, service_type, publish_not_ready: read.flag()?, ..ServiceSpec::default() };
        spec.ports = read.each(read_port)?;
        spec.families = read.each(|read| Some(if read.flag()? { Family::V6 } else { Family::V4 }))?;
        let vip = |read: &mut Reader<'_>| Some(Vip { address: read.address()?, pool: read.text()?.parse().ok()? });
        let (cluster, external) = (read.each(vip)?, read.each(vip)?);
        read.text()?.clone_into(&mut spec.external_name);
        spec.endpoints = read.each(read_endpoint)?;
        let (key, labels) = (key.clone(), Labels::default());
        Some(Service { key, meta: META, labels, annotations: [].into(), spec, cluster, external, conditions: Vec::new() })
    }

    /// The selector, unless it is empty: it comes first, for whoever needs nothing else.
    fn selector(&self) -> Option<Selector> {
        Reader(&self.0).text().filter(|text| !text.is_empty())?.parse().ok()
    }
}

fn read_type(number: usize) -> Option<ServiceType> {
    use ServiceType::{ClusterIp, ExternalName, Headless, LoadBalancer};
    [ClusterIp, Headless, LoadBalancer, ExternalName].into_iter().find(|one| *one as usize == number)
}

fn write_port(out: &mut Writer, port: &ServicePort) {
    out.optional(port.name.as_ref(), |out, name| out.text(name.as_str()));
    out.number(port.protocol as usize);
    out.number(port.port.into());
    match &port.target {
        TargetPort::Number(number) => {
            out.flag(false);
            out.number((*number).into());
        }
        TargetPort::Name(name) => {
            out.flag(true);
            out.text(name.as_str());
        }
    }
}

fn read_port(read: &mut Reader<'_>) -> Option<ServicePort> {
    let name = read.optional(|read| read.text()?.parse().ok())?;
    let number = read.number()?;
    let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().find(|one| *one as usize == number)?;
    let port = read.number()?.try_into().ok()?;
    let target = if read.flag()? {
        TargetPort::Name(read.text()?.parse().ok()?)
    } else {
        TargetPort::Number(read.number()?.try_into().ok()?)
    };
    Some(ServicePort { name, protocol, port, target, app_protocol: String::new() })
}

fn read_endpoint(read: &mut Reader<'_>) -> Option<Endpoint> {
    let (address, ready) = (read.address()?, read.flag()?);
    let hostname = read.optional(|read| read.text()?.parse().ok())?;
    let ports = read.each(|read| read.optional(|read| read.number()?.try_into().ok()))?;
    Some(Endpoint { address, ready, node: None, zone: String::new(), hostname, pod: String::new(), ports })
}

#[cfg(test)]
mod tests;
