//! Fresh stores: every case gets one of its own, because a store that has been through a case answers differently afterwards.

use clap::ValueEnum;
use polder_store::Store;
use polder_store::testing::{self, Etcd};
use serde::Serialize;
use tempfile::TempDir;

/// The store under a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A real etcd with one member, its default flags, on loopback.
    Etcd,
    /// The embedded store.
    Embedded,
}

impl Engine {
    /// Its name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Embedded => "embedded",
        }
    }
}

/// A fresh store with whatever keeps it alive. Everything goes when it is dropped.
pub struct Bed {
    store: Store,
    keeper: Keeper,
}

enum Keeper {
    Etcd(Etcd),
    Embedded(#[expect(dead_code, reason = "held for its drop")] TempDir),
}

impl Bed {
    /// A new store in a temporary folder. A missing etcd ends the run with a panic that says what to install.
    pub async fn fresh(engine: Engine) -> Self {
        match engine {
            Engine::Etcd => {
                let etcd = Etcd::start().await;
                Self { store: etcd.store().await, keeper: Keeper::Etcd(etcd) }
            }
            Engine::Embedded => {
                let (folder, store) = testing::embedded();
                Self { store, keeper: Keeper::Embedded(folder) }
            }
        }
    }

    /// The store. Clones of the handle share its counters.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The members of the etcd beneath, as `host:port`; none under the embedded store.
    #[must_use]
    pub fn etcd_members(&self) -> Vec<String> {
        match &self.keeper {
            Keeper::Etcd(etcd) => etcd.endpoints(),
            Keeper::Embedded(_) => Vec::new(),
        }
    }
}
