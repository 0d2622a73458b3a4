//! What a client may send: it is answered by a message that can be read, that is no longer than the client takes, that repeats the number
//! and the question, and that nobody answers again; or it is dropped.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use polder_core::cluster::Cluster;
use polder_core::dns::cookie::{Checked, Secret, Secrets};
use polder_core::dns::message::Message;
use polder_core::dns::resolver::Asked;
use polder_core::dns::wire::Question;
use polder_core::dns::{Client, Heads, Outcome, Seed, Settings, Snapshot, Transport, answer, bad_cookie, cut_short};
use polder_core::id::{Revision, Uid};
use polder_core::lb::{Brief, Change, Protocol, Service, ServiceKey, ServicePort, ServiceSpec, TargetPort, Vip};
use polder_core::meta::Meta;
use polder_core::net::Labels;
use polder_core::time::Timestamp;

use super::Target;
use crate::Shape;

/// The target.
pub const TARGET: Target = Target { name: "queries", shape: Shape::Bytes, run };

const HEADER: usize = 12;
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// The names of one service, `web.shop`, with an address of each family and a port.
static NAMES: LazyLock<Snapshot> = LazyLock::new(|| {
    let key = ServiceKey { namespace: "shop".parse().unwrap(), name: "web".parse().unwrap() };
    let target = TargetPort::Number(8080);
    let port =
        ServicePort { name: Some("http".parse().unwrap()), protocol: Protocol::Tcp, port: 80, target, app_protocol: String::new() };
    let vip = |address: &str| Vip { address: address.parse().unwrap(), pool: "service".parse().unwrap() };
    let service = Service {
        key: key.clone(),
        meta: Meta { uid: Uid(1), version: 1, created: Timestamp(1), updated: Timestamp(1) },
        labels: Labels::default(),
        annotations: [].into(),
        spec: ServiceSpec { ports: vec![port], ..ServiceSpec::default() },
        cluster: vec![vip("172.28.0.2"), vip("fd00:28::2")],
        external: Vec::new(),
        conditions: Vec::new(),
    };
    let mut cluster = Cluster::default();
    cluster.apply(&Change::Brief(key, Some(Brief::of(&service))).into());
    let settings = Arc::new(Settings::new("cluster.local".parse().unwrap(), Seed(7)).unwrap());
    Snapshot::build(settings, &cluster, Heads::at(Revision(1)))
});

fn run(input: &[u8]) {
    let secrets = Secrets { current: Secret::new([3; 16]), other: None };
    let checked = Checked::read(input, CLIENT, &secrets, 1_800_000_000);
    let mut out = vec![0; 65_535];
    for (transport, most) in [(Transport::Udp, 1232), (Transport::Tcp, 65_535)] {
        let client = Client { transport, turn: 1, address: Some(CLIENT) };
        // The guess of where the answer lies may be wrong, and is harmless.
        _ = NAMES.near(input).map(|near| near.entries().len());
        let outcome = answer(&NAMES, client, input, &mut out);
        assert!(outcome == Outcome::Dropped || input[2] & 0x80 == 0, "an answer is answered");
        if let Some(sent) = fits(input, outcome, &out, most) {
            assert!(!sent || checked.is_some(), "room for a cookie that nobody asked for");
            let length = outcome.sent().unwrap().length;
            assert_eq!(answer(&NAMES, client, &out[..length], &mut [0; 512]), Outcome::Dropped);
        }
        _ = Asked::read(input, transport);
    }
    let outcome = cut_short(input, &mut out);
    _ = fits(input, outcome, &out, 1232);
    if checked.is_some() {
        let outcome = bad_cookie(input, &mut out);
        _ = fits(input, outcome, &out, 1232);
    }
}

/// Whether what is sent has room for a cookie; it has to be an answer to the message.
fn fits(input: &[u8], outcome: Outcome, out: &[u8], most: usize) -> Option<bool> {
    let sent = outcome.sent()?;
    assert!(sent.length <= most);
    let reply = Message::read(&out[..sent.length]).expect("what is sent can be read");
    assert_eq!((reply.id.to_be_bytes(), reply.rcode), ([input[0], input[1]], sent.rcode));
    if let Some(rtype) = sent.rtype {
        let question = Question::read(input).expect("a type was read");
        let end = HEADER + question.name().len() + 4;
        assert_eq!((question.rtype, &out[HEADER..end]), (rtype, &input[HEADER..end]));
    }
    Some(sent.cookie)
}
