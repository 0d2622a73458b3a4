//! The services that are kept in brief, and what is asked about them.

use std::borrow::Cow;
use std::sync::Arc;

use imbl::OrdMap;

use super::super::record::{Service, ServiceKey};
use super::super::view::View;
use super::Brief;
use crate::net::{Label, Labels};

/// Services in brief, by namespace and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::lb) struct Briefs(OrdMap<Label, OrdMap<Label, Brief>>);

impl Briefs {
    fn get(&self, key: &ServiceKey) -> Option<&Brief> {
        self.0.get(&key.namespace)?.get(&key.name)
    }

    /// Puts one or removes it, and gives the one before.
    fn put(&mut self, key: &ServiceKey, brief: Option<&Brief>) -> Option<Brief> {
        let Some(brief) = brief else {
            let here = self.0.get_mut(&key.namespace)?;
            let before = here.remove(&key.name);
            if here.is_empty() {
                self.0.remove(&key.namespace);
            }
            return before;
        };
        self.0.entry(key.namespace.clone()).or_default().insert(key.name.clone(), brief.clone())
    }

    fn keys(&self) -> impl Iterator<Item = ServiceKey> + '_ {
        self.0.iter().flat_map(|(namespace, here)| keys(namespace, here))
    }
}

fn keys<'a>(namespace: &'a Label, here: &'a OrdMap<Label, Brief>) -> impl Iterator<Item = ServiceKey> + use<'a> {
    here.keys().map(|name| ServiceKey { namespace: namespace.clone(), name: name.clone() })
}

/// A view has a service whole or in brief, and never both: it is fed by one kind of change. What follows from services here sees
/// those of either kind.
impl View {
    /// Moves the view by a service in brief.
    pub(in crate::lb) fn put_brief(&mut self, key: &ServiceKey, brief: Option<&Brief>) {
        if let Some(before) = self.briefs.put(key, brief).and_then(|before| before.selector()) {
            self.selecting.remove(key, &before);
        }
        if let Some(after) = brief.and_then(Brief::selector) {
            self.selecting.insert(key, &after);
        }
    }

    /// A service with everything that names follow from; perhaps with nothing else.
    #[must_use]
    pub fn named(&self, key: &ServiceKey) -> Option<Cow<'_, Service>> {
        let whole = self.service(key).map(|service| Cow::Borrowed(Arc::as_ref(service)));
        whole.or_else(|| self.briefs.get(key)?.service(key).map(Cow::Owned))
    }

    /// A service in brief, where that is all that is known of it.
    #[must_use]
    pub fn brief(&self, key: &ServiceKey) -> Option<&Brief> {
        self.briefs.get(key)
    }

    /// The keys of all services.
    pub fn keys(&self) -> impl Iterator<Item = ServiceKey> + '_ {
        self.services().map(|service| service.key.clone()).chain(self.briefs.keys())
    }

    /// The keys of the services of one namespace.
    pub fn keys_in(&self, namespace: &Label) -> impl Iterator<Item = ServiceKey> + use<'_> {
        let briefs = self.briefs.0.get_key_value(namespace).into_iter().flat_map(|(namespace, here)| keys(namespace, here));
        self.services_in(namespace).map(|service| service.key.clone()).chain(briefs)
    }

    /// The keys of the services of a namespace whose selectors match the labels.
    pub fn keys_selecting<'v>(&'v self, namespace: &Label, labels: &'v Labels) -> impl Iterator<Item = ServiceKey> + use<'v> {
        let candidates = self.selecting.candidates(namespace, labels).into_iter();
        let matches = |key: &&ServiceKey| self.named(key).is_some_and(|service| service.spec.selector.matches(labels));
        let namespace = namespace.clone();
        candidates.filter(move |key| key.namespace == namespace).filter(matches).cloned()
    }
}
