//! The limit that the store sets: transactions of one guard and two small puts, one per call, with nothing of ours in between.
//!
//! On etcd they go through etcd-client directly, over one connection as Polder has it; on the embedded store through its handle.

use etcd_client::{Client, Compare, CompareOp, KvClient, Txn, TxnOp};
use polder_runtime::tasks::Failure;
use polder_store::{Commit, Guard, Outcome, Store, Write};

use crate::bed::{Bed, Engine};
use crate::load::{Caller, Measured, Window, drive};

/// What is put: about as many bytes as the record of an allocation has.
const VALUE: [u8; 128] = [7; 128];

/// Measures raw transactions on a fresh store.
///
/// # Errors
/// A transaction that fails, or whose guard does not hold.
pub async fn measure(engine: Engine, callers: usize, window: Window) -> Result<Measured, Failure> {
    let bed = Bed::fresh(engine).await;
    let keys = (0..callers).map(|caller| Keys { caller, next: 0 });
    match engine {
        Engine::Etcd => {
            let kv = Client::connect(bed.etcd_members(), None).await?.kv_client();
            let callers = keys.map(|keys| OnEtcd { kv: kv.clone(), keys }).collect();
            Ok(drive(callers, window).await?.0)
        }
        Engine::Embedded => {
            let callers = keys.map(|keys| OnEmbedded { store: bed.store().clone(), keys }).collect();
            Ok(drive(callers, window).await?.0)
        }
    }
}

/// Two keys for every call that nobody else writes, so that no transaction stands in another's way.
struct Keys {
    caller: usize,
    next: u64,
}

impl Keys {
    fn draw(&mut self) -> (String, String) {
        let (caller, number) = (self.caller, self.next);
        self.next += 1;
        (format!("/bench/{caller:04}/{number:08}/a"), format!("/bench/{caller:04}/{number:08}/b"))
    }
}

struct OnEtcd {
    kv: KvClient,
    keys: Keys,
}

impl Caller for OnEtcd {
    async fn call(&mut self) -> Result<bool, Failure> {
        let (first, second) = self.keys.draw();
        let absent = Compare::create_revision(first.as_str(), CompareOp::Equal, 0);
        let puts = [TxnOp::put(first, VALUE, None), TxnOp::put(second, VALUE, None)];
        let answer = self.kv.txn(Txn::new().when([absent]).and_then(puts)).await?;
        if answer.succeeded() { Ok(true) } else { Err("a guard did not hold on a fresh etcd".into()) }
    }
}

struct OnEmbedded {
    store: Store,
    keys: Keys,
}

impl Caller for OnEmbedded {
    async fn call(&mut self) -> Result<bool, Failure> {
        let (first, second) = self.keys.draw();
        let guards = vec![Guard::Absent(first.clone().into())];
        let writes = vec![Write::put(first, VALUE.to_vec()), Write::put(second, VALUE.to_vec())];
        match self.store.commit(Commit { guards, writes }).await? {
            Outcome::Committed { .. } => Ok(true),
            Outcome::Conflict { .. } => Err("a guard did not hold on a fresh store".into()),
        }
    }
}
