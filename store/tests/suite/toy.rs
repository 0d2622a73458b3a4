//! A toy of an allocator: numbered slots, each with one owner, and a limit that another domain sets.

use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::{Corrupt, Domain, Plan, PlanContext, Schema, StoredWrite, Verdict};
use polder_store::Intent;
use polder_store::ledger::{Ledger, LedgerConfig};
use polder_store::mirror::{Mirror, MirrorConfig};
use polder_store::{Store, testing};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const SLOT: &str = "/polder/ipam/allocations/";
const LIMIT: &str = "/polder/ipam/pools/limit";

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) slots: OrdMap<u64, String>,
    pub(crate) limit: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Slot(u64, Option<String>),
    Limit(u64),
}

pub(crate) struct Toy;

impl Schema for Toy {
    type View = View;
    type Change = Change;

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Change>, Corrupt> {
        let key = String::from_utf8_lossy(key).into_owned();
        let text = value.map(|value| String::from_utf8_lossy(value).into_owned());
        let corrupt = || Corrupt { key: key.clone(), why: "no number".to_owned() };
        if let Some(slot) = key.strip_prefix(SLOT) {
            return slot.parse().map(|slot| Some(Change::Slot(slot, text))).map_err(|_| corrupt());
        }
        if key == LIMIT {
            return text.map_or(Ok(0), |text| text.parse()).map(|limit| Some(Change::Limit(limit))).map_err(|_| corrupt());
        }
        Ok(None)
    }

    fn encode(change: &Change) -> StoredWrite {
        match change {
            Change::Slot(slot, owner) => {
                StoredWrite { key: format!("{SLOT}{slot}").into(), value: owner.as_ref().map(|owner| owner.clone().into_bytes()) }
            }
            Change::Limit(limit) => StoredWrite { key: LIMIT.into(), value: Some(limit.to_string().into_bytes()) },
        }
    }

    fn domain(change: &Change) -> Domain {
        match change {
            Change::Slot(..) => Domain::IpamAllocations,
            Change::Limit(_) => Domain::IpamPools,
        }
    }

    fn apply(view: &mut View, change: &Change) {
        match change {
            Change::Slot(slot, Some(owner)) => _ = view.slots.insert(*slot, owner.clone()),
            Change::Slot(slot, None) => _ = view.slots.remove(slot),
            Change::Limit(limit) => view.limit = *limit,
        }
    }

    fn before(view: &View, change: &Change) -> Option<Vec<u8>> {
        match change {
            Change::Slot(slot, _) => view.slots.get(slot).map(|owner| owner.clone().into_bytes()),
            Change::Limit(_) => (view.limit > 0).then(|| view.limit.to_string().into_bytes()),
        }
    }
}

/// A planner that gives the owner the lowest free slot below the limit; the answer is the slot's number.
pub(crate) fn allocate(owner: String) -> impl Fn(&View, PlanContext) -> Verdict<Change> + Send + 'static {
    move |view, _| {
        let slot = (0..view.limit).find(|slot| !view.slots.contains_key(slot));
        let full = || Refusal::new(Reason::PoolExhausted, "every slot is taken").with("limit", view.limit);
        let slot = slot.ok_or_else(full)?;
        let changes = vec![Change::Slot(slot, Some(owner.clone()))];
        Ok(Plan { changes, reads: vec![Domain::IpamPools], answer: slot.to_string().into_bytes() })
    }
}

pub(crate) fn free(slot: u64) -> impl Fn(&View, PlanContext) -> Verdict<Change> + Send + 'static {
    move |view, _| {
        let held = view.slots.contains_key(&slot);
        let changes = if held { vec![Change::Slot(slot, None)] } else { Vec::new() };
        Ok(Plan { changes, reads: vec![Domain::IpamAllocations], answer: held.to_string().into_bytes() })
    }
}

pub(crate) fn limit(limit: u64) -> impl Fn(&View, PlanContext) -> Verdict<Change> + Send + 'static {
    move |_, _| Ok(Plan { changes: vec![Change::Limit(limit)], reads: Vec::new(), answer: Vec::new() })
}

/// An intent; with an id, its digest is the digit's.
pub(crate) fn intent(id: &str, digest: u8) -> Intent {
    Intent {
        request_id: (!id.is_empty()).then(|| id.parse().unwrap()),
        digest: [digest; 32],
        actor: "tester".to_owned(),
        trace_id: String::new(),
        method: "Allocate",
    }
}

pub(crate) fn config() -> LedgerConfig {
    LedgerConfig::new("ipam", testing::clock(), testing::entropy())
}

pub(crate) fn mirror(store: &Store) -> Mirror<Toy> {
    Mirror::open(store.clone(), MirrorConfig::for_service("ipam", testing::clock()))
}

/// A ledger on a synced mirror.
pub(crate) async fn ledger(store: &Store) -> Ledger<Toy> {
    ledger_with(store, config()).await
}

pub(crate) async fn ledger_with(store: &Store, config: LedgerConfig) -> Ledger<Toy> {
    let mirror = mirror(store);
    mirror.synced(PATIENCE).await.unwrap();
    Ledger::start(mirror, config).unwrap()
}

/// What the store holds, read without any mirror.
pub(crate) async fn stored(store: &Store) -> View {
    let mirror: Mirror<Toy> = Mirror::open(store.clone(), MirrorConfig::default());
    let snapshot = mirror.synced(PATIENCE).await.unwrap();
    mirror.shutdown().await;
    snapshot.view.clone()
}

/// Waits for something that must come true.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

pub(crate) fn faulty() -> (tempfile::TempDir, Arc<testing::Faulty>, Store) {
    let folder = tempfile::tempdir().unwrap();
    let embedded = polder_store::embedded::Embedded::open(folder.path()).unwrap();
    let faulty = testing::Faulty::over(Arc::new(embedded));
    let store = Store::new(Arc::clone(&faulty) as Arc<dyn polder_store::Backend>);
    (folder, faulty, store)
}
