//! The real `dig` and `kdig`.

use std::net::SocketAddr;
use std::process::Command;

use super::site::Site;

/// What a program prints for a query to the server.
pub(crate) fn ask(program: &str, site: &Site, arguments: &str) -> String {
    ask_at(program, site.dns(), arguments)
}

/// The same of a server at an address.
pub(crate) fn ask_at(program: &str, address: SocketAddr, arguments: &str) -> String {
    let output = Command::new(program)
        .args([
            format!("@{}", address.ip()),
            "-p".to_owned(),
            address.port().to_string(),
            "+retry=2".to_owned(),
            "+timeout=5".to_owned(),
        ])
        .args(arguments.split_whitespace())
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn short(site: &Site, arguments: &str) -> Vec<String> {
    let mut lines: Vec<String> = ask("dig", site, &format!("+short {arguments}")).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_gets_what_the_specification_says() {
    let (_folder, site) = Site::shop().await;
    for (arguments, expected) in [
        ("web.shop.svc.cluster.local A", vec!["172.28.0.2"]),
        ("db.shop.svc.cluster.local AAAA", vec!["fd00:28::3"]),
        ("_http._tcp.web.shop.svc.cluster.local SRV", vec!["0 100 80 web.shop.svc.cluster.local."]),
        ("-x 172.28.0.2", vec!["web.shop.svc.cluster.local."]),
        ("-x fd00:28::3", vec!["db.shop.svc.cluster.local."]),
        ("peers.shop.svc.cluster.local A", vec!["172.27.0.20", "172.27.0.21"]),
        ("p1.peers.shop.svc.cluster.local A", vec!["172.27.0.21"]),
        ("-x 172.27.0.21", vec!["p1.peers.shop.svc.cluster.local."]),
        (
            "_http._tcp.peers.shop.svc.cluster.local SRV",
            vec!["0 100 8080 p0.peers.shop.svc.cluster.local.", "0 100 8080 p1.peers.shop.svc.cluster.local."],
        ),
        ("172-27-0-21.shop.pod.cluster.local A", vec!["172.27.0.21"]),
        ("pay.shop.svc.cluster.local A", vec!["pay.example.com."]),
        ("store.shop.svc.cluster.local A", vec!["172.28.0.3", "db.shop.svc.cluster.local."]),
        ("dns-version.cluster.local TXT", vec!["\"1.1.0\""]),
        ("cluster.local NS", vec!["ns.dns.cluster.local."]),
        ("ns.dns.cluster.local A", vec!["172.28.0.10"]),
    ] {
        for transport in ["", "+tcp", "+noedns"] {
            assert_eq!(short(&site, &format!("{transport} {arguments}")), expected, "{transport} {arguments}");
        }
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_and_kdig_see_the_same_headers() {
    let (_folder, site) = Site::shop().await;
    for (arguments, rcode, flags) in [
        ("web.shop.svc.cluster.local A", "NOERROR", "qr aa rd"),
        ("web.shop.svc.cluster.local AAAA", "NOERROR", "qr aa rd"),
        ("nothing.shop.svc.cluster.local A", "NXDOMAIN", "qr aa rd"),
        ("nobody.svc.cluster.local A", "NXDOMAIN", "qr aa rd"),
        ("shop.svc.cluster.local A", "NOERROR", "qr aa rd"),
        ("www.example.com A", "REFUSED", "qr rd"),
    ] {
        for program in ["dig", "kdig"] {
            let answer = ask(program, &site, arguments).to_uppercase();
            assert!(answer.contains(&format!("STATUS: {rcode}")), "{program} {arguments}\n{answer}");
            assert!(answer.contains(&format!("FLAGS: {};", flags.to_uppercase())), "{program} {arguments}\n{answer}");
            let negative =
                flags.contains("aa") && !arguments.starts_with("web.shop.svc.cluster.local A ") && !answer.contains("ANSWER: 1");
            assert_eq!(
                answer.contains("SOA\tNS.DNS.CLUSTER.LOCAL. HOSTMASTER.CLUSTER.LOCAL."),
                negative,
                "{program} {arguments}\n{answer}"
            );
            assert!(!answer.contains("WARNING") || answer.contains("RECURSION REQUESTED BUT NOT AVAILABLE"), "{answer}");
        }
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_answer_is_asked_for_again_by_tcp() {
    let (_folder, site) = Site::shop().await;
    let cut = ask("dig", &site, "+ignore +noedns crowd.shop.svc.cluster.local A");
    assert!(cut.contains("flags: qr aa tc rd;"), "{cut}");
    assert_eq!(short(&site, "crowd.shop.svc.cluster.local A").len(), 120);
    let whole = ask("kdig", &site, "+noidn crowd.shop.svc.cluster.local A");
    assert!(whole.contains("(TCP)") && whole.contains("ANSWER: 120"), "{whole}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_families_are_served() {
    let (_folder, site) = Site::shop().await;
    let address = site.addresses[1];
    assert!(address.is_ipv6());
    for transport in ["+notcp", "+tcp"] {
        let port = address.port().to_string();
        let output =
            Command::new("dig").args(["@::1", "-p", &port, transport, "+short", "web.shop.svc.cluster.local"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "172.28.0.2\n");
    }
    site.stop().await;
}
