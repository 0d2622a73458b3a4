//! Services in brief, as the name server keeps them: of each only what names follow from, in one piece of memory.
//!
//! A whole service takes more than a kilobyte in memory, most of it for what no name tells. A name server has all of them and looks
//! at one only when it changes, or a pod behind it does: so it keeps them written down and reads one when it needs it.

mod bytes;
mod table;

use std::net::IpAddr;
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
    /// That of a service: its type, selector, ports, families, virtual IPs, given endpoints, and what it is an alias for. What answers
    /// most questions comes first.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        let (spec, mut out) = (&service.spec, Writer::default());
        out.number(spec.service_type as usize);
        out.each(&service.cluster, |out, vip| out.address(vip.address));
        service.cluster.iter().for_each(|vip| out.text(vip.pool.as_str()));
        out.text(&spec.selector.to_string());
        out.each(&spec.ports, write_port);
        out.flag(spec.publish_not_ready);
        out.each(&spec.families, |out, family| out.flag(*family == Family::V6));
        out.each(&service.external, |out, vip| out.address(vip.address));
        service.external.iter().for_each(|vip| out.text(vip.pool.as_str()));
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
        service(key.clone(), &self.0)
    }
}

fn service(key: ServiceKey, brief: &[u8]) -> Option<Service> {
    let mut read = Reader(brief);
    let mut spec = ServiceSpec { service_type: read_type(read.number()?)?, ..ServiceSpec::default() };
    let cluster = read_vips(&mut read)?;
    spec.selector = read.text()?.parse().ok()?;
    spec.ports = read.each(read_port)?;
    spec.publish_not_ready = read.flag()?;
    spec.families = read.each(|read| Some(if read.flag()? { Family::V6 } else { Family::V4 }))?;
    let external = read_vips(&mut read)?;
    read.text()?.clone_into(&mut spec.external_name);
    spec.endpoints = read.each(read_endpoint)?;
    let labels = Labels::default();
    Some(Service { key, meta: META, labels, annotations: [].into(), spec, cluster, external, conditions: Vec::new() })
}

/// A service in brief where it is kept. What is asked of it is read from its bytes, and nothing is made for that but where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BriefRef<'a> {
    name: &'a [u8],
    brief: &'a [u8],
}

impl<'a> BriefRef<'a> {
    /// One after its name.
    fn read(entry: &'a [u8]) -> Option<Self> {
        let mut rest = entry;
        for _ in 0..2 {
            let [length] = rest.split_off(..1)? else { return None };
            rest.split_off(..usize::from(*length))?;
        }
        Some(Self { name: entry.get(..entry.len() - rest.len())?, brief: rest })
    }

    /// Its name and its namespace as [`ServiceKey::to_wire`] has them.
    #[must_use]
    pub const fn name(self) -> &'a [u8] {
        self.name
    }

    /// The label of its namespace.
    #[must_use]
    pub fn namespace(self) -> &'a str {
        let name = self.name.first().map_or(0, |length| usize::from(*length) + 1);
        self.name.get(name + 1..).and_then(|label| std::str::from_utf8(label).ok()).unwrap_or_default()
    }

    /// Its key, made for the caller.
    #[must_use]
    pub fn key(self) -> Option<ServiceKey> {
        ServiceKey::from_wire(self.name)
    }

    /// The service, made for the caller, as [`Brief::service`] gives it.
    #[must_use]
    pub fn service(self) -> Option<Service> {
        service(self.key()?, self.brief)
    }

    /// A copy that stands by itself.
    #[must_use]
    pub fn to_brief(self) -> Brief {
        Brief(self.brief.into())
    }

    /// What kind of front it is.
    #[must_use]
    pub fn service_type(self) -> Option<ServiceType> {
        Reader(self.brief).number().and_then(read_type)
    }

    /// Its virtual IPs inside the cluster.
    pub fn cluster(self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let mut read = Reader(self.brief);
        let count = read.number().and_then(|_| read.number()).unwrap_or_default();
        (0..count).map_while(move |_| read.address())
    }

    /// What stands behind its virtual IPs inside the cluster.
    fn behind_cluster(self) -> Option<Reader<'a>> {
        let mut read = Reader(self.brief);
        read.number()?;
        let count = read.number()?;
        (0..count).try_for_each(|_| read.address().map(drop))?;
        (0..count).try_for_each(|_| read.skip_text())?;
        Some(read)
    }

    /// Its selector, made for the caller.
    #[must_use]
    pub fn selector(self) -> Selector {
        let text = self.behind_cluster().and_then(|mut read| read.text());
        text.filter(|text| !text.is_empty()).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// Its ports: the name where it has one, the protocol, and the number on the virtual IP.
    pub fn ports(self) -> impl Iterator<Item = (Option<&'a str>, Protocol, u16)> + use<'a> {
        let behind = self.behind_cluster().and_then(|mut read| {
            read.skip_text()?;
            let count = read.number()?;
            Some((read, count))
        });
        let (mut read, count) = behind.unwrap_or((Reader(&[]), 0));
        (0..count).map_while(move |_| {
            let (name, protocol, port) = read_front(&mut read)?;
            skip_target(&mut read)?;
            Some((name, protocol, port))
        })
    }
}

/// The addresses, then the pools.
fn read_vips(read: &mut Reader<'_>) -> Option<Vec<Vip>> {
    let addresses = read.each(Reader::address)?;
    addresses.into_iter().map(|address| Some(Vip { address, pool: read.text()?.parse().ok()? })).collect()
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

/// The side of a port that clients see.
fn read_front<'a>(read: &mut Reader<'a>) -> Option<(Option<&'a str>, Protocol, u16)> {
    let name = read.optional(Reader::text)?;
    let number = read.number()?;
    let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().find(|one| *one as usize == number)?;
    Some((name, protocol, read.number()?.try_into().ok()?))
}

fn skip_target(read: &mut Reader<'_>) -> Option<()> {
    if read.flag()? { read.skip_text() } else { read.number().map(drop) }
}

fn read_port(read: &mut Reader<'_>) -> Option<ServicePort> {
    let (name, protocol, port) = read_front(read)?;
    let name = name.map(str::parse).transpose().ok()?;
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
