//! Who answers for external addresses, seen by an operator: agents are grpcurl with streams held open, the rest is the tool.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use polder_tests::{Shape, Site, eventually, tool};
use serde_json::{Value, json};

/// One stream of grpcurl that says the same again and again. Dropped, it is gone without a word.
struct Streaming {
    child: Child,
    stop: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Streaming {
    fn start(site: &Site, part: &str, method: &str, message: impl Fn(u64) -> Value + Send + 'static) -> Self {
        let program = std::env::var_os("GRPCURL").unwrap_or_else(|| "grpcurl".into());
        let mut command = Command::new(program);
        command.args(["-plaintext", "-d", "@", &site.grpc(part)[0], method]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("grpcurl starts");
        let (stop, mut input) = (Arc::new(AtomicBool::new(false)), child.stdin.take().unwrap());
        let stopping = Arc::clone(&stop);
        let writer = std::thread::spawn(move || {
            let say = |input: &mut ChildStdin, sequence| writeln!(input, "{}", message(sequence)).and_then(|()| input.flush());
            let mut sequence = 0;
            while !stopping.load(Ordering::Relaxed) && say(&mut input, sequence).is_ok() {
                sequence += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Self { child, stop, writer: Some(writer) }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

/// A node's agent: it lives, is there to answer for addresses, and has programmed whatever it is asked about.
struct Agent {
    _streams: [Streaming; 3],
}

impl Agent {
    fn start(site: &Site, node: &str) -> Self {
        let interface = json!({"name": "port3", "addresses": ["10.0.0.200/24"], "mtu": 1500, "up": true});
        let registered = json!({"name": node, "interfaces": [interface]}).to_string();
        let method = "polder.ipam.v1.NodeService/RegisterNode";
        let answer = tool::grpcurl(&["-plaintext", "-d", &registered, &site.grpc("ipam")[0], method]).ok();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let uid = answer["node"]["uid"].as_str().unwrap().to_owned();
        let of = move |sequence: u64, name: &str, key: &str, more: Value, this: (&str, &str)| {
            let mut message = json!({name: this.0, key: this.1, "sequence": sequence.to_string()});
            message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            message
        };
        let who = || (node.to_owned(), uid.clone());
        let (one, two, three) = (who(), who(), who());
        let lives = move |sequence| of(sequence, "name", "uid", json!({}), (&one.0, &one.1));
        let holds = move |sequence| of(sequence, "node", "nodeUid", json!({}), (&two.0, &two.1));
        let programmed = json!({"programmedRevision": u64::MAX.to_string()});
        let reports = move |sequence| of(sequence, "node", "nodeUid", programmed.clone(), (&three.0, &three.1));
        Self {
            _streams: [
                Streaming::start(site, "ipam", "polder.ipam.v1.NodeService/KeepAlive", lives),
                Streaming::start(site, "lb", "polder.lb.v1.AnnouncementService/HoldAnnouncements", holds),
                Streaming::start(site, "lb", "polder.lb.v1.DataplaneService/ReportDataplane", reports),
            ],
        }
    }
}

/// The node of the one external address.
fn node_of(site: &Site) -> Result<String, String> {
    let list = site.polder(&["get", "announcements", "--no-headers"]).ok();
    let words: Vec<&str> = list.split_whitespace().collect();
    match words.as_slice() {
        ["10.0.0.13", node, ..] if node.starts_with("node-") => Ok((*node).to_owned()),
        _ => Err(list),
    }
}

fn moves_to(site: &Site, node: &str) {
    eventually(&format!("{node} is to answer"), || match node_of(site) {
        Ok(now) if now == node => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn an_operator_sees_and_moves_who_answers_and_waits_for_a_change() {
    let site = Site::start(Shape::Embedded);
    let example = polder_tests::site::repository("examples/two-tier.yaml");
    let _ = site.polder(&["apply", "-f", example.to_str().unwrap()]).ok();
    let nobody = site.polder(&["why", "shop/web"]);
    assert_eq!(nobody.code, 1, "{}", nobody.out);
    assert!(nobody.out.contains("no agent has ever been heard of there"), "{}", nobody.out);

    let agents = ["node-a", "node-b"].map(|node| Agent::start(&site, node));
    let first = eventually("somebody answers", || node_of(&site));
    let other = if first == "node-a" { "node-b" } else { "node-a" };
    eventually("everything is well", || {
        let why = site.polder(&["why", "shop/web"]);
        if why.code == 0 && why.out.contains(&format!("node {first} answers for it")) { Ok(()) } else { Err(why.out) }
    });

    let _ = site.polder(&["move", "announcement", "10.0.0.13", "--to", other]).ok();
    moves_to(&site, other);
    let _ = site.polder(&["drain", other, "--announcements"]).ok();
    moves_to(&site, &first);
    let back = site.polder(&["move", "announcement", "10.0.0.13", "--to", other]);
    assert_eq!(back.code, 5, "{}", back.err);
    assert!(back.err.contains("its announcements are being drained"), "{}", back.err);
    let _ = site.polder(&["drain", other, "--announcements", "--end"]).ok();

    let late = "{apiVersion: v1, kind: Service, metadata: {name: late, namespace: shop}, spec: {ports: [{port: 81}]}}";
    let file = site.folder().join("late.yaml");
    std::fs::write(&file, late).unwrap();
    let waited = site.polder(&["apply", "-f", file.to_str().unwrap(), "--wait", "60s"]);
    assert_eq!(waited.code, 0, "{}{}", waited.out, waited.err);

    // The node that answers dies: its streams end, its lease runs out, and nobody has programmed what comes next.
    let [a, b] = agents;
    let survivor = if first == "node-a" {
        drop(a);
        b
    } else {
        drop(b);
        a
    };
    moves_to(&site, other);
    let gone = site.polder(&["delete", "service", "late", "-n", "shop", "--wait", "60s"]);
    assert_eq!(gone.code, 0, "a node that is lost is not waited for: {}{}", gone.out, gone.err);
    drop(survivor);
}
