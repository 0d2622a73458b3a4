//! `polder up`: where each of its settings may stand, and that port 0 takes a free port and says which.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use std::net::{SocketAddr, TcpListener};

use polder_tests::Process;
use polder_tests::tool::{dig_raw, grpcurl, polder, run};

/// A setting of `polder up`: its flag, its variable, a value and how `--dump-config` shows it.
type Setting = (&'static str, &'static str, &'static str, &'static str);

const SETTINGS: [Setting; 6] = [
    ("--data-dir", "POLDER_DATA_DIR", "/var/lib/polder", "data_dir = \"/var/lib/polder\""),
    ("--store", "POLDER_STORE", "etcd://127.0.0.1:2379", "store = \"etcd://127.0.0.1:2379\""),
    ("--grpc-listen", "POLDER_GRPC_LISTEN", "127.0.0.1:17653", "grpc_listen = \"127.0.0.1:17653\""),
    ("--http-listen", "POLDER_HTTP_LISTEN", "127.0.0.1:17650", "http_listen = \"127.0.0.1:17650\""),
    ("--metrics-listen", "POLDER_METRICS_LISTEN", "127.0.0.1:19653", "metrics_listen = \"127.0.0.1:19653\""),
    ("--dns-listen", "POLDER_DNS_LISTEN", "127.0.0.1:15300", "listen = [\"127.0.0.1:15300\"]"),
];

const DUMP: [&str; 2] = ["up", "--dump-config"];

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|other| other == line)
}

#[test]
fn every_setting_is_a_flag_a_variable_and_a_key_of_the_file() {
    let defaults = polder(&[], &DUMP, "").ok();
    for line in [
        "data_dir = \"./data\"",
        "grpc_listen = \"127.0.0.1:7653\"",
        "http_listen = \"127.0.0.1:7650\"",
        "listen = [\"127.0.0.1:5300\"]",
    ] {
        assert!(has_line(&defaults, line), "`{line}` is not in\n{defaults}");
    }
    let flags: Vec<&str> = SETTINGS.iter().flat_map(|(flag, _, value, _)| [*flag, *value]).collect();
    let variables: Vec<(&str, &str)> = SETTINGS.iter().map(|(_, variable, value, _)| (*variable, *value)).collect();
    let by_flags = polder(&[], &[&DUMP[..], &flags].concat(), "").ok();
    for (flag, _, _, line) in SETTINGS {
        assert!(!has_line(&defaults, line) && has_line(&by_flags, line), "{flag}: `{line}` is not in\n{by_flags}");
    }
    assert_eq!(polder(&variables, &DUMP, "").ok(), by_flags);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("polder.toml");
    std::fs::write(&file, &by_flags).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(polder(&[], &["up", "--dump-config", "--config", file], "").ok(), by_flags, "it gives itself again");
    assert_eq!(polder(&[("POLDER_CONFIG", file)], &DUMP, "").ok(), by_flags);

    // Flag over variable over file.
    let over = [("POLDER_CONFIG", file), ("POLDER_GRPC_LISTEN", "127.0.0.1:1"), ("POLDER_HTTP_LISTEN", "127.0.0.1:2")];
    let mixed = polder(&over, &["up", "--dump-config", "--http-listen", "127.0.0.1:3"], "").ok();
    for line in ["grpc_listen = \"127.0.0.1:1\"", "http_listen = \"127.0.0.1:3\"", SETTINGS[0].3] {
        assert!(has_line(&mixed, line), "`{line}` is not in\n{mixed}");
    }
}

#[test]
fn settings_that_cannot_be_are_refused_with_their_origin() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let up = |environment: &[(&str, &str)], more: &[&str]| {
        let free = ["--data-dir", data.to_str().unwrap(), "--dns-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        polder(environment, &[&["up"][..], &free, more].concat(), "")
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (finished, code, part) in [
        (up(&[], &["--grpc-listen", "banana"]), 2, "--grpc-listen"),
        (up(&[("POLDER_HTTP_LISTEN", "banana")], &[]), 1, "the environment variable POLDER_HTTP_LISTEN"),
        (up(&[], &["--set", "http_lsten=127.0.0.1:0"]), 1, "did you mean `http_listen`?"),
        (up(&[], &["--store", "banana:1"]), 1, "`banana:1` is no store"),
        (up(&[], &["--grpc-listen", "0.0.0.0:0"]), 1, "without TLS"),
        (up(&[], &["--grpc-listen", "127.0.0.1:0", "--http-listen", &taken]), 1, &taken),
        (up(&[], &["--apply", "nothing.yaml"]), 1, "nothing.yaml cannot be read"),
    ] {
        assert!(finished.code == code && finished.err.contains(part), "{part}: {finished:?}");
    }
}

#[test]
fn port_zero_takes_a_free_port_and_the_summary_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("embedded:{}", folder.path().join("by-variable").display());
    let free = "127.0.0.1:0";
    let environment = [
        ("POLDER_STORE", store.as_str()),
        ("POLDER_GRPC_LISTEN", free),
        ("POLDER_HTTP_LISTEN", free),
        ("POLDER_DNS_LISTEN", free),
        ("POLDER_METRICS_LISTEN", free),
    ];
    let example = polder_tests::site::repository("examples/two-tier.yaml").display().to_string();
    let arguments = ["up".to_owned(), "--apply".to_owned(), example];
    let mut process = Process::start_with(folder.path(), "up", "polder", &arguments, &environment);
    assert!(folder.path().join("by-variable").exists(), "the store is where the variable says");

    let log = process.log();
    let [grpc, http, dns, metrics] = ["grpc", "http", "dns", "metrics"].map(|kind| process.address(kind));
    for address in [&grpc, &http, &dns, &metrics] {
        let bound: SocketAddr = address.parse().unwrap();
        assert!(bound.ip().is_loopback() && bound.port() != 0, "{bound}");
    }
    for part in [
        format!("page       http://{http}/\n"),
        format!("REST       http://{http}/v1/pools\n"),
        format!("OpenAPI    http://{http}/openapi.json\n"),
        format!("gRPC       http://{grpc} "),
        format!("DNS        {dns} "),
        format!("metrics    http://{metrics}/metrics\n"),
        // What was assigned.
        "service/web created\n".to_owned(),
        "NAMESPACE   NAME   TYPE           CLUSTER-IP".to_owned(),
        "10.0.0.13     80/TCP".to_owned(),
    ] {
        assert!(log.contains(&part), "`{part}` is not in\n{log}");
    }
    for url in [format!("http://{http}/"), format!("http://{http}/v1/pools"), format!("http://{metrics}/readyz")] {
        let _ = run("curl", &["-fsS", &url]).ok();
    }
    assert!(grpcurl(&["-plaintext", &grpc, "list"]).ok().contains("polder.lb.v1.ServiceCatalogService"));
    assert!(dig_raw(&dns, &["web.shop.svc.cluster.local"]).ok().contains("status: NOERROR"));
    let server = format!("http://{grpc}");
    assert!(polder(&[("POLDER_SERVER", &server)], &["get", "svc", "-n", "shop"], "").ok().contains("LoadBalancer"));
    assert_eq!(process.terminate(), Some(0), "it drains");
}

#[test]
fn memory_is_taken_by_the_small_page() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("embedded:{}", folder.path().join("state").display());
    let free = "127.0.0.1:0";
    let listeners = ["POLDER_GRPC_LISTEN", "POLDER_HTTP_LISTEN", "POLDER_DNS_LISTEN", "POLDER_METRICS_LISTEN"];
    let environment: Vec<(&str, &str)> =
        listeners.map(|variable| (variable, free)).into_iter().chain([("POLDER_STORE", &store[..])]).collect();
    let mut process = Process::start_with(folder.path(), "up", "polder", &["up".to_owned()], &environment);
    assert_eq!(process.kernel_says("THP_enabled"), "0", "huge pages");
    assert_eq!(process.terminate(), Some(0), "it drains");
}
