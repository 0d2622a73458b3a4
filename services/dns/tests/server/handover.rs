//! One server hands all its addresses to the next: both families, TLS, any number of threads.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use polder_dns::{Dns, DnsConfig};
use polder_runtime::config::ProcessConfig;
use polder_runtime::process::{Process, Running};
use polder_store::Store;

use super::dig::ask_at;
use super::site::{PROGRAM, commit, shop};
use super::tls::Files;

/// A server, once it serves; and where it does.
async fn serve(store: &Store, config: DnsConfig) -> (Running, Vec<SocketAddr>, SocketAddr) {
    let process = Process::new(PROGRAM, ProcessConfig::default()).unwrap();
    process.succeed(config.handover().unwrap()).await.unwrap();
    let Dns { component, addresses, tls_addresses } = polder_dns::build(&config, store.clone(), &process).unwrap();
    (process.start(vec![component]).await.unwrap(), addresses, tls_addresses[0])
}

fn config(path: &Path, files: &Files, workers: usize) -> DnsConfig {
    let listen = ["127.0.0.1:0", "[::1]:0"].map(|address| address.parse().unwrap()).into();
    DnsConfig { listen, handover_path: path.join("next"), workers, ..files.config() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_is_handed_over_whatever_the_number_of_threads() {
    const NAME: &str = "web.shop.svc.cluster.local A";
    let folder = tempfile::tempdir().unwrap();
    let files = Files::in_folder(folder.path());
    let (_folder, store) = polder_store::testing::embedded();
    commit(&store, &shop()).await;
    let (mut running, listen, tls) = serve(&store, config(folder.path(), &files, 3)).await;
    for workers in [1, 5] {
        let next = DnsConfig { listen: listen.clone(), tls_listen: vec![tls], ..config(folder.path(), &files, workers) };
        let (next, addresses, tls_address) = serve(&store, next).await;
        assert_eq!((&addresses, tls_address), (&listen, tls));
        tokio::time::timeout(Duration::from_secs(30), running.wait()).await.unwrap().unwrap();
        for address in &listen {
            // Each comes from another port: the kernel spreads them over the sockets.
            for _ in 0..8 {
                assert!(ask_at("dig", *address, NAME).contains("172.28.0.2"));
            }
            assert!(ask_at("dig", *address, &format!("+tcp {NAME}")).contains("172.28.0.2"));
        }
        let trust = format!("+tls-ca={} +tls-hostname=dns.test", files.authority.display());
        assert!(ask_at("kdig", tls, &format!("{trust} {NAME}")).contains("172.28.0.2"));
        running = next;
    }
    running.stop_token().cancel();
    running.wait().await.unwrap();
}
