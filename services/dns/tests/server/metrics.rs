//! What is counted, under our names and under those of CoreDNS.

use std::net::UdpSocket;
use std::time::Duration;

use polder_core::dns::wire::encode_query;
use polder_core::dns::{RecordType, message::Message};
use polder_dns::{DnsConfig, RateConfig};

use super::dig::ask;
use super::forward;
use super::site::{Site, served};
use super::zones::{first_view, new_set, new_zone};

/// Waits until all lines are there: how long an answer took is counted after it is sent.
fn has(site: &Site, lines: &[String]) {
    let mut text = String::new();
    for _ in 0..500 {
        text = site.metrics();
        if lines.iter().all(|line| text.lines().any(|other| other == line)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let missing: Vec<&String> = lines.iter().filter(|line| !text.lines().any(|other| other == *line)).collect();
    panic!("{missing:#?}\n{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_zone_is_counted_under_its_name() {
    let (_folder, site) = Site::shop().await;
    let mut client = first_view(&site).await;
    client.create_zone(new_zone("Site-12.example")).await.unwrap();
    let revision = client.create_record_set(new_set("site-12.example/www/A", &["10.0.0.80"])).await.unwrap().into_inner().revision;
    served(&mut client, revision).await;
    for question in [
        "web.shop.svc.cluster.local A",
        "+tcp gone.shop.svc.cluster.local AAAA",
        "WWW.Site-12.Example A",
        "nobody.site-12.example TYPE65",
        "-x 172.28.0.2",
        "-x fd00:28::3",
        "www.elsewhere.example A",
    ] {
        ask("dig", &site, question);
    }
    let server = site.dns();
    let counted = |zone: &str, proto: &str, rtype: &str| {
        let labels = format!(r#"server="dns://{server}",zone="{zone}",view="",proto="{proto}",family="1",type="{rtype}""#);
        ["polder", "coredns"].map(|who| format!("{who}_dns_requests_total{{{labels}}} 1"))
    };
    let answered = |zone: &str, rcode: &str| {
        let labels = format!(r#"server="dns://{server}",zone="{zone}",view="",rcode="{rcode}",plugin="polder""#);
        ["polder", "coredns"].map(|who| format!("{who}_dns_responses_total{{{labels}}} 1"))
    };
    let lines = [
        counted("cluster.local.", "udp", "A"),
        counted("cluster.local.", "tcp", "AAAA"),
        counted("site-12.example.", "udp", "A"),
        counted("site-12.example.", "udp", "other"),
        counted("in-addr.arpa.", "udp", "PTR"),
        counted("ip6.arpa.", "udp", "PTR"),
        counted(".", "udp", "A"),
        answered("cluster.local.", "NXDOMAIN"),
        answered("site-12.example.", "NOERROR"),
        answered(".", "REFUSED"),
    ];
    has(&site, &lines.concat());
    // One UDP query of the cluster, one by TCP.
    let zone = format!(r#"server="dns://{server}",zone="cluster.local.",view="""#);
    has(
        &site,
        &[
            format!(r#"coredns_dns_request_duration_seconds_count{{{zone}}} 2"#),
            format!(r#"coredns_dns_request_duration_seconds_bucket{{le="+Inf",{zone}}} 2"#),
            format!(r#"coredns_dns_request_size_bytes_bucket{{le="0.0",{zone},proto="udp"}} 0"#),
            format!(r#"coredns_dns_request_size_bytes_bucket{{le="100.0",{zone},proto="udp"}} 1"#),
            format!(r#"coredns_dns_response_size_bytes_count{{{zone},proto="tcp"}} 1"#),
        ],
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_without_an_answer_are_counted_by_why() {
    let rate = RateConfig { errors: 1, slip: 0, exempt: Vec::new(), ..RateConfig::default() };
    let (_folder, site) = Site::shop_with(DnsConfig { rate, ..DnsConfig::default() }).await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(site.dns()).unwrap();
    socket.send(b"no query").unwrap();
    let outside = encode_query(7, &"www.elsewhere.example".parse().unwrap(), RecordType::A);
    (0..50).for_each(|_| _ = socket.send(&outside).unwrap());
    let server = site.dns();
    let lost = |why: &str| {
        forward::metric(&site, &format!(r#"polder_dns_dropped_total{{server="dns://{server}",proto="udp",reason="{why}"}}"#))
    };
    while lost("unreadable") == 0 || lost("limited") < 10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(Message::read(&buffer[..length]).unwrap().id, 7);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_and_the_cache_have_the_names_of_coredns_too() {
    let (_folder, site, upstream) = forward::shop(|upstream| forward::asking(&[upstream])).await;
    for _ in 0..2 {
        ask("dig", &site, "www.example A");
    }
    let (server, to) = (site.dns(), upstream.text());
    let of_cache = format!(r#"server="dns://{server}",zones=".",view="""#);
    for name in [
        format!(r#"coredns_forward_requests_total{{to="{to}"}}"#),
        format!(r#"coredns_proxy_request_duration_seconds_count{{proxy_name="forward",to="{to}"}}"#),
        format!(r#"coredns_cache_hits_total{{{of_cache},type="success"}}"#),
        format!(r#"coredns_cache_misses_total{{{of_cache}}}"#),
        format!(r#"coredns_dns_responses_total{{server="dns://{server}",zone=".",view="",rcode="NOERROR",plugin="polder"}}"#),
    ] {
        assert!(forward::metric(&site, &name) > 0, "{name}\n{}", site.metrics());
    }
    site.stop().await;
}
