//! The zones of views: each view that has any has a small snapshot of its own, which moves together with the one around it.

use std::collections::BTreeSet;
use std::iter;
use std::net::IpAddr;
use std::sync::Arc;

use super::super::serial::Heads;
use super::super::skydns::View;
use super::super::source::Source;
use super::super::views::{Clients, Sight};
use super::Snapshot;
use crate::cluster::Cluster;
use crate::net::Label;

/// Whether the names of `source` may be those of this view, or everybody's.
pub(super) fn belongs(view: Option<&Label>, source: &Source) -> bool {
    match source {
        Source::External(_) => true,
        _ => source.view() == view,
    }
}

impl Snapshot {
    /// What a client sees.
    #[must_use]
    pub fn seen_by(&self, client: Option<IpAddr>) -> Sight<'_> {
        Sight::new(self, client.and_then(|client| self.clients.view_of(client)))
    }

    /// What the pods of a namespace see.
    #[must_use]
    pub fn seen_in(&self, namespace: &Label) -> Sight<'_> {
        Sight::new(self, self.clients.view_in(namespace))
    }

    /// The zones of a view, if it has any.
    #[must_use]
    pub fn layer(&self, view: &Label) -> Option<&Self> {
        self.layers.get(view)
    }

    /// The zones of a view, or those that everybody has.
    #[must_use]
    pub fn within(&self, view: Option<&Label>) -> Option<&Self> {
        view.map_or(Some(self), |view| self.layer(view))
    }

    /// The view whose zones these are; `None`: they are everybody's.
    #[must_use]
    pub const fn view(&self) -> Option<&Label> {
        self.view.as_ref()
    }

    /// These names, then those of every view.
    pub fn with_layers(&self) -> impl Iterator<Item = &Self> {
        iter::once(self).chain(self.layers.values())
    }

    pub(super) fn follow_clients(&mut self, cluster: &Cluster, touched: &BTreeSet<Source>) {
        if touched.contains(&Source::Views) {
            self.clients = Clients::of(cluster, self.settings.seed);
            return;
        }
        for source in touched {
            if let Source::Pod(uid) = source {
                self.clients.follow(cluster, *uid);
            }
        }
    }

    pub(super) fn update_layers(&mut self, cluster: &Cluster, touched: &BTreeSet<Source>, heads: Heads) {
        let come = touched.iter().filter_map(Source::view);
        let views: BTreeSet<Label> = self.layers.keys().chain(come).cloned().collect();
        for view in views {
            let empty = || Self { view: Some(view.clone()), ..Self::unsynced(Arc::clone(&self.settings)) };
            let mut layer = self.layers.remove(&view).unwrap_or_else(empty);
            layer.update_own((cluster, View::default()), (touched, iter::empty), heads);
            if !layer.zones.is_empty() {
                self.layers.insert(view, layer);
            }
        }
    }
}
