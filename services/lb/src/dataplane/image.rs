//! What there is to tell at one revision, and how it moves to the next.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use polder_core::cluster::Cluster;
use polder_core::id::Revision;
use polder_core::lb::dataplane::{Basis, Key, Receiver, Shown, keys, shown, touched};
use polder_core::net::Name;
use polder_proto::stored::Stored;
use polder_proto::types::v1::WatchEventType;
use polder_store::Snapshot;
use polder_store::mirror::ChangeBatch;

use super::encoded::{Body, Encoded};
use super::ring::{Delta, Own, Whom};

/// Objects that are made before other tasks have a turn.
const PIECE: usize = 256;

/// What nodes hold under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    /// The same for every node.
    Same(Body),
    /// Each node has an object of its own, or none, which follows from this.
    ByNode(Basis),
}

/// What there is to tell at one revision. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) revision: Revision,
    pub(super) cluster: Cluster,
    domain: Arc<str>,
    objects: OrdMap<Key, Held>,
}

impl Image {
    /// Everything there is in a view: as much work as there are objects.
    pub(super) async fn of(snapshot: &Snapshot<Stored>, domain: Arc<str>) -> Self {
        let (cluster, mut objects) = (snapshot.view.clone(), OrdMap::new());
        let mut last = None;
        loop {
            let piece: Vec<Key> = keys(&cluster, last.as_ref()).take(PIECE).collect();
            let Some(end) = piece.last().cloned() else { break };
            for key in piece {
                if let Some(held) = held(&cluster, &key, &domain) {
                    objects.insert(key, held);
                }
            }
            last = Some(end);
            tokio::task::yield_now().await;
        }
        Self { revision: snapshot.revision, cluster, domain, objects }
    }

    /// Up to so many objects after a key as one node is told of them, and the last key that was looked at; `None` at the end.
    pub(super) fn piece(&self, node: &Name, after: Option<&Key>) -> Option<(Vec<Body>, Key)> {
        let piece: Vec<_> = self.from(after).take(PIECE).collect();
        let (last, _) = piece.last()?;
        let to = self.receiver(node);
        let bodies = piece.iter().filter_map(|(_, held)| self.told(&to, held)).collect();
        Some((bodies, (*last).clone()))
    }

    /// Up to so many keys after one, of those under which each node has an object of its own, and the last key that was looked at;
    /// `None` at the end.
    pub(super) fn piece_by_node(&self, after: Option<&Key>) -> Option<(Vec<Key>, Key)> {
        let piece: Vec<_> = self.from(after).take(PIECE).collect();
        let (last, _) = piece.last()?;
        let by_node = piece.iter().filter(|(_, held)| matches!(held, Held::ByNode(_)));
        Some((by_node.map(|(key, _)| (*key).clone()).collect(), (*last).clone()))
    }

    fn from(&self, after: Option<&Key>) -> impl Iterator<Item = (&Key, &Held)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.objects.range::<_, Key>((from, Bound::Unbounded))
    }

    /// A node that is told, as it is at this revision.
    pub(super) const fn receiver<'c>(&'c self, node: &'c Name) -> Receiver<'c> {
        Receiver::of(&self.cluster, node)
    }

    /// What a node is told under a key.
    pub(super) fn body(&self, to: &Receiver<'_>, key: &Key) -> Option<Body> {
        self.told(to, self.objects.get(key)?)
    }

    fn told(&self, to: &Receiver<'_>, held: &Held) -> Option<Body> {
        match held {
            Held::Same(body) => Some(body.clone()),
            Held::ByNode(basis) => to.object(basis).map(|object| Body::of(object, &self.domain)),
        }
    }

    /// The image after some batches, and what nodes are told of them: every object that differed after any of them, as it stands
    /// after the last; none of them where objects were touched and look as before. `newest` is the view then; the image shares its memory.
    pub(super) async fn after(&self, batches: &[Arc<ChangeBatch<Stored>>], newest: &Snapshot<Stored>) -> (Self, Option<Delta>) {
        let (mut state, mut objects) = (self.cluster.clone(), self.objects.clone());
        let (mut changed, mut is_touched, mut whom) = (BTreeSet::new(), false, Whom::default());
        for batch in batches {
            let mut keys = BTreeSet::new();
            for change in &batch.changes {
                keys.extend(touched(&state, change));
                whom.add(change);
                state.apply(change);
            }
            is_touched |= !keys.is_empty();
            for (at, key) in keys.into_iter().enumerate() {
                if at % PIECE == PIECE - 1 {
                    tokio::task::yield_now().await;
                }
                let now = held(&state, &key, &self.domain);
                if objects.get(&key) != now.as_ref() {
                    match now {
                        Some(now) => objects.insert(key.clone(), now),
                        None => objects.remove(&key),
                    };
                    changed.insert(key);
                }
            }
        }
        let image = Self { revision: newest.revision, cluster: newest.view.clone(), domain: Arc::clone(&self.domain), objects };
        let delta = is_touched.then(|| self.delta(&image, changed, whom));
        (image, delta)
    }

    fn delta(&self, after: &Self, changed: BTreeSet<Key>, whom: Whom) -> Delta {
        let by_node = |image: &Self, key: &Key| matches!(image.objects.get(key), Some(Held::ByNode(_)));
        let (own, shared): (Vec<Key>, Vec<Key>) = changed.into_iter().partition(|key| by_node(self, key) || by_node(after, key));
        let messages = shared.iter().map(|key| match after.objects.get(key) {
            Some(Held::Same(body)) => Encoded::of(WatchEventType::Put, after.revision, body),
            Some(Held::ByNode(_)) | None => Encoded::of(WatchEventType::Delete, after.revision, &Body::bare(key)),
        });
        Delta {
            floor: self.revision,
            revision: after.revision,
            messages: messages.collect(),
            own: (!own.is_empty() || !whom.is_nobody()).then(|| Own {
                keys: own,
                whom,
                before: self.clone(),
                after: after.clone(),
            }),
        }
    }
}

fn held(cluster: &Cluster, key: &Key, domain: &str) -> Option<Held> {
    Some(match shown(cluster, key)? {
        Shown::Same(object) => Held::Same(Body::of(object, domain)),
        Shown::ByNode(basis) => Held::ByNode(basis),
    })
}
