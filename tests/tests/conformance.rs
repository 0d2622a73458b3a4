//! The Kubernetes DNS specification 1.1.0, asked by other people's resolvers, in the three shapes.
//!
//! dig, kdig, drill and dnspython see the same records, response codes and zones; the C libraries glibc and musl, with the search path of
//! a pod, find what programs look for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use polder_tests::resolver::{Library, Said, dnspython, printed};
use polder_tests::{Shape, Site};
use serde_json::Value;

const OBJECTS: &str = include_str!("../clients/conformance.yaml");

#[test]
fn all_in_one_on_the_embedded_store() {
    scenario(Shape::Embedded, 1);
}

#[test]
fn all_in_one_on_etcd() {
    scenario(Shape::Etcd, 2);
}

#[test]
fn split_processes_on_etcd() {
    scenario(Shape::Split, 3);
}

/// What a question has to bring. `data` is the data of the answers, which all stand at the name of the question but for those
/// behind an alias; without any the zone says why.
struct Question {
    name: String,
    rtype: &'static str,
    rcode: &'static str,
    answer: BTreeSet<String>,
}

/// What the site gave its objects, by what the questions call them.
struct Given {
    services: BTreeMap<String, Vec<IpAddr>>,
    pods: BTreeMap<String, IpAddr>,
}

fn scenario(shape: Shape, number: u8) {
    // Port 53 is free on addresses of loopback that nobody else has.
    let process = std::process::id().to_be_bytes();
    let resolvers: Vec<Ipv4Addr> =
        (0..2).map(|replica| Ipv4Addr::new(127, 64 | process[2], process[3], 10 * number + replica)).collect();
    let mut site = Site::start_with(shape, &resolvers);
    let objects = site.folder().join("objects.yaml");
    std::fs::write(&objects, OBJECTS).unwrap();
    let _ = site.polder(&["apply", "-f", objects.to_str().unwrap()]).ok();
    let newest = json(&site, &["get", "services", "-n", "shop"])["revision"].as_str().unwrap().to_owned();
    let given = given(&site);
    let questions = questions(&given);
    for server in site.dns() {
        let timeout = format!(r#"{{"revision": "{newest}", "timeout": "60s"}}"#);
        for grpc in site.grpc("dns") {
            let wait = ["-plaintext", "-d", &timeout, &grpc, "polder.dns.v1.DnsService/WaitForRevision"];
            let _ = polder_tests::tool::grpcurl(&wait).ok();
        }
        programs_agree(&server, &questions);
    }
    let replicas = site.dns().len();
    for resolver in resolvers.iter().take(replicas) {
        libraries_find(&site, &resolver.to_string(), &given);
    }
    site.drain();
}

fn json(site: &Site, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["-o", "json"]);
    serde_json::from_str(&site.polder(&all).ok()).unwrap()
}

fn addresses(list: &Value) -> Vec<IpAddr> {
    list.as_array().into_iter().flatten().map(|one| one["address"].as_str().unwrap().parse().unwrap()).collect()
}

fn given(site: &Site) -> Given {
    let (services, pods) = (json(site, &["get", "services", "-n", "shop"]), json(site, &["get", "allocations", "-n", "shop"]));
    let name = |object: &Value| object.as_str().unwrap().to_owned();
    let listed = |list: &Value| list.as_array().unwrap().clone();
    let services = listed(&services["services"]);
    let services = services.iter().map(|service| (name(&service["name"]), addresses(&service["status"]["clusterVips"])));
    let pods = listed(&pods["allocations"]);
    let pods = pods.iter().filter(|pod| pod["owner"]["kind"] == "OWNER_KIND_POD");
    Given {
        services: services.collect(),
        pods: pods.map(|pod| (name(&pod["owner"]["name"]), addresses(&pod["addresses"])[0])).collect(),
    }
}

fn dashed(address: IpAddr) -> String {
    address.to_string().replace('.', "-")
}

fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let nibbles = format!("{:032x}", v6.to_bits());
            nibbles.chars().rev().map(|nibble| format!("{nibble}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

fn questions(given: &Given) -> Vec<Question> {
    let ask = |name: &str, rtype: &'static str, rcode: &'static str, data: &[String]| {
        let name = format!("{}.", if name.ends_with("arpa") { name.to_owned() } else { format!("{name}cluster.local") });
        let answer = data.iter().map(|data| format!("{name} {rtype} {data}")).collect();
        Question { name, rtype, rcode, answer }
    };
    let text = |text: &str| vec![text.to_owned()];
    let shop = |name: &str| format!("{name}.shop.svc.cluster.local.");
    let vip = |service: &str, v6: bool| {
        let vips = given.services[service].iter().filter(|address| address.is_ipv6() == v6);
        vips.map(ToString::to_string).collect::<Vec<_>>()
    };
    let pod = |name: &str| given.pods[name];
    let ready = ["p0", "p1", "p3"].map(|name| pod(name).to_string());
    let named = ["p0".to_owned(), "p1".to_owned(), dashed(pod("p3"))];
    let srv = |port: u16, host: &str| format!("0 100 {port} {}", shop(host));
    let peers: Vec<String> = named.iter().map(|host| srv(8080, &format!("{host}.peers"))).collect();
    let (first, both) = (given.services["web"][0], &given.services["dual"]);
    let mut questions = vec![
        // 2.2
        ask("dns-version.", "TXT", "NOERROR", &text("\"1.1.0\"")),
        ask("dns-version.", "A", "NOERROR", &[]),
        // 2.3
        ask("web.shop.svc.", "A", "NOERROR", &vip("web", false)),
        ask("web.shop.svc.", "AAAA", "NOERROR", &[]),
        ask("dual.shop.svc.", "A", "NOERROR", &vip("dual", false)),
        ask("dual.shop.svc.", "AAAA", "NOERROR", &vip("dual", true)),
        ask("_http._tcp.dual.shop.svc.", "SRV", "NOERROR", &[srv(80, "dual")]),
        ask("_dns._udp.dual.shop.svc.", "SRV", "NOERROR", &[srv(53, "dual")]),
        ask("_dns._tcp.dual.shop.svc.", "SRV", "NXDOMAIN", &[]),
        ask("dual.shop.svc.", "SRV", "NOERROR", &[srv(80, "dual"), srv(53, "dual")]),
        ask(&reverse(first), "PTR", "NOERROR", &[shop("web")]),
        // 2.4
        ask("peers.shop.svc.", "A", "NOERROR", &ready),
        ask("peers.shop.svc.", "AAAA", "NOERROR", &[]),
        ask("p0.peers.shop.svc.", "A", "NOERROR", &[pod("p0").to_string()]),
        ask(&format!("{}.peers.shop.svc.", named[2]), "A", "NOERROR", &[pod("p3").to_string()]),
        ask("p2.peers.shop.svc.", "A", "NXDOMAIN", &[]),
        ask("_http._tcp.peers.shop.svc.", "SRV", "NOERROR", &peers),
        ask(&reverse(pod("p1")), "PTR", "NOERROR", &[shop("p1.peers")]),
        ask("early.shop.svc.", "A", "NOERROR", &[pod("slow").to_string()]),
        ask("none.shop.svc.", "A", "NXDOMAIN", &[]),
        // Pods, and the shape of the tree.
        ask(&format!("{}.shop.pod.", dashed(pod("p3"))), "A", "NOERROR", &[pod("p3").to_string()]),
        ask("192-0-2-1.shop.pod.", "A", "NXDOMAIN", &[]),
        ask("", "NS", "NOERROR", &text("ns.dns.cluster.local.")),
        ask("svc.", "A", "NOERROR", &[]),
        ask("shop.svc.", "A", "NOERROR", &[]),
        ask("nobody.svc.", "A", "NXDOMAIN", &[]),
        ask("_tcp.dual.shop.svc.", "A", "NOERROR", &[]),
        ask("nothing.shop.svc.", "A", "NXDOMAIN", &[]),
        ask("WEB.Shop.svc.", "A", "NOERROR", &vip("web", false)),
        ask("x.web.shop.svc.", "A", "NXDOMAIN", &[]),
        ask("web.shop.svc.", "TYPE65", "NOERROR", &[]),
    ];
    questions.extend(both.iter().map(|address| ask(&reverse(*address), "PTR", "NOERROR", &[shop("dual")])));
    // 2.5
    let outside = format!("{} CNAME outside.example.com.", shop("pay"));
    let inside = [format!("{} CNAME {}", shop("store"), shop("db")), format!("{} A {}", shop("db"), vip("db", false)[0])];
    for (name, answer) in [("pay", BTreeSet::from([outside])), ("store", BTreeSet::from(inside))] {
        questions.push(Question { name: shop(name), rtype: "A", rcode: "NOERROR", answer });
    }
    questions
}

fn judge(who: &str, question: &Question, said: &Said) {
    let what = format!("{who}: {} {}", question.name, question.rtype);
    let wanted: BTreeSet<String> = question.answer.iter().map(|line| lower(line)).collect();
    assert_eq!((said.rcode.as_str(), &said.answer), (question.rcode, &wanted), "{what}");
    assert!(said.authoritative, "{what}");
    let soa = said.authority.iter().filter(|line| line.contains(" SOA ns.dns.cluster.local. hostmaster.cluster.local. ")).count();
    assert_eq!((soa, said.authority.len()), if wanted.is_empty() { (1, 1) } else { (0, 0) }, "{what}: {said:?}");
}

/// Only the type keeps its case.
fn lower(line: &str) -> String {
    let mut words = line.splitn(3, ' ').map(str::to_owned);
    let [name, rtype, data] = std::array::from_fn(|_| words.next().unwrap());
    format!("{} {rtype} {}", name.to_lowercase(), data.to_lowercase())
}

fn programs_agree(server: &str, questions: &[Question]) {
    for question in questions {
        for program in ["dig", "kdig", "drill"] {
            for tcp in [false, true] {
                judge(program, question, &printed(program, server, &question.name, question.rtype, tcp));
            }
        }
    }
    let asked: Vec<(String, String)> = questions.iter().map(|one| (one.name.clone(), one.rtype.to_owned())).collect();
    let said = dnspython(server, &asked);
    assert_eq!(said.len(), questions.len());
    questions.iter().zip(&said).for_each(|(question, said)| judge("dnspython", question, said));
}

fn libraries_find(site: &Site, resolver: &str, given: &Given) {
    let sorted = |addresses: &[IpAddr]| {
        let mut texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    let ready = ["p0", "p1", "p3"].map(|name| given.pods[name]);
    for compiler in ["cc", "musl-gcc"] {
        let library = Library::new(site.folder(), compiler, resolver, "shop");
        let web = sorted(&given.services["web"]);
        for name in ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "web.shop.svc.cluster.local."] {
            assert_eq!(library.lookup(name), web, "{compiler} {name}");
        }
        assert_eq!(library.lookup("dual"), sorted(&given.services["dual"]), "{compiler}");
        assert_eq!(library.lookup("peers"), sorted(&ready), "{compiler}");
        assert_eq!(library.lookup("p0.peers"), sorted(&ready[..1]), "{compiler}");
        assert_eq!(library.lookup("store"), sorted(&given.services["db"]), "{compiler}");
        for missing in ["nothing", "p2.peers", "none"] {
            assert_eq!(library.lookup(missing), [""; 0], "{compiler} {missing}");
        }
        for address in &given.services["dual"] {
            assert_eq!(library.lookup(&address.to_string()), ["dual.shop.svc.cluster.local"], "{compiler} {address}");
        }
        assert_eq!(library.lookup(&ready[1].to_string()), ["p1.peers.shop.svc.cluster.local"], "{compiler}");
    }
}
