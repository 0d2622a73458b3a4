//! A made-up upstream on loopback, on UDP and TCP: it answers by the first label of the name, and does what the test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::rdata::{A, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record};

/// How long a thread waits before it looks whether it should end.
const LOOK_UP: Duration = Duration::from_millis(20);

/// See the module. It ends with the value.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// It hears, and says nothing.
    silent: AtomicBool,
    /// What it was asked, except for probes, and whether by TCP.
    asked: Mutex<Vec<(String, bool)>>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let (tcp, udp) = sockets();
        let address = udp.local_addr().unwrap();
        udp.set_read_timeout(Some(LOOK_UP)).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let shared = Arc::new(Shared::default());
        let (a, b) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![std::thread::spawn(move || a.serve_udp(&udp)), std::thread::spawn(move || b.serve_tcp(&tcp))];
        Self { address, shared, threads }
    }

    pub(crate) fn text(&self) -> String {
        self.address.to_string()
    }

    /// From now on it says nothing, or something again.
    pub(crate) fn silence(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::SeqCst);
    }

    /// How often it was asked for a name, by UDP and by TCP.
    pub(crate) fn asked(&self, name: &str) -> (usize, usize) {
        let asked = self.shared.asked.lock().unwrap();
        let count = |tcp| asked.iter().filter(|(other, by)| other == name && *by == tcp).count();
        (count(false), count(true))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// Both on one port.
fn sockets() -> (TcpListener, UdpSocket) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (tcp, udp);
        }
    }
}

impl Shared {
    fn note(&self, query: &Message, tcp: bool) -> bool {
        let name = query.queries[0].name().to_string().to_lowercase();
        if !name.starts_with("polder-loop-") {
            self.asked.lock().unwrap().push((name, tcp));
        }
        !self.silent.load(Ordering::SeqCst)
    }

    fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = [0; 4096];
        while !self.stop.load(Ordering::SeqCst) {
            let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
            let query = Message::from_vec(&buffer[..length]).unwrap();
            if self.note(&query, false) {
                for packet in packets(&query, self.nth(&query)) {
                    socket.send_to(&packet, peer).unwrap();
                }
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        while !self.stop.load(Ordering::SeqCst) {
            let Ok((mut stream, _)) = listener.accept() else {
                std::thread::sleep(LOOK_UP);
                continue;
            };
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut buffer = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut buffer).unwrap();
            let query = Message::from_vec(&buffer).unwrap();
            if self.note(&query, true) {
                let answer = by_tcp(&query).to_vec().unwrap();
                stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
                stream.write_all(&answer).unwrap();
            }
        }
    }

    /// How often it has been asked this, this time included.
    fn nth(&self, query: &Message) -> usize {
        let name = query.queries[0].name().to_string().to_lowercase();
        self.asked.lock().unwrap().iter().filter(|(other, _)| *other == name).count()
    }
}

pub(super) fn label(query: &Message) -> String {
    let name = query.queries[0].name().to_string().to_lowercase();
    name.split(['.', '-']).next().unwrap().to_owned()
}

/// What it sends by UDP, to the `nth` question of this kind.
fn packets(query: &Message, nth: usize) -> Vec<Vec<u8>> {
    let answer = with_cookie(query, honest(query));
    let with = |change: &dyn Fn(&mut Message)| {
        let mut other = answer.clone();
        change(&mut other);
        other.to_vec().unwrap()
    };
    let good = answer.to_vec().unwrap();
    let poison = |other: &mut Message| other.answers[0].data = RData::A(A::new(192, 0, 2, 66));
    let question = &query.queries[0];
    match label(query).as_str() {
        "lost" if nth == 1 => vec![],
        "never" => vec![],
        "failing" => vec![with(&|other| failed(other, ResponseCode::ServFail))],
        "once" if nth == 1 => vec![with(&|other| failed(other, ResponseCode::ServFail))],
        "garbage" if nth == 1 => vec![good[..20].to_vec()],
        "forged" => {
            let number = with(&|other| {
                poison(other);
                other.metadata.id ^= 1;
            });
            let another = with(&|other| {
                poison(other);
                other.queries[0].set_name(Name::from_ascii("other.example.com.").unwrap());
            });
            vec![number, another, vec![1, 2, 3], good]
        }
        "guessed" => vec![with(&|other| {
            poison(other);
            other.queries[0].set_name(question.name().to_lowercase());
        })],
        "small" => vec![with(&|other| _ = other.queries[0].set_name(question.name().to_lowercase()))],
        "crumb" if !shows_cookie(query) => vec![with(&|other| failed(other, ResponseCode::BADCOOKIE))],
        "stale" => vec![with(&|other| failed(other, ResponseCode::BADCOOKIE))],
        "stolen" => {
            let other = with(&|other| {
                poison(other);
                give(other, b"guessed!something");
            });
            vec![other, good]
        }
        "bare" => vec![with(&|other| {
            poison(other);
            other.edns = None;
        })],
        "big" => vec![with(&|other| {
            other.answers.clear();
            other.metadata.truncation = true;
        })],
        _ => vec![good],
    }
}

/// What it sends by TCP.
fn by_tcp(query: &Message) -> Message {
    let mut answer = with_cookie(query, honest(query));
    if label(query) == "small" {
        answer.queries[0].set_name(query.queries[0].name().to_lowercase());
    }
    answer
}

/// The server's part of its cookies.
const GIVEN: &[u8] = b"given by us";

fn cookie(query: &Message) -> Option<Vec<u8>> {
    match query.edns.as_ref()?.option(EdnsCode::Cookie)? {
        EdnsOption::Unknown(_, data) => Some(data.clone()),
        other => panic!("{other:?} is no cookie"),
    }
}

fn shows_cookie(query: &Message) -> bool {
    cookie(query).is_some_and(|cookie| cookie.get(8..) == Some(GIVEN))
}

fn give(message: &mut Message, cookie: &[u8]) {
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(10, cookie.to_vec()));
    message.edns = Some(edns);
}

/// With a cookie, where it has them: it has them for some names.
fn with_cookie(query: &Message, mut answer: Message) -> Message {
    let has = ["crumb", "stale", "stolen", "bare"].contains(&label(query).as_str());
    if let Some(shown) = cookie(query).filter(|_| has) {
        give(&mut answer, &[&shown[..8], GIVEN].concat());
    }
    answer
}

fn failed(message: &mut Message, code: ResponseCode) {
    message.answers.clear();
    message.authorities.clear();
    message.metadata.response_code = code;
}

/// The right answer.
pub(super) fn honest(query: &Message) -> Message {
    let question: &Query = &query.queries[0];
    let name = question.name().clone();
    let mut answer = Message::query();
    answer.metadata.id = query.metadata.id;
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    answer.add_query(question.clone());
    let address = |name: &Name, ttl, last| Record::from_rdata(name.clone(), ttl, RData::A(A::new(192, 0, 2, last)));
    match label(query).as_str() {
        "gone" | "polder" => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            let (server, mailbox) = (Name::from_ascii("ns.example.").unwrap(), Name::from_ascii("it.example.").unwrap());
            let start = SOA::new(server, mailbox, 1, 7200, 1800, 86_400, 60);
            answer.add_authority(Record::from_rdata(name.base_name(), 300, RData::SOA(start)));
        }
        "alias" => {
            let target = Name::from_ascii("edge.example.com.").unwrap();
            answer.add_answer(Record::from_rdata(name, 300, RData::CNAME(CNAME(target.clone()))));
            answer.add_answer(address(&target, 300, 7));
        }
        "big" => (0..200).for_each(|last| _ = answer.add_answer(address(&name, 300, last))),
        "short" => _ = answer.add_answer(address(&name, 1, 1)),
        _ => _ = answer.add_answer(address(&name, 300, 1)),
    }
    answer
}
