//! The store on an etcd cluster.
//!
//! A thin translation of the contract into etcd's calls: what etcd promises is passed on, what it leaves to its clients
//! (fail-over, deadlines, cancelled watches, oversized answers, errors told by text) is done here. Nothing is cached.

mod channel;
mod classify;
mod watching;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use etcd_client::{
    Client, Compare, CompareOp, ConnectOptions, GetOptions, KeyValue, PutOptions, Txn, TxnOp, TxnOpResponse, WatchOptions,
};
use futures::stream::BoxStream;
use polder_core::id::Revision;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tower::util::BoxCloneSyncService;

use self::channel::Sticky;
pub use self::channel::{TraceInjector, set_trace_injector};
use self::classify::{Call, classify, is_compacted, is_lease_gone, is_oversized};
use self::watching::Watching;
use crate::backend::{Backend, Batch, Commit, Entry, Guard, KeyRange, Lease, LeaseId, Limits, Outcome, Page, Write};
use crate::error::Error;

/// etcd breaks connections that ping more often than every five seconds, and those that ping at all while no call is open.
const KEEP_ALIVE: Duration = Duration::from_secs(6);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest answer that is taken: a page of large values, or a watch that catches up.
const LARGEST_ANSWER: usize = 32 << 20;

/// Where an etcd cluster is and how to log in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EtcdConfig {
    /// Members as `host:port`.
    pub members: Vec<String>,
    /// User and password, for a cluster with authentication.
    pub user: Option<(String, String)>,
    /// The certificate authority of the members; with it every connection is TLS.
    pub ca: Option<PathBuf>,
    /// Certificate and key of this client, for members that ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The etcd backend.
pub struct Etcd {
    client: Client,
}

impl Etcd {
    /// Makes a client. Connections are made when they are needed: a cluster that is down now is no error, unless a user has to
    /// log in.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad address or certificate, [`Error::Unavailable`] when the log-in fails.
    pub async fn open(config: &EtcdConfig) -> Result<Self, Error> {
        if config.members.is_empty() {
            return Err(Error::Invalid("no etcd member is named".to_owned()));
        }
        let tls = tls(config)?;
        let channels = config.members.iter().map(|member| endpoint(member, tls.as_ref()).map(|endpoint| endpoint.connect_lazy()));
        let channels = channels.collect::<Result<Vec<_>, Error>>()?;
        let channel = etcd_client::Channel::Custom(BoxCloneSyncService::new(Sticky::new(channels)));
        // Without it a watch on a member that lost its leader is silent instead of failing.
        let mut options = ConnectOptions::new().with_require_leader(true);
        if let Some((user, password)) = &config.user {
            options = options.with_user(user, password).with_auto_token_refresh(true);
        }
        let client = Client::from_channel(channel, Some(options)).await.map_err(|error| classify(error, Call::Read))?;
        Ok(Self { client })
    }

    async fn range_once(&self, keys: &KeyRange, limit: usize, at: Option<Revision>) -> Result<Page, etcd_client::Error> {
        let mut options = GetOptions::new().with_range(end(keys)).with_limit(i64::try_from(limit).unwrap_or(i64::MAX));
        if let Some(at) = at {
            options = options.with_revision(number(at));
        }
        let mut kv = self.client.kv_client().max_decoding_message_size(LARGEST_ANSWER);
        let mut answer = kv.get(keys.start(), Some(options)).await?;
        let revision = answer.header().map(|header| revision(header.revision())).unwrap_or_default();
        Ok(Page { entries: answer.take_kvs().into_iter().map(entry).collect(), revision, more: answer.more() })
    }

    async fn open_watch(&self, keys: &KeyRange, after: Revision) -> Result<Watching, Error> {
        let options = WatchOptions::new().with_range(end(keys)).with_start_revision(number(after) + 1);
        let mut client = self.client.watch_client().max_decoding_message_size(LARGEST_ANSWER);
        let stream = client.watch(keys.start(), Some(options)).await.map_err(|error| classify(error, Call::Read))?;
        Watching::begin(stream, after).await
    }

    async fn renew(&self, lease: LeaseId) -> Result<Duration, Error> {
        // One short stream per renewal: on a long one etcd answers for a dead lease with a time of 0 instead of an error.
        match self.client.lease_client().keep_alive(lease.0).await {
            Ok((mut keeper, mut answers)) => {
                keeper.keep_alive().await.map_err(|error| classify(error, Call::Read))?;
                match answers.message().await.map_err(|error| classify(error, Call::Read))? {
                    Some(answer) if answer.ttl() > 0 => Ok(seconds_of(answer.ttl())),
                    Some(_) => Err(Error::LeaseGone(lease)),
                    None => Err(Error::Unavailable("etcd ended the renewal".to_owned())),
                }
            }
            Err(error) if is_lease_gone(&error) => Err(Error::LeaseGone(lease)),
            Err(error) => Err(classify(error, Call::Read)),
        }
    }
}

#[async_trait]
impl Backend for Etcd {
    fn limits(&self) -> Limits {
        Limits::ETCD
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn range(&self, keys: KeyRange, limit: usize, at: Option<Revision>) -> Result<Page, Error> {
        if keys.start().is_empty() {
            return Err(Error::Invalid("a key is empty".to_owned()));
        }
        // etcd reads a limit of 0 as none, and an end before the start as a single key.
        let mut limit = limit.max(1);
        if keys.is_empty() {
            let mut page = self.range(KeyRange::key(keys.start()), 1, at).await?;
            page.entries.clear();
            return Ok(page);
        }
        loop {
            match self.range_once(&keys, limit, at).await {
                Ok(page) => return Ok(page),
                // What is asked for is at least one newer; the refusal does not tell the number.
                Err(error) if is_compacted(&error) => return Err(Error::Compacted { at: Revision(at.unwrap_or_default().0 + 1) }),
                Err(etcd_client::Error::GRpcStatus(status)) if is_oversized(&status) && limit > 1 => limit /= 2,
                Err(error) => return Err(classify(error, Call::Read)),
            }
        }
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        commit.check(Limits::ETCD)?;
        let lease = commit.writes.iter().find_map(|write| match write {
            Write::Put { lease, .. } => *lease,
            Write::Delete { .. } => None,
        });
        let call = if commit.writes.is_empty() { Call::Read } else { Call::Write };
        let looks: Vec<TxnOp> =
            commit.guards.iter().map(|guard| TxnOp::get(&guard.key()[..], Some(GetOptions::new().with_keys_only()))).collect();
        let compares: Vec<Compare> = commit.guards.iter().map(compare).collect();
        let writes: Vec<TxnOp> = commit.writes.into_iter().map(write).collect();
        let txn = Txn::new().when(compares).and_then(writes).or_else(looks);
        let answer = self.client.kv_client().txn(txn).await.map_err(|error| match lease {
            Some(lease) if is_lease_gone(&error) => Error::LeaseGone(lease),
            _ => classify(error, call),
        })?;
        let revision = answer.header().map(|header| revision(header.revision())).unwrap_or_default();
        if answer.succeeded() {
            return Ok(Outcome::Committed { revision });
        }
        let found = answer.op_responses().into_iter().map(|response| match response {
            TxnOpResponse::Get(got) => got.kvs().first().map(|kv| self::revision(kv.mod_revision())),
            _ => None,
        });
        let current = commit.guards.iter().map(|guard| guard.key().clone()).zip(found).collect();
        Ok(Outcome::Conflict { revision, current })
    }

    async fn watch(&self, keys: KeyRange, after: Revision) -> Result<BoxStream<'static, Result<Batch, Error>>, Error> {
        if keys.start().is_empty() {
            return Err(Error::Invalid("a key is empty".to_owned()));
        }
        let watching = match self.open_watch(&keys, after).await {
            // The member hangs or has just gone, or the token has expired, which a watch does not renew: a read finds a member
            // that answers, and renews the token.
            Err(Error::Unavailable(_)) => {
                self.range(keys.clone(), 1, None).await?;
                self.open_watch(&keys, after).await?
            }
            watching => watching?,
        };
        Ok(watching.batches())
    }

    async fn grant(&self, ttl: Duration) -> Result<Lease, Error> {
        let seconds = ttl.max(Limits::LEAST_TTL).as_millis().div_ceil(1000);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let answer = self.client.lease_client().grant(seconds, None).await.map_err(|error| classify(error, Call::Read))?;
        Ok(Lease { id: LeaseId(answer.id()), ttl: seconds_of(answer.ttl()) })
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        match self.renew(lease).await {
            // By now another member is asked; to renew twice does no harm.
            Err(Error::Unavailable(_)) => self.renew(lease).await,
            renewed => renewed,
        }
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        match self.client.lease_client().revoke(lease.0).await {
            Ok(_) => Ok(()),
            Err(error) if is_lease_gone(&error) => Err(Error::LeaseGone(lease)),
            Err(error) => Err(classify(error, Call::Write)),
        }
    }
}

fn endpoint(member: &str, tls: Option<&ClientTlsConfig>) -> Result<Endpoint, Error> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let invalid = |error: tonic::transport::Error| Error::Invalid(format!("`{member}` is no etcd member: {error}"));
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{member}")).map_err(invalid)?;
    if let Some(tls) = tls {
        endpoint = endpoint.tls_config(tls.clone()).map_err(invalid)?;
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT))
}

fn tls(config: &EtcdConfig) -> Result<Option<ClientTlsConfig>, Error> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| Error::Invalid(format!("`{}` cannot be read: {error}", path.display())))
    };
    let Some(ca) = &config.ca else { return Ok(None) };
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
    if let Some((certificate, key)) = &config.identity {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(Some(tls))
}

/// etcd writes "no end" as a zero byte.
fn end(keys: &KeyRange) -> Vec<u8> {
    keys.end().map_or_else(|| vec![0], <[u8]>::to_vec)
}

fn compare(guard: &Guard) -> Compare {
    match guard {
        // The revision of a key that does not exist is 0.
        Guard::Absent(key) => Compare::mod_revision(&key[..], CompareOp::Equal, 0),
        Guard::Unchanged(key, revision) => Compare::mod_revision(&key[..], CompareOp::Equal, number(*revision)),
    }
}

fn write(write: Write) -> TxnOp {
    match write {
        Write::Put { key, value, lease } => {
            let options = lease.map(|lease| PutOptions::new().with_lease(lease.0));
            TxnOp::put(Vec::from(key), Vec::from(value), options)
        }
        Write::Delete { key } => TxnOp::delete(Vec::from(key), None),
    }
}

fn entry(kv: KeyValue) -> Entry {
    let (created, modified, lease) = (revision(kv.create_revision()), revision(kv.mod_revision()), kv.lease());
    let (key, value) = kv.into_key_value();
    Entry { key: Bytes::from(key), value: Bytes::from(value), created, modified, lease: (lease != 0).then_some(LeaseId(lease)) }
}

/// etcd's revisions are never negative.
fn revision(number: i64) -> Revision {
    Revision(number.unsigned_abs())
}

fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX - 1)
}

fn seconds_of(ttl: i64) -> Duration {
    Duration::from_secs(ttl.unsigned_abs())
}
