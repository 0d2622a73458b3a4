//! A client that asks without a pause, by UDP and TCP, and asks nothing twice: a question without an answer is the end of it.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use polder_tests::eventually;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How long an answer may take: the kernel never loses what waits in a socket.
const PATIENCE: Duration = Duration::from_secs(30);
/// Sockets of a thread: the server's threads each have their share of them.
const SOCKETS: usize = 16;
/// Between two questions of a thread: other tests want the processor too.
const PACE: Duration = Duration::from_millis(1);
/// What counts as having gone on.
const MORE: u64 = 200;

/// Questions that were answered.
#[derive(Debug, Default)]
struct Answered {
    udp: AtomicU64,
    tcp: AtomicU64,
}

/// See the module.
pub(crate) struct Asker {
    answered: Arc<Answered>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Asker {
    /// Asks the server at this address until it is finished.
    pub(crate) fn start(at: &str, seed: u64) -> Self {
        println!("the client's seed is {seed}");
        let (answered, stop) = (Arc::<Answered>::default(), Arc::new(AtomicBool::new(false)));
        let mut threads = Vec::new();
        for thread in 0..4 {
            let (answered, stop, at) = (Arc::clone(&answered), Arc::clone(&stop), at.to_owned());
            let mut random = StdRng::seed_from_u64(seed + thread);
            threads.push(std::thread::spawn(move || {
                let sockets: Vec<UdpSocket> = (0..SOCKETS).map(|_| socket(&at)).collect();
                while !stop.load(Ordering::SeqCst) {
                    if thread % 2 == 0 {
                        by_udp(&sockets[random.random_range(0..SOCKETS)], random.random());
                        answered.udp.fetch_add(1, Ordering::SeqCst);
                    } else {
                        answered.tcp.fetch_add(by_tcp(&at, &mut random), Ordering::SeqCst);
                    }
                    std::thread::sleep(PACE);
                }
            }));
        }
        Self { answered, stop, threads }
    }

    fn counts(&self) -> [u64; 2] {
        [self.answered.udp.load(Ordering::SeqCst), self.answered.tcp.load(Ordering::SeqCst)]
    }

    /// Waits until some more questions have been answered, by each protocol.
    pub(crate) fn goes_on(&self) {
        let before = self.counts();
        eventually("questions are answered", || {
            let (now, ended) = (self.counts(), self.threads.iter().any(JoinHandle::is_finished));
            assert!(!ended, "a question got no answer, after {now:?} by UDP and TCP");
            let more = now.iter().zip(before).all(|(now, before)| *now >= before + MORE);
            if more { Ok(()) } else { Err(format!("{before:?}, then {now:?}")) }
        });
    }

    /// Ends it, and fails if any question got no answer.
    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::SeqCst);
        let counts = self.counts();
        self.threads.into_iter().for_each(|thread| thread.join().expect("every question gets its answer"));
        println!("{counts:?} questions were answered by UDP and TCP, all that were asked");
    }
}

/// A socket that hears only this server.
pub(crate) fn socket(at: &str) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(at).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A connection to this server.
pub(crate) fn connection(at: &str) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The query for the address of a name.
pub(crate) fn query(id: u16, name: &str) -> Vec<u8> {
    let mut query = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

/// The same with its length before it, as TCP wants it.
pub(crate) fn framed(query: &[u8]) -> Vec<u8> {
    [&u16::try_from(query.len()).unwrap().to_be_bytes(), query].concat()
}

/// The response code of an answer to `id`, and the IPv4 address at its end.
pub(crate) fn read(id: u16, answer: &[u8]) -> (u8, [u8; 4]) {
    assert_eq!(answer[..2], id.to_be_bytes(), "it answers something else: {answer:?}");
    (answer[3] & 0xf, *answer.last_chunk().unwrap())
}

/// The name that is asked for, and its address: every server has it without any record in the store.
pub(crate) const NAME: &str = "ns.dns.cluster.local";
pub(crate) const ADDRESS: [u8; 4] = [172, 28, 0, 10];

pub(crate) fn receive(socket: &UdpSocket, id: u16) -> (u8, [u8; 4]) {
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).unwrap_or_else(|error| panic!("no answer by UDP: {error}"));
    read(id, &answer[..length])
}

fn by_udp(socket: &UdpSocket, id: u16) {
    socket.send(&query(id, NAME)).unwrap();
    assert_eq!(receive(socket, id), (0, ADDRESS));
}

pub(crate) fn receive_framed(stream: &mut TcpStream, id: u16) -> (u8, [u8; 4]) {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap_or_else(|error| panic!("no answer by TCP: {error}"));
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).unwrap();
    read(id, &answer)
}

/// A connection with some questions, one after the other; says how many.
fn by_tcp(at: &str, random: &mut StdRng) -> u64 {
    let mut stream = connection(at);
    let questions = random.random_range(1..=8);
    for _ in 0..questions {
        let id = random.random();
        stream.write_all(&framed(&query(id, NAME))).unwrap();
        assert_eq!(receive_framed(&mut stream, id), (0, ADDRESS));
    }
    questions
}
