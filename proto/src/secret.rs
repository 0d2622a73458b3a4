//! Messages that carry a secret do not show it when they are printed.

use std::fmt;

/// Stands in the place of a secret.
fn hidden(secret: &str) -> &'static str {
    if secret.is_empty() { "" } else { "…" }
}

impl fmt::Debug for crate::lb::v1::BgpPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BgpPeer")
            .field("name", &self.name)
            .field("etag", &self.etag)
            .field("labels", &self.labels)
            .field("peer_address", &self.peer_address)
            .field("interface", &self.interface)
            .field("peer_asn", &self.peer_asn)
            .field("local_asn", &self.local_asn)
            .field("peer_port", &self.peer_port)
            .field("hold_time", &self.hold_time)
            .field("keepalive_time", &self.keepalive_time)
            .field("password", &hidden(&self.password))
            .field("has_password", &self.has_password)
            .field("node_selectors", &self.node_selectors)
            .field("bfd", &self.bfd)
            .field("conditions", &self.conditions)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for crate::state::v1::BgpPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BgpPeer")
            .field("version", &self.version)
            .field("meta", &self.meta)
            .field("peer_address", &self.peer_address)
            .field("interface", &self.interface)
            .field("peer_asn", &self.peer_asn)
            .field("local_asn", &self.local_asn)
            .field("password", &hidden(&self.password))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_password_is_not_printed() {
        let password = "hunter2".to_owned();
        let asked = crate::lb::v1::BgpPeer { name: "tor".to_owned(), password: password.clone(), ..Default::default() };
        let request = crate::lb::v1::CreateBgpPeerRequest { bgp_peer: Some(asked), ..Default::default() };
        let stored = crate::state::v1::BgpPeer { password, ..Default::default() };
        for text in [format!("{request:?}"), format!("{stored:?}")] {
            assert!(!text.contains("hunter2") && text.contains("password: \"…\""), "{text}");
        }
    }
}
