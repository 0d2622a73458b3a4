//! Following services: a snapshot, a mark, then what looks different after each revision.
//!
//! A reader that resumes gets the present state of everything that was touched since; it may be told what it knows already, and
//! misses nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, stream};
use polder_core::cluster::{Change, Cluster};
use polder_core::filter::Filter;
use polder_core::id::Revision;
use polder_core::ipam;
use polder_core::lb::{Service, ServiceKey, touched};
use polder_core::reason::Refusal;
use polder_proto::convert::lb as convert;
use polder_proto::lb::v1 as pb;
use polder_proto::stored::Stored;
use polder_proto::types::v1::WatchEventType;
use polder_store::mirror::{ChangeBatch, Changes};

use crate::list::passes;
use crate::service::Catalog;

/// The longest silence.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What is still to be told before the next batch is taken.
enum Telling {
    /// Every service after this one, then the mark.
    Snapshot(Option<ServiceKey>),
    /// What looks different from before the batch; everything about these services where `before` is not known.
    Batch { before: Option<Box<Cluster>>, keys: BTreeSet<ServiceKey> },
}

/// A reader's place.
pub(crate) struct Watch {
    cluster: Cluster,
    /// The revision of the view that the watch began with.
    base: Revision,
    /// The revision that is being told.
    revision: Revision,
    changes: Changes<Stored>,
    filter: Filter,
    domain: Arc<str>,
    telling: Telling,
}

impl Watch {
    /// Begins with a snapshot, or after a revision.
    ///
    /// # Errors
    /// When nothing has been read yet, or the revision is too far back.
    pub(crate) async fn open(catalog: &Catalog, after: Option<Revision>, filter: Filter) -> Result<Self, Refusal> {
        let idle = Telling::Batch { before: None, keys: BTreeSet::new() };
        let (start, changes, telling) = match after {
            None => {
                let (start, changes) = catalog.mirror().subscribe();
                (start, changes, Telling::Snapshot(None))
            }
            Some(revision) => {
                catalog.reach(revision).await?;
                let changes = catalog.mirror().subscribe_after(revision)?;
                // Taken after the changes: what comes between the two is told twice and not missed.
                (catalog.mirror().subscribe().0, changes, idle)
            }
        };
        if !start.synced {
            start.usable()?;
        }
        let (base, cluster, domain) = (start.revision, start.view.clone(), Arc::clone(catalog.domain()));
        Ok(Self { cluster, base, revision: after.unwrap_or(base), changes, filter, domain, telling })
    }

    /// The messages of the watch, until the reader goes or falls too far behind.
    pub(crate) fn messages(self) -> impl Stream<Item = Result<pb::WatchServicesResponse, Refusal>> {
        stream::try_unfold(self, |mut watch| async move {
            let message = watch.next().await?;
            Ok(Some((message, watch)))
        })
    }

    async fn next(&mut self) -> Result<pb::WatchServicesResponse, Refusal> {
        loop {
            if let Some(message) = self.tell() {
                return Ok(message);
            }
            match tokio::time::timeout(HEARTBEAT, self.changes.next()).await {
                Ok(batch) => self.take(batch?.as_ref()),
                Err(_) => return Ok(self.message(WatchEventType::Heartbeat, None)),
            }
        }
    }

    /// The next message of what is to be told.
    fn tell(&mut self) -> Option<pb::WatchServicesResponse> {
        match &mut self.telling {
            Telling::Snapshot(after) => {
                let next = self.cluster.lb.services_after(after.as_ref()).find(|service| passes(&self.filter, service));
                let Some(service) = next else {
                    self.telling = Telling::Batch { before: None, keys: BTreeSet::new() };
                    return Some(self.message(WatchEventType::Synced, None));
                };
                let shown = convert::service(&self.cluster, service, &self.domain);
                *after = Some(service.key.clone());
                Some(self.message(WatchEventType::Snapshot, Some(shown)))
            }
            Telling::Batch { before, keys } => {
                while let Some(key) = keys.pop_first() {
                    let told = difference(before.as_deref(), &self.cluster, (&self.filter, &self.domain), &key);
                    if let Some((event, service)) = told {
                        return Some(self.message(event, Some(service)));
                    }
                }
                None
            }
        }
    }

    fn message(&self, event: WatchEventType, service: Option<pb::Service>) -> pb::WatchServicesResponse {
        pb::WatchServicesResponse { r#type: event.into(), revision: self.revision.0, service }
    }

    /// Moves on by one batch.
    fn take(&mut self, batch: &ChangeBatch<Stored>) {
        let known = batch.revision > self.base;
        let mut keys = BTreeSet::new();
        let before = known.then(|| Box::new(self.cluster.clone()));
        for change in &batch.changes {
            if known {
                touched(&self.cluster, change, &mut keys);
                self.cluster.apply(change);
            } else {
                touched_unseen(&self.cluster, change, &mut keys);
            }
            if known {
                // A service that came to be with its pods in one batch is touched by what stands now as well.
                touched(&self.cluster, change, &mut keys);
            }
        }
        self.revision = self.revision.max(batch.revision);
        self.telling = Telling::Batch { before, keys };
    }
}

/// What a change may have altered whose state before is not at hand: an allocation may have had any labels.
fn touched_unseen(cluster: &Cluster, change: &Change, keys: &mut BTreeSet<ServiceKey>) {
    touched(cluster, change, keys);
    if let Change::Ipam(ipam::Change::Allocation(..)) = change {
        let selecting = cluster.lb.services().filter(|service| !service.spec.selector.is_empty());
        keys.extend(selecting.map(|service| service.key.clone()));
    }
}

/// How a service looks now, if that is new to the reader.
fn difference(
    before: Option<&Cluster>,
    after: &Cluster,
    (filter, domain): (&Filter, &str),
    key: &ServiceKey,
) -> Option<(WatchEventType, pb::Service)> {
    let in_state = |cluster: &Cluster, wanted: bool| -> Option<pb::Service> {
        let service: &Arc<Service> = cluster.lb.service(key).filter(|service| passes(filter, service) == wanted)?;
        Some(convert::service(cluster, service, domain))
    };
    let old = before.and_then(|before| in_state(before, true));
    match (in_state(after, true), old, before) {
        (Some(new), Some(old), _) if new == old => None,
        (Some(new), ..) => Some((WatchEventType::Put, new)),
        (None, Some(old), _) => Some((WatchEventType::Delete, old)),
        (None, None, Some(_)) => None,
        (None, None, None) => {
            let named = pb::Service { namespace: key.namespace.to_string(), name: key.name.to_string(), ..pb::Service::default() };
            Some((WatchEventType::Delete, in_state(after, false).unwrap_or(named)))
        }
    }
}
