//! The services behind the gateway.

use polder_runtime::link::Link;

/// A link to each service. In one process all of them are the same local link.
#[derive(Clone)]
pub struct Upstreams {
    /// Serves `polder.ipam.v1`.
    pub ipam: Link,
    /// Serves `polder.lb.v1`.
    pub lb: Link,
    /// Serves `polder.dns.v1`.
    pub dns: Link,
}

impl Upstreams {
    /// One link that serves everything.
    #[must_use]
    pub fn single(link: Link) -> Self {
        Self { ipam: link.clone(), lb: link.clone(), dns: link }
    }

    /// The link that serves a proto package, whatever its version.
    pub(crate) fn of(&self, package: &str) -> Option<&Link> {
        match package.strip_prefix("polder.")?.split('.').next()? {
            "ipam" => Some(&self.ipam),
            "lb" => Some(&self.lb),
            "dns" => Some(&self.dns),
            _ => None,
        }
    }
}
