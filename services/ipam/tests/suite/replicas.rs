//! Two replicas on one store under many callers: no address twice, none lost.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::*;
use futures::future::join_all;

const CALLERS: usize = 64;
const EACH: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_on_two_replicas_never_share_an_address() {
    let (_folder, store) = store();
    let replicas = &[Replica::on(&store).await, Replica::on(&store).await];
    replicas[0].usual().await;
    until(|| async { replicas[1].pod("probe", "node-b").await.is_ok() }).await;
    let callers = (0..CALLERS).map(|caller| {
        async move {
            let mut held = BTreeMap::new();
            for n in 0..EACH {
                // Every handle is asked for twice, of both replicas: the answer is the same.
                let handle = format!("c{caller}-{n}");
                let node = if caller % 2 == 0 { "node-a" } else { "node-b" };
                let (one, two) = futures::join!(replicas[0].pod(&handle, node), replicas[1].pod(&handle, node));
                let (one, two) = (one.unwrap(), two.unwrap());
                assert_eq!(only(&one), only(&two));
                held.insert(handle.clone(), only(&one).to_owned());
                if n % 4 == 0 {
                    replicas[n % 2].release(&handle).await;
                    held.remove(&handle);
                }
            }
            held
        }
    });
    let mut held: BTreeMap<String, String> = join_all(callers).await.into_iter().flatten().collect();
    held.insert("probe".to_owned(), only(&replicas[0].pod("probe", "node-b").await.unwrap()).to_owned());
    let addresses: BTreeSet<&String> = held.values().collect();
    assert_eq!(addresses.len(), held.len(), "no address twice");
    for replica in replicas.iter() {
        until(|| async {
            let all = replica.all(1000).await;
            let pods = all.iter().filter(|one| !one.handle.starts_with("polder.dev/"));
            let stored: BTreeMap<String, String> = pods.map(|one| (one.handle.clone(), only(one).to_owned())).collect();
            stored == held
        })
        .await;
        replica.is_sound().await;
    }
}
