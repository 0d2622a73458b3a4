//! What there is to tell at one revision, and how it moves to the next.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use polder_core::cluster::Cluster;
use polder_core::id::Revision;
use polder_core::lb::dataplane::{Key, Shown, keys, object, shown, touched};
use polder_core::net::Name;
use polder_proto::stored::Stored;
use polder_proto::types::v1::WatchEventType;
use polder_store::Snapshot;
use polder_store::mirror::ChangeBatch;

use super::encoded::{Body, Encoded};
use super::ring::{Delta, Nodes, Own};

/// Objects that are made before other tasks have a turn.
const PIECE: usize = 256;

/// What nodes hold under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    /// The same for every node.
    Same(Body),
    /// Each node has an object of its own, or none.
    ByNode,
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
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let piece: Vec<_> = self.objects.range::<_, Key>((from, Bound::Unbounded)).take(PIECE).collect();
        let (last, _) = piece.last()?;
        let bodies = piece.iter().filter_map(|(key, held)| self.told(node, key, held)).collect();
        Some((bodies, (*last).clone()))
    }

    /// What a node is told under a key.
    pub(super) fn body(&self, node: &Name, key: &Key) -> Option<Body> {
        self.told(node, key, self.objects.get(key)?)
    }

    fn told(&self, node: &Name, key: &Key, held: &Held) -> Option<Body> {
        match held {
            Held::Same(body) => Some(body.clone()),
            Held::ByNode => object(&self.cluster, node, key).map(|object| Body::of(object, &self.domain)),
        }
    }

    /// The image after some batches, and what nodes are told of them: every object that differed after any of them, as it stands
    /// after the last; none of them where objects were touched and look as before. `newest` is the view then; the image shares its memory.
    pub(super) async fn after(&self, batches: &[Arc<ChangeBatch<Stored>>], newest: &Snapshot<Stored>) -> (Self, Option<Delta>) {
        let (mut state, mut objects) = (self.cluster.clone(), self.objects.clone());
        let (mut changed, mut is_touched) = (BTreeSet::new(), false);
        for batch in batches {
            let mut keys = BTreeSet::new();
            for change in &batch.changes {
                keys.extend(touched(&state, change));
                state.apply(change);
            }
            is_touched |= !keys.is_empty();
            for (at, key) in keys.into_iter().enumerate() {
                if at % PIECE == PIECE - 1 {
                    tokio::task::yield_now().await;
                }
                let now = held(&state, &key, &self.domain);
                let by_node = now == Some(Held::ByNode);
                if by_node || objects.get(&key) != now.as_ref() {
                    match now {
                        Some(now) => objects.insert(key.clone(), now),
                        None => objects.remove(&key),
                    };
                    changed.insert(key);
                }
            }
        }
        let image = Self { revision: newest.revision, cluster: newest.view.clone(), domain: Arc::clone(&self.domain), objects };
        let delta = is_touched.then(|| self.delta(&image, changed));
        (image, delta)
    }

    fn delta(&self, after: &Self, changed: BTreeSet<Key>) -> Delta {
        let by_node = |image: &Self, key: &Key| image.objects.get(key) == Some(&Held::ByNode);
        let names = changed.iter().filter_map(|key| if let Key::Node(name) = key { Some(name.clone()) } else { None });
        let names: BTreeSet<Name> = names.collect();
        let (own, shared): (Vec<Key>, Vec<Key>) = changed.into_iter().partition(|key| by_node(self, key) || by_node(after, key));
        let messages = shared.iter().map(|key| match after.objects.get(key) {
            Some(Held::Same(body)) => Encoded::of(WatchEventType::Put, after.revision, body),
            Some(Held::ByNode) | None => Encoded::of(WatchEventType::Delete, after.revision, &Body::bare(key)),
        });
        Delta {
            floor: self.revision,
            revision: after.revision,
            messages: messages.collect(),
            own: (!own.is_empty()).then(|| Own { keys: own, before: self.clone(), after: after.clone() }),
            nodes: (!names.is_empty()).then(|| Nodes { names, after: after.cluster.clone() }),
        }
    }
}

fn held(cluster: &Cluster, key: &Key, domain: &str) -> Option<Held> {
    Some(match shown(cluster, key)? {
        Shown::Same(object) => Held::Same(Body::of(object, domain)),
        Shown::ByNode => Held::ByNode,
    })
}
