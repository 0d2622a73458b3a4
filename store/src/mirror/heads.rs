//! Where every domain stands.

use bytes::Bytes;
use polder_core::id::Revision;
use polder_core::schema::Domain;

use crate::backend::Guard;

/// The revision of every domain's head key; `None` for a domain that was never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heads([Option<Revision>; Domain::ALL.len()]);

impl Heads {
    /// Where one domain stands.
    #[must_use]
    pub fn get(&self, domain: Domain) -> Option<Revision> {
        self.0[domain as usize]
    }

    /// The newest of all heads: the revision of the newest change.
    #[must_use]
    pub fn newest(&self) -> Revision {
        self.0.iter().flatten().max().copied().unwrap_or_default()
    }

    /// The guard that a domain has not moved since.
    #[must_use]
    pub fn guard(&self, domain: Domain) -> Guard {
        Guard::seen(Bytes::from_static(domain.head_key().as_bytes()), self.get(domain))
    }

    pub(crate) fn set(&mut self, domain: Domain, head: Option<Revision>) {
        self.0[domain as usize] = head;
    }

    /// Reads the heads out of what a conflict found; other guarded keys are passed over.
    pub(crate) fn found(&self, current: &[(Bytes, Option<Revision>)]) -> Self {
        let mut found = *self;
        for (key, modified) in current {
            if let Some(domain) = domain_of(key) {
                found.set(domain, *modified);
            }
        }
        found
    }

    /// Whether every domain stands at least where `other` has it.
    pub(crate) fn reach(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine >= theirs)
    }
}

/// The domain whose head a key is.
pub(crate) fn domain_of(key: &[u8]) -> Option<Domain> {
    Domain::ALL.into_iter().find(|domain| domain.head_key().as_bytes() == key)
}
