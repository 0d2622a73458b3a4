//! From the start of a name server until it serves, and what it takes of memory then.

use polder_runtime::tasks::Failure;

use super::{MIB, Options, start_with};
use crate::bed::Bed;
use crate::usage;

/// Where nobody serves a store.
const NOWHERE: &str = "etcd://127.0.0.1:1";

/// Starts one that reads the store, ends it, and starts one that has only the file of the first; `empty` is what a name server
/// without services takes of memory.
///
/// # Errors
/// One that does not serve.
pub(super) async fn measure(
    options: &Options,
    bed: &Bed,
    (services, empty): (u32, f64),
    take: &mut impl FnMut(String, f64, &'static str),
) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("names");
    let store = format!("etcd://{}", bed.etcd_members().join(","));
    for (from, store) in [("the store", store.as_str()), ("its file", NOWHERE)] {
        let running = start_with("polder-dns", store, Some(&file), options).await?;
        let mut take = |what: &str, value, unit| take(format!("polder-dns, {services} services from {from}, {what}"), value, unit);
        let full = usage::memory(running.id())?;
        take("start to SERVING", running.ready_after.as_secs_f64() * 1e3, "ms");
        if let Some(spent) = running.spent {
            take("processor time until then", spent.as_secs_f64() * 1e3, "ms");
        }
        take("PSS", full / MIB, "MiB");
        take("PSS of each", (full - empty) / f64::from(services), "bytes");
        if let Some(memory) = running.memory() {
            take("resident at most", memory.peak / MIB, "MiB");
        }
        running.stop().await?;
    }
    Ok(())
}
