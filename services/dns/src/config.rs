//! What the name server can be told.

mod guards;
mod skydns;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use polder_core::dns::network::Networks;
use polder_core::dns::transfer::{Secondaries, networks, notified};
use polder_core::dns::{PodRecords, Seed, Settings};
use polder_core::net::Name;
use polder_core::reason::{Malformed, Reason, Refusal, Violations};
use polder_runtime::config::{Configured, Period, ProcessConfig};
use polder_runtime::entropy;
use polder_runtime::process::Handover;
use serde::{Deserialize, Serialize};

use crate::seen::LogConfig;
pub(crate) use guards::Guards;
pub use guards::{CookieConfig, RateConfig};
pub(crate) use skydns::SkyDnsConfig;

/// Which names of pods there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PodNames {
    /// None.
    Disabled,
    /// Of every address, in every namespace that exists, as CoreDNS' `pods insecure`.
    Insecure,
    /// Of the addresses that pods of the namespace have, as CoreDNS' `pods verified`.
    #[default]
    Verified,
}

impl From<PodNames> for PodRecords {
    fn from(names: PodNames) -> Self {
        match names {
            PodNames::Disabled => Self::Disabled,
            PodNames::Insecure => Self::Insecure,
            PodNames::Verified => Self::Verified,
        }
    }
}

/// The section `dns`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DnsConfig {
    /// Where DNS is served, UDP and TCP on the same port number. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Where DNS is served over TLS (RFC 7858), usually at port 853.
    pub tls_listen: Vec<SocketAddr>,
    /// The certificate chain of this server, for those who ask over TLS: PEM.
    pub tls_cert_file: PathBuf,
    /// The key of the certificate: PEM.
    pub tls_key_file: PathBuf,
    /// The authorities that certify upstreams which are asked over TLS: PEM. Empty: those that the system trusts.
    pub upstream_ca_file: PathBuf,
    /// The cluster domain.
    pub domain: String,
    /// Seconds for which a resolver may keep a record.
    pub ttl: u32,
    /// Seconds for which a resolver may keep the news that there is no record.
    pub negative_ttl: u32,
    /// The addresses under which pods ask: those of `ns.dns` in the cluster domain.
    pub servers: Vec<IpAddr>,
    /// The names of pods, `<a-b-c-d>.<namespace>.pod` in the cluster domain.
    pub pod_records: PodNames,
    /// Whether names that are not there are looked for along the search path of pods, so that pods need not.
    pub autopath: bool,
    /// Who may have the cluster's domain and its reverse zones by zone transfer: networks in CIDR notation, or addresses.
    pub transfer_to: Vec<String>,
    /// The servers that are told by NOTIFY when these have changed, each as `192.0.2.53` or `[2001:db8::53]:5353`.
    pub notify: Vec<String>,
    /// The name of this server among its replicas, for those who wait until all of them answer with a change: letters, digits, `-`,
    /// `.`. Empty: it draws one.
    pub server_name: String,
    /// A file in which the names are kept, to be served by a server that starts while the store is away. Empty: none.
    pub saved_file: PathBuf,
    /// A Unix socket at which the next process asks for the sockets of this one, to take its place. Empty: none.
    pub handover_path: PathBuf,
    /// How long a process that takes the place of another may take to be ready; after that the other one goes on.
    pub handover_warm_up: Period,
    /// Where other programs store names in the way of SkyDNS, such as `/skydns`, in the same etcd. Empty: nowhere.
    pub skydns_prefix: String,
    /// The zones that these may fill; they have to be stored, too.
    pub skydns_zones: Vec<String>,
    /// The time between two comparisons of all of that with what is served.
    pub skydns_audit_every: Period,
    /// UDP threads per listen address; 0 is one for each core.
    pub workers: usize,
    /// Open TCP connections per listen address; one more takes the place of the one that has been idle for longest.
    pub tcp_connections: usize,
    /// Of these, the most of one network of clients.
    pub tcp_client_connections: usize,
    /// How long a TCP connection may do nothing, and how long one message may take.
    pub tcp_idle: Period,
    /// The first bits of an IPv4 address that are the network of a client, whose connections and answers are counted together.
    pub client_ipv4_prefix: u8,
    /// The same of an IPv6 address.
    pub client_ipv6_prefix: u8,
    /// How many answers a network of clients gets by UDP.
    pub rate: RateConfig,
    /// Cookies, by which clients show that their addresses are theirs.
    pub cookies: CookieConfig,
    /// Which queries the log has a line about.
    pub log: LogConfig,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 5300))],
            tls_listen: Vec::new(),
            tls_cert_file: PathBuf::new(),
            tls_key_file: PathBuf::new(),
            upstream_ca_file: PathBuf::new(),
            domain: Settings::DEFAULT_ZONE.to_owned(),
            ttl: Settings::DEFAULT_TTL,
            negative_ttl: Settings::DEFAULT_TTL,
            servers: Vec::new(),
            pod_records: PodNames::default(),
            autopath: false,
            transfer_to: Vec::new(),
            notify: Vec::new(),
            server_name: String::new(),
            saved_file: PathBuf::new(),
            handover_path: PathBuf::new(),
            handover_warm_up: Period(Duration::from_secs(60)),
            skydns_prefix: String::new(),
            skydns_zones: Vec::new(),
            skydns_audit_every: Period(Duration::from_secs(300)),
            workers: 0,
            tcp_connections: 512,
            tcp_client_connections: 128,
            tcp_idle: Period(Duration::from_secs(10)),
            client_ipv4_prefix: Networks::default().ipv4,
            client_ipv6_prefix: Networks::default().ipv6,
            rate: RateConfig::default(),
            cookies: CookieConfig::default(),
            log: LogConfig::default(),
        }
    }
}

impl DnsConfig {
    /// The longest time to live that may be set: a name that moved must not be remembered for longer.
    const MOST_TTL: u32 = 3600;

    /// What the engine needs of it, with a fresh seed.
    ///
    /// # Errors
    /// When the domain is not one, or a time to live is above an hour.
    pub fn settings(&self) -> Result<Settings, Malformed> {
        if self.ttl.max(self.negative_ttl) > Self::MOST_TTL {
            let description =
                format!("a time to live of {} s is too long: at most {}", self.ttl.max(self.negative_ttl), Self::MOST_TTL);
            return Err(Malformed::new(Reason::CountOutOfBounds, description));
        }
        let seed = entropy::draw().0;
        let [low, high] = [seed, seed >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or_default());
        let mut settings = Settings::new(self.domain.parse()?, Seed(low ^ high))?;
        settings.ttl = self.ttl;
        settings.negative_ttl = self.negative_ttl;
        settings.servers.clone_from(&self.servers);
        settings.pods = self.pod_records.into();
        settings.autopath = self.autopath;
        Ok(settings)
    }

    /// The other servers of the cluster's domain and its reverse zones.
    ///
    /// # Errors
    /// Every bad network and server.
    pub(crate) fn secondaries(&self) -> Result<Secondaries, Refusal> {
        let mut bad = Violations::new();
        let transfer_to = networks(&self.transfer_to, "dns.transfer_to", &mut bad);
        let notify = notified(&self.notify, "dns.notify", &mut bad);
        bad.finish(Some(Secondaries { transfer_to, notify }))
    }

    /// The name of this server.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn name(&self) -> Result<Name, Malformed> {
        match self.server_name.as_str() {
            "" => format!("dns-{:08x}", entropy::draw().0 & 0xffff_ffff).parse(),
            name => name.parse(),
        }
    }

    /// How this server is followed by another one, where it is.
    #[must_use]
    pub fn handover(&self) -> Option<Handover> {
        let path = Some(self.handover_path.clone()).filter(|path| !path.as_os_str().is_empty())?;
        Some(Handover { path, warm_up: self.handover_warm_up.0 })
    }

    /// UDP threads per listen address.
    pub(crate) fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            fixed => fixed,
        }
    }
}

/// The whole configuration of `polder-dns`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The sections that every process has.
    #[serde(flatten)]
    pub process: ProcessConfig,
    /// The name server.
    pub dns: DnsConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self { process: ProcessConfig::default().with_grpc(7663).with_metrics(9663), dns: DnsConfig::default() }
    }
}

impl Configured for Config {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_secondary_is_named() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let with = |to: &[&str], notify: &[&str]| {
            DnsConfig { transfer_to: texts(to), notify: texts(notify), ..DnsConfig::default() }.secondaries()
        };
        assert!(DnsConfig::default().secondaries().unwrap().is_empty());
        let some = with(&["192.0.2.0/24", "fd00::7"], &["192.0.2.53", "[fd00::7]:5353"]).unwrap();
        assert_eq!((some.transfer_to.len(), some.notify.len()), (2, 2));
        let refused = with(&["192.0.2.1/24", "::/0"], &["192.0.2.53", "ns1.example"]).unwrap_err();
        let bad: Vec<_> = refused.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect();
        assert_eq!(bad, [("dns.transfer_to[0]", Reason::RangeMalformed), ("dns.notify[1]", Reason::AddressMalformed)]);
    }
}
