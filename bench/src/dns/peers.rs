//! The others, as their manuals say to run them: one thread, the same zone, no logs, nothing that a change would need.

use std::net::SocketAddr;
use std::path::Path;

use super::mix::ZONE;

/// The file of the zone, in the folder of each.
pub(super) const ZONE_FILE: &str = "zone";

/// How one is run.
pub(super) struct Recipe {
    /// The program.
    pub(super) program: &'static str,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// Variables of its environment.
    pub(super) environment: &'static [(&'static str, &'static str)],
    /// The configuration, and the name of its file.
    pub(super) config: (&'static str, String),
}

/// Its limit of the rate of answers that say the same is off: it would drop what one client asks here.
pub(super) fn nsd(address: SocketAddr, folder: &Path) -> Recipe {
    let at = folder.display();
    let config = format!(
        "server:\n  server-count: 1\n  ip-address: {ip}@{port}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{at}\"\n  \
         database: \"\"\n  pidfile: \"{at}/pid\"\n  xfrdfile: \"{at}/xfrd\"\n  xfrdir: \"{at}\"\n  zonelistfile: \"{at}/zones\"\n  \
         rrl-ratelimit: 0\n  rrl-whitelist-ratelimit: 0\n\
         remote-control:\n  control-enable: no\n\
         zone:\n  name: {ZONE}\n  zonefile: {ZONE_FILE}\n",
        ip = address.ip(),
        port = address.port(),
    );
    Recipe { program: "nsd", arguments: words(["-d", "-c", "config"]), environment: &[], config: ("config", config) }
}

pub(super) fn knot(address: SocketAddr, folder: &Path) -> Recipe {
    let at = folder.display();
    let config = format!(
        "server:\n    listen: {ip}@{port}\n    rundir: \"{at}\"\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n\
         database:\n    storage: \"{at}\"\n\
         log:\n  - target: stderr\n    any: error\n\
         zone:\n  - domain: {ZONE}\n    storage: \"{at}\"\n    file: {ZONE_FILE}\n    zonefile-sync: -1\n    journal-content: none\n",
        ip = address.ip(),
        port = address.port(),
    );
    Recipe { program: "knotd", arguments: words(["-c", "config"]), environment: &[], config: ("config", config) }
}

pub(super) fn coredns(address: SocketAddr) -> Recipe {
    let config = format!("{ZONE}:{port} {{\n    bind {ip}\n    file {ZONE_FILE}\n}}\n", ip = address.ip(), port = address.port());
    Recipe {
        program: "coredns",
        arguments: words(["-quiet", "-conf", "Corefile"]),
        environment: &[("GOMAXPROCS", "1")],
        config: ("Corefile", config),
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}
