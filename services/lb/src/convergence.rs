//! How far a revision has come: which nodes have programmed it, and which name servers answer from it.
//!
//! Nodes report to the replica that leads, which remembers the last word of each; name servers say it by keys on leases of the
//! store. Any replica can be asked: one that does not lead asks the one that does. Nothing of this is state, and nothing rests on
//! it but the patience of those who wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use polder_core::cluster::Cluster;
use polder_core::id::{Revision, Uid};
use polder_core::ipam::{Liveness, Node, liveness};
use polder_core::lb::bgp::SessionReport;
use polder_core::lb::bgp::conditions::Heard;
use polder_core::net::{Label, Name};
use polder_core::reason::Refusal;
use polder_core::schema::Corrupt;
use polder_core::time::Timestamp;
use polder_proto::convert::common::show_time;
use polder_proto::convert::lb::report::{self as convert, Report};
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::dataplane_service_client::DataplaneServiceClient;
use polder_proto::stored::Stored;
use polder_proto::stored::dns::serving;
use polder_runtime::clock;
use polder_runtime::process::Dialer;
use polder_runtime::status::decode;
use polder_store::backend::Entry;
use polder_store::{KeyRange, Mirror, Snapshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::dataplane::Feed;
use crate::lead::Lead;
use crate::service::CATCH_UP;

/// Name servers read at once.
const PAGE: usize = 1000;
/// The most name servers that are looked at.
const MOST_SERVERS: usize = 5000;
/// The time between two looks at name servers while somebody waits.
const LOOK: Duration = Duration::from_millis(50);
/// How long the replica that leads may take to answer somebody who does not wait.
const SOON: Duration = Duration::from_secs(1);
/// How long a question waits for a lead to be known, when there is none yet.
const LEAD: Duration = Duration::from_secs(5);

/// The last word of a node.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    uid: Uid,
    programmed: Revision,
    at: Timestamp,
    /// What it cannot program, in words; empty when all is well.
    error: String,
    /// How its BGP sessions are.
    sessions: Vec<SessionReport>,
}

/// The last words of nodes. Bounded by the number of nodes that exist.
#[derive(Debug, Default)]
pub(crate) struct Words(BTreeMap<Name, Word>);

impl Words {
    /// Forgets nodes that do not exist any more.
    pub(crate) fn forget(&mut self, exists: impl Fn(&Name) -> bool) {
        self.0.retain(|name, _| exists(name));
    }

    /// What every node that still is the same said last of its session with a peer.
    pub(crate) fn of_sessions(&self, cluster: &Cluster, peer: &Label) -> Heard {
        let is_same = |name: &Name, word: &Word| cluster.ipam.node(name).is_some_and(|node| node.meta.uid == word.uid);
        let words = self.0.iter().filter(|(name, word)| is_same(name, word));
        let one = |word: &Word| word.sessions.iter().find(|session| session.peer == *peer).cloned();
        words.filter_map(|(name, word)| Some((name.clone(), one(word)?))).collect()
    }
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Converging {
    mirror: Mirror<Stored>,
    feed: Arc<Feed>,
    lead: Lead,
    dialer: Dialer,
}

impl Converging {
    pub(crate) const fn new(mirror: Mirror<Stored>, feed: Arc<Feed>, lead: Lead, dialer: Dialer) -> Self {
        Self { mirror, feed, lead, dialer }
    }

    /// Takes a node's report, if this replica leads; the newest revision there is.
    ///
    /// # Errors
    /// `NOT_LEADING`; `NODE_NOT_FOUND`, `NODE_UID_MISMATCH`.
    pub(crate) async fn report(&self, report: &Report) -> Result<Revision, Refusal> {
        let Report { node, uid, programmed, error, unanswered, foreign, sessions, .. } = report;
        let mut snapshot = self.mirror.snapshot();
        if liveness::renewing(&snapshot.view.ipam, node, *uid).is_err() {
            snapshot = self.mirror.latest(CATCH_UP).await?;
            liveness::renewing(&snapshot.view.ipam, node, *uid)?;
        }
        let word = Word { uid: *uid, programmed: *programmed, at: clock::now(), error: error.clone(), sessions: sessions.clone() };
        let taken = self.lead.with(|reign, now| {
            let moved = reign.words.0.insert(node.clone(), word).is_none_or(|old| old.programmed != *programmed);
            unanswered.iter().for_each(|address| reign.presence.unanswered(*address, now));
            moved
        });
        let moved = taken.ok_or_else(|| self.lead.refusal())?;
        if moved {
            self.lead.progressed();
        }
        if !unanswered.is_empty() {
            self.lead.stir();
        }
        for (address, mac) in foreign {
            self.lead.conflicted();
            let mac = mac.map(tracing::field::display);
            tracing::warn!(%node, %address, mac, "somebody else on the network answers for an address of ours");
        }
        Ok(snapshot.heads.newest())
    }

    /// Waits until somebody can be asked how far changes come; to be called before a change whose caller wants to wait for it.
    ///
    /// # Errors
    /// `NOT_LEADING` when no replica leads, or the one that does cannot be reached from here.
    pub(crate) async fn possible(&self) -> Result<(), Refusal> {
        let known = timeout(LEAD, async {
            while !self.lead.leads() && self.lead.address().is_none() {
                sleep(LOOK).await;
            }
        });
        known.await.map_err(|_| self.lead.refusal())
    }

    /// How far a revision has come when it has come everywhere, or when the wait is over. Revision 0 is the newest one.
    ///
    /// # Errors
    /// `NOT_LEADING`; what the replica that leads refuses; `STORE_UNAVAILABLE`.
    pub(crate) async fn of(&self, revision: Revision, wait: Option<Duration>) -> Result<pb::Convergence, Refusal> {
        self.possible().await?;
        let until = clock::monotonic() + wait.unwrap_or_default();
        let revision = match revision {
            Revision(0) => self.mirror.latest(CATCH_UP).await?.heads.newest(),
            given => given,
        };
        loop {
            let now = self.once(revision, until).await?;
            if now.converged || clock::monotonic() >= until {
                return Ok(now);
            }
            drop(timeout_at(until.min(clock::monotonic() + LOOK), self.lead.progress()).await);
        }
    }

    /// How far a revision has come now, without a wait; `None` when nobody can be asked, or the one who can does not answer soon.
    pub(crate) async fn now(&self, revision: Revision) -> Option<pb::Convergence> {
        timeout(SOON, self.once(revision, clock::monotonic())).await.ok()?.ok()
    }

    async fn once(&self, revision: Revision, until: Instant) -> Result<pb::Convergence, Refusal> {
        match self.here(revision).await? {
            Some(here) => Ok(here),
            None => self.elsewhere(revision, until).await,
        }
    }

    /// What this replica knows; `None` when it does not lead.
    async fn here(&self, revision: Revision) -> Result<Option<pb::Convergence>, Refusal> {
        if !self.lead.leads() {
            return Ok(None);
        }
        let dns_servers = self.servers().await?;
        let snapshot = self.mirror.snapshot();
        let Some(nodes) = self.lead.with(|reign, _| self.nodes(&snapshot, &reign.words, revision)) else { return Ok(None) };
        let dns_have = dns_servers.iter().all(|server| server.error.is_empty() && server.serving_revision >= revision.0);
        let converged = snapshot.heads.newest() >= revision && dns_have && nodes.iter().all(|node| node.has_revision);
        Ok(Some(pb::Convergence { revision: revision.0, converged, nodes, dns_servers }))
    }

    /// Every live node.
    fn nodes(&self, snapshot: &Snapshot<Stored>, words: &Words, revision: Revision) -> Vec<pb::NodeProgress> {
        let live = |node: &&Arc<Node>| matches!(node.liveness, Liveness::Alive(_)) && node.removing.is_none();
        let one = |node: &Arc<Node>| {
            let word = words.0.get(&node.name).filter(|word| word.uid == node.meta.uid);
            let programmed = word.map_or(Revision(0), |word| word.programmed);
            pb::NodeProgress {
                node: node.name.to_string(),
                programmed_revision: programmed.0,
                report_time: word.map(|word| show_time(word.at)),
                error: word.map_or_else(|| "it has not reported yet".to_owned(), |word| word.error.clone()),
                // What does not concern nodes moves no node's revision.
                has_revision: word.is_some() && (programmed >= revision || !self.feed.owes(programmed, revision)),
            }
        };
        snapshot.view.ipam.nodes().filter(live).map(one).collect()
    }

    /// Every name server that says how far it is. One that cannot be understood is there with an error, and so are those beyond
    /// [`MOST_SERVERS`], as one: nobody may take them for servers that have it.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub(crate) async fn servers(&self) -> Result<Vec<pb::DnsProgress>, Refusal> {
        let mut servers = Vec::new();
        let mut pages = self.mirror.store().pages(KeyRange::prefix(serving::SERVING), PAGE);
        while let Some(page) = pages.next().await? {
            servers.extend(page.entries.iter().map(server));
            if page.more && servers.len() >= MOST_SERVERS {
                servers.push(others());
                break;
            }
        }
        Ok(servers)
    }

    /// What the replica that leads says, by the time that the wait is over.
    async fn elsewhere(&self, revision: Revision, until: Instant) -> Result<pb::Convergence, Refusal> {
        let Some(address) = self.lead.address() else { return Err(self.lead.refusal()) };
        let link = self.dialer.remote(&[address]).map_err(|_| self.lead.refusal())?;
        let request = convert::ask(revision, until.saturating_duration_since(clock::monotonic()));
        let answer = DataplaneServiceClient::new(link).get_convergence(request).await.map_err(|status| decode(&status))?;
        Ok(answer.into_inner().convergence.unwrap_or_default())
    }
}

/// What a name server says.
fn server(entry: &Entry) -> pb::DnsProgress {
    match serving::decode(&entry.key, &entry.value) {
        Ok(serving::Serving { server, revision, since }) => {
            pb::DnsProgress { server, serving_revision: revision.0, report_time: Some(show_time(since)), error: String::new() }
        }
        Err(Corrupt { key, why }) => pb::DnsProgress {
            server: key.strip_prefix(serving::SERVING).unwrap_or(&key).to_owned(),
            error: format!("what it says cannot be read: {why}"),
            ..pb::DnsProgress::default()
        },
    }
}

/// The name servers that are too many to look at.
fn others() -> pb::DnsProgress {
    let error = format!("there are more than {MOST_SERVERS} name servers; the rest is not looked at");
    pb::DnsProgress { server: "*".to_owned(), error, ..pb::DnsProgress::default() }
}
