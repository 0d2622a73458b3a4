//! The embedded store and a real etcd get the same random commands and must say the same, number by number.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use polder_core::id::Revision;
use polder_store::backend::{Backend, Batch, LeaseId, Limits};
use polder_store::embedded::Embedded;
use polder_store::etcd::{Etcd, EtcdConfig};
use polder_store::{Commit, Error, Guard, KeyRange, Outcome, Write, testing};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const COMMANDS: usize = 1500;
const KEYS: u32 = 24;

struct Both {
    embedded: Embedded,
    etcd: Etcd,
    /// Leases as (embedded, etcd): their ids differ.
    leases: Vec<(LeaseId, LeaseId)>,
    newest: Revision,
    rng: StdRng,
}

#[tokio::test]
async fn embedded_and_etcd_say_the_same() {
    let seed = std::env::var("POLDER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("seed {seed}: repeat with POLDER_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let server = testing::Etcd::start().await;
    let config = EtcdConfig { members: server.endpoints(), ..EtcdConfig::default() };
    let mut both = Both {
        embedded: Embedded::open(folder.path()).unwrap(),
        etcd: Etcd::open(&config).await.unwrap(),
        leases: Vec::new(),
        newest: Revision(1),
        rng: StdRng::seed_from_u64(seed),
    };
    let keys = KeyRange::prefix("k");
    let (left, right) =
        (both.embedded.watch(keys.clone(), both.newest).await.unwrap(), both.etcd.watch(keys, both.newest).await.unwrap());
    for step in 0..COMMANDS {
        match both.rng.random_range(0..100) {
            0..60 => both.commit(step).await,
            60..85 => both.range(step).await,
            85..92 => both.lease(step).await,
            92..96 => both.watch(step).await,
            _ => both.everything(step).await,
        }
    }
    compare_watches(left, right, both.newest).await;
}

impl Both {
    fn key(&mut self) -> Bytes {
        format!("k{:02}", self.rng.random_range(0..KEYS)).into()
    }

    fn revision(&mut self) -> Revision {
        // Mostly revisions that were, now and then one that is to come.
        Revision(self.rng.random_range(1..=self.newest.0 + 2))
    }

    async fn guard(&mut self) -> Guard {
        let key = self.key();
        match self.rng.random_range(0..4) {
            0 => Guard::Absent(key),
            1 => Guard::Unchanged(key, self.revision()),
            _ => {
                let page = self.embedded.range(KeyRange::key(&key), 1, None).await.unwrap();
                Guard::seen(key, page.entries.first().map(|entry| entry.modified))
            }
        }
    }

    async fn commit(&mut self, step: usize) {
        let (mut guards, mut left, mut right) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rng.random_range(0..4) {
            guards.push(self.guard().await);
        }
        for _ in 0..self.rng.random_range(0..6) {
            let key = self.key();
            if self.rng.random_bool(0.35) {
                left.push(Write::Delete { key: key.clone() });
                right.push(Write::Delete { key });
                continue;
            }
            let value = Bytes::from(format!("v{step}"));
            let pick = self.rng.random_range(0..self.leases.len() + 3);
            let lease = self.leases.get(pick).copied();
            left.push(Write::Put { key: key.clone(), value: value.clone(), lease: lease.map(|lease| lease.0) });
            right.push(Write::Put { key, value, lease: lease.map(|lease| lease.1) });
        }
        let left = self.embedded.commit(Commit { guards: guards.clone(), writes: left }).await;
        let right = self.etcd.commit(Commit { guards, writes: right }).await;
        match (&left, &right) {
            (Ok(left), Ok(right)) => {
                assert_eq!(left, right, "step {step}");
                if let Outcome::Committed { revision } = left {
                    self.newest = *revision;
                }
            }
            (Err(left), Err(right)) => {
                assert_eq!(std::mem::discriminant(left), std::mem::discriminant(right), "step {step}: {left:?} {right:?}");
            }
            _ => panic!("step {step}: {left:?} {right:?}"),
        }
    }

    async fn range(&mut self, step: usize) {
        let (from, to) = (self.key(), self.key());
        let keys = match self.rng.random_range(0..3) {
            0 => KeyRange::key(&from),
            1 => KeyRange::span(from, to),
            _ => KeyRange::prefix(&from[..self.rng.random_range(1..3)]),
        };
        let limit = self.rng.random_range(1..30);
        let at = if self.rng.random_bool(0.5) { Some(self.revision()) } else { None };
        let left = self.embedded.range(keys.clone(), limit, at).await;
        let right = self.etcd.range(keys.clone(), limit, at).await;
        match (left, right) {
            (Ok(left), Ok(right)) => {
                let shape = |page: &polder_store::backend::Page| {
                    let entries = page.entries.iter().map(|entry| {
                        (entry.key.clone(), entry.value.clone(), entry.created, entry.modified, entry.lease.is_some())
                    });
                    (entries.collect::<Vec<_>>(), page.revision, page.more)
                };
                assert_eq!(shape(&left), shape(&right), "step {step}: {keys:?} {limit} {at:?}");
            }
            (Err(Error::Invalid(_)), Err(Error::Invalid(_))) => {}
            (left, right) => panic!("step {step}: {keys:?} {at:?}: {left:?} {right:?}"),
        }
    }

    async fn lease(&mut self, step: usize) {
        let known = self.leases.len();
        if known < 4 && self.rng.random_bool(0.6) {
            let ttl = Duration::from_millis(self.rng.random_range(500_000..900_000));
            let (left, right) = (self.embedded.grant(ttl).await.unwrap(), self.etcd.grant(ttl).await.unwrap());
            assert_eq!(left.ttl, right.ttl, "step {step}");
            assert!(left.ttl >= Limits::LEAST_TTL);
            self.leases.push((left.id, right.id));
        } else if known > 0 {
            let pick = self.rng.random_range(0..known);
            let (left, right) = self.leases[pick];
            if self.rng.random_bool(0.5) {
                let (left, right) = (self.embedded.keep_alive(left).await, self.etcd.keep_alive(right).await);
                assert_eq!(left.is_ok(), right.is_ok(), "step {step}: {left:?} {right:?}");
            } else {
                // A revoked lease stays in the list now and then, so that what is gone is used as well.
                let (left, right) = (self.embedded.revoke(left).await, self.etcd.revoke(right).await);
                assert_eq!(left.is_ok(), right.is_ok(), "step {step}: {left:?} {right:?}");
                if left.is_err() || self.rng.random_bool(0.5) {
                    self.leases.remove(pick);
                }
            }
            self.newest = self.embedded.range(KeyRange::key("k"), 1, None).await.unwrap().revision;
        }
    }

    /// What a watch from some revision in the past finds until now.
    async fn watch(&mut self, step: usize) {
        let after = Revision(self.rng.random_range(1..=self.newest.0));
        let keys = KeyRange::prefix(&self.key()[..2]);
        let left = self.embedded.watch(keys.clone(), after).await.unwrap();
        let right = self.etcd.watch(keys.clone(), after).await.unwrap();
        // One more commit in the range marks where both must have got to.
        let end = Write::put(Bytes::copy_from_slice(keys.start()), format!("end{step}"));
        for store in [&self.embedded as &dyn Backend, &self.etcd] {
            let Outcome::Committed { revision } =
                store.commit(Commit { guards: Vec::new(), writes: vec![end.clone()] }).await.unwrap()
            else {
                panic!("there are no guards");
            };
            self.newest = revision;
        }
        compare_watches(left, right, self.newest).await;
    }

    /// All keys at once.
    async fn everything(&mut self, step: usize) {
        let left = self.embedded.range(KeyRange::prefix("k"), 1000, None).await.unwrap();
        let right = self.etcd.range(KeyRange::prefix("k"), 1000, None).await.unwrap();
        let keys = |page: &polder_store::backend::Page| page.entries.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>();
        assert_eq!((keys(&left), left.revision), (keys(&right), right.revision), "step {step}");
    }
}

async fn compare_watches(
    left: BoxStream<'static, Result<Batch, Error>>,
    right: BoxStream<'static, Result<Batch, Error>>,
    newest: Revision,
) {
    let (left, right) = tokio::join!(collect(left, newest), collect(right, newest));
    assert_eq!(left, right);
}

/// Every batch up to `newest`; the last may lie before it, so some quiet ends the list too.
async fn collect(mut batches: BoxStream<'static, Result<Batch, Error>>, newest: Revision) -> Vec<Batch> {
    let mut collected: Vec<Batch> = Vec::new();
    while collected.last().is_none_or(|batch| batch.revision < newest) {
        match tokio::time::timeout(Duration::from_secs(3), batches.next()).await {
            Ok(Some(batch)) => collected.push(batch.unwrap()),
            Ok(None) | Err(_) => break,
        }
    }
    collected
}
