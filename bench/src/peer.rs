//! How others keep addresses in etcd: a whole prefix with all its addresses as one JSON value under one key.
//!
//! This is go-ipam's way of acquiring an address, by its source: under a lock of the process read the value, walk from the first
//! address to the first free one, write the whole value back. Here it is done without a service around it and without a call over
//! the wire, which only flatters it. It is an emulation, not their code: theirs cannot be built from what this benchmark may use.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use etcd_client::{Client, KvClient};
use polder_runtime::tasks::Failure;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::bed::{Bed, Engine};
use crate::load::{Caller, Measured, Window, drive};

const KEY: &str = "/bench/prefix";
/// The first address of the prefix that may be given.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// The value under the key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Prefix {
    cidr: String,
    #[serde(rename = "IPs")]
    ips: BTreeMap<Ipv4Addr, bool>,
    version: u64,
}

/// Measures it on a fresh etcd.
///
/// # Errors
/// A read or a write that fails.
pub async fn whole_prefix(callers: usize, window: Window) -> Result<Measured, Failure> {
    let bed = Bed::fresh(Engine::Etcd).await;
    let mut kv = Client::connect(bed.etcd_members(), None).await?.kv_client();
    let empty = Prefix { cidr: "10.0.0.0/8".to_owned(), ips: BTreeMap::new(), version: 0 };
    kv.put(KEY, serde_json::to_vec(&empty)?, None).await?;
    let lock = Arc::new(Mutex::new(()));
    let callers = (0..callers).map(|_| Acquiring { kv: kv.clone(), lock: Arc::clone(&lock) }).collect();
    let (measured, _) = drive(callers, window).await?;
    let left = read(&mut kv).await?;
    if left.ips.len() as u64 == measured.answered {
        Ok(measured)
    } else {
        Err(format!("{} addresses were acquired, {} are held", measured.answered, left.ips.len()).into())
    }
}

async fn read(kv: &mut KvClient) -> Result<Prefix, Failure> {
    let answer = kv.get(KEY, None).await?;
    let value = answer.kvs().first().ok_or("the prefix is gone")?.value();
    Ok(serde_json::from_slice(value)?)
}

struct Acquiring {
    kv: KvClient,
    lock: Arc<Mutex<()>>,
}

impl Caller for Acquiring {
    async fn call(&mut self) -> Result<bool, Failure> {
        let _held = self.lock.lock().await;
        let mut prefix = read(&mut self.kv).await?;
        let mut free = FIRST;
        while prefix.ips.contains_key(&free) {
            free = Ipv4Addr::from(u32::from(free) + 1);
        }
        prefix.ips.insert(free, true);
        prefix.version += 1;
        self.kv.put(KEY, serde_json::to_vec(&prefix)?, None).await?;
        Ok(true)
    }
}
