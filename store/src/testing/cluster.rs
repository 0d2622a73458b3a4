//! Real etcd processes on free loopback ports, with their data in a folder that goes with them.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use polder_core::id::Revision;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::handle::Store;

/// How long a member may take to serve; the machine may be busy.
const START: Duration = Duration::from_secs(60);

/// How often a cluster is started on other ports when a member ends at once.
const LAUNCHES: usize = 5;

/// A member ended instead of serving.
struct Ended;

struct Member {
    client: u16,
    peer: u16,
    process: Option<Child>,
}

/// An etcd cluster of one or more members. Dropping it kills them.
pub struct Etcd {
    members: Vec<Member>,
    flags: Vec<String>,
    scheme: &'static str,
    /// What a store URL needs besides the members.
    options: String,
    folder: TempDir,
}

#[expect(clippy::expect_used, clippy::panic, reason = "a test without its etcd has failed")]
impl Etcd {
    /// One member.
    ///
    /// # Panics
    /// When etcd is missing or does not serve.
    pub async fn start() -> Self {
        Self::cluster(1).await
    }

    /// A cluster of `members`.
    ///
    /// # Panics
    /// When etcd is missing or does not serve.
    pub async fn cluster(members: usize) -> Self {
        Self::with_flags(members, &[]).await
    }

    /// A cluster whose members get further flags.
    ///
    /// # Panics
    /// When etcd is missing or does not serve.
    pub async fn with_flags(members: usize, flags: &[&str]) -> Self {
        Self::launched(members, flags, ("http", "")).await
    }

    /// One member that serves its clients with TLS; `options` is what a store URL needs for it.
    ///
    /// # Panics
    /// When etcd is missing or does not serve.
    pub async fn with_tls(flags: &[&str], options: &str) -> Self {
        Self::launched(1, flags, ("https", options)).await
    }

    async fn launched(members: usize, flags: &[&str], (scheme, options): (&'static str, &str)) -> Self {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut attempts = 0..LAUNCHES;
        loop {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let ports = free_ports(members * 2);
            let members = ports.chunks(2).map(|ports| Member { client: ports[0], peer: ports[1], process: None }).collect();
            let mut etcd = Self { members, flags: flags.clone(), scheme, options: options.to_owned(), folder };
            (0..etcd.members.len()).for_each(|member| etcd.launch(member));
            match etcd.serving().await {
                Ok(()) => return etcd,
                // Somebody else may have taken a port meanwhile.
                Err(Ended) => assert!(attempts.next().is_some(), "etcd ends as soon as it is started"),
            }
        }
    }

    /// The members as `host:port`.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("127.0.0.1:{}", member.client)).collect()
    }

    /// The members as a store URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("etcd://{}{}", self.endpoints().join(","), self.options)
    }

    /// A store on all members.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn store(&self) -> Store {
        Store::open(&self.url()).await.expect("a store on etcd")
    }

    /// Adds to what a store URL needs, such as a user: the stores and checks that follow have it.
    pub fn add_option(&mut self, option: &str) {
        self.options.push(if self.options.is_empty() { '?' } else { '&' });
        self.options.push_str(option);
    }

    /// Copies the data of all members as an operator would who stops them for that; they serve again afterwards.
    ///
    /// # Panics
    /// When the data cannot be copied, or the cluster does not serve.
    pub async fn back_up(&mut self) -> TempDir {
        self.stop();
        let backup = tempfile::tempdir().expect("a temporary folder");
        copy(self.folder.path(), backup.path());
        self.restart().await;
        backup
    }

    /// Sets all members back to a backup: its keys, its revision.
    ///
    /// # Panics
    /// When the data cannot be copied, or the cluster does not serve.
    pub async fn set_back(&mut self, backup: &TempDir) {
        self.stop();
        self.folder = tempfile::tempdir().expect("a temporary folder");
        copy(backup.path(), self.folder.path());
        self.restart().await;
    }

    /// Stops every member as an operator would, and waits.
    pub fn stop(&mut self) {
        for member in 0..self.members.len() {
            self.signal(member, "TERM");
            self.reap(member);
        }
    }

    /// Kills every member at once.
    pub fn kill(&mut self) {
        (0..self.members.len()).for_each(|member| self.kill_member(member));
    }

    /// Starts every member that does not run, on its old data, and waits until the cluster serves.
    ///
    /// # Panics
    /// When it does not.
    pub async fn restart(&mut self) {
        let until = Instant::now() + START;
        loop {
            for member in 0..self.members.len() {
                if self.members[member].process.is_none() {
                    self.launch(member);
                }
            }
            match self.serving().await {
                Ok(()) => return,
                // The port may be in use by a connection of somebody else for a moment.
                Err(Ended) => assert!(Instant::now() < until, "etcd ends as soon as it is started again"),
            }
        }
    }

    /// Kills one member.
    pub fn kill_member(&mut self, member: usize) {
        if let Some(process) = &mut self.members[member].process {
            // It may have ended by itself.
            _ = process.kill();
        }
        self.reap(member);
    }

    /// Makes one member hang: it keeps its connections and answers nothing from now on.
    ///
    /// # Panics
    /// When it goes on all the same.
    pub fn pause_member(&self, member: usize) {
        self.signal(member, "STOP");
        // On a busy machine the signal is there before the last thread has seen it.
        let until = Instant::now() + START;
        while self.members[member].process.as_ref().is_some_and(|process| !is_stopped(process.id())) {
            assert!(Instant::now() < until, "etcd does not stop");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets a hanging member go on.
    pub fn resume_member(&self, member: usize) {
        self.signal(member, "CONT");
    }

    /// Forgets every revision before `revision`: a watch that needs one of them is told so.
    ///
    /// # Panics
    /// When no member does it for long.
    pub async fn compact(&self, revision: Revision) {
        let until = Instant::now() + START;
        loop {
            let compacted = match etcd_client::Client::connect(self.endpoints(), None).await {
                Ok(mut client) => client.compact(i64::try_from(revision.0).unwrap_or(i64::MAX), None).await.map(drop),
                Err(error) => Err(error),
            };
            match compacted {
                Ok(()) => return,
                // A compaction whose answer was lost, or one further on, has done it already.
                Err(error) if error.to_string().contains("compacted") => return,
                Err(error) => assert!(Instant::now() < until, "etcd does not compact: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The number of the member that leads.
    ///
    /// # Panics
    /// When there is none for long.
    pub async fn leader(&self) -> usize {
        let until = Instant::now() + START;
        while Instant::now() < until {
            for (number, member) in self.members.iter().enumerate().filter(|(_, member)| member.process.is_some()) {
                if leads(member.client).await {
                    return number;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the cluster has no leader");
    }

    fn launch(&mut self, number: usize) {
        let peers: Vec<String> =
            self.members.iter().enumerate().map(|(n, member)| format!("m{n}=http://127.0.0.1:{}", member.peer)).collect();
        let member = &mut self.members[number];
        let (client, peer) =
            (format!("{}://127.0.0.1:{}", self.scheme, member.client), format!("http://127.0.0.1:{}", member.peer));
        let child = Command::new("etcd")
            .args(["--name", &format!("m{number}"), "--log-level", "error", "--logger", "zap"])
            .arg("--data-dir")
            .arg(self.folder.path().join(format!("m{number}")))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &peers.join(","), "--initial-cluster-state", "new"])
            .args(&self.flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd must be installed: apt-get install etcd-server");
        member.process = Some(child);
    }

    /// Waits until every running member answers a linearizable read.
    async fn serving(&mut self) -> Result<(), Ended> {
        for member in &mut self.members {
            let url = format!("etcd://127.0.0.1:{}{}", member.client, self.options);
            let until = Instant::now() + START;
            while let Some(process) = &mut member.process {
                // With a user, already the opening needs a member that serves.
                let asked = async { Store::open(&url).await?.get(b"x").await };
                let asked = asked.await;
                if process.try_wait().expect("the state of etcd").is_some() {
                    member.process = None;
                    return Err(Ended);
                }
                match asked {
                    Ok(_) => break,
                    asked if Instant::now() > until => panic!("etcd does not serve: {asked:?}"),
                    Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
                }
            }
        }
        Ok(())
    }

    fn signal(&self, member: usize, signal: &str) {
        if let Some(process) = &self.members[member].process {
            let sent = Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]).status();
            assert!(sent.is_ok_and(|status| status.success()), "the signal {signal} must reach etcd");
        }
    }

    fn reap(&mut self, member: usize) {
        if let Some(mut process) = self.members[member].process.take() {
            process.wait().expect("etcd must end");
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether every thread of a process is held by a signal.
#[expect(clippy::expect_used, reason = "a test that cannot look at its etcd has failed")]
fn is_stopped(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("the threads of etcd");
    // The state follows the name, which stands in parentheses. A thread that has just ended has none.
    let mut states = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    states.all(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "the data of etcd must be copied");
}

/// Ports that were free a moment ago; all are held until all are found, so that they differ.
#[expect(clippy::expect_used, reason = "a test without a port has failed")]
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    held.iter().map(|listener| listener.local_addr().expect("its address").port()).collect()
}

async fn leads(port: u16) -> bool {
    let asked = async {
        let mut client = etcd_client::Client::connect([format!("http://127.0.0.1:{port}")], None).await.ok()?;
        let status = client.status().await.ok()?;
        Some(status.leader() == status.header()?.member_id())
    };
    tokio::time::timeout(Duration::from_secs(1), asked).await.ok().flatten().unwrap_or(false)
}
