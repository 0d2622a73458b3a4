//! The functions beneath, without a process around them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use polder_core::cluster::{Change, Cluster};
use polder_core::lb::dataplane;
use polder_core::{ipam, lb};
use polder_runtime::clock::monotonic;
use polder_runtime::tasks::Failure;

use crate::state::State;

/// How often each is called.
const TIMES: u32 = 2000;

/// What one call of each costs in this state.
pub(super) fn measure(cluster: &Cluster, state: &State, take: &mut impl FnMut(String, f64, &'static str)) -> Result<(), Failure> {
    let mut figure = |what: &str, took: Duration| take(what.to_owned(), took.as_secs_f64() * 1e6 / f64::from(TIMES), "µs");
    let pods = (0..TIMES).map(|number| state.pod(number * 7 % state.pods, false));
    let pods = pods.map(|pod| pod.map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    let changes: Vec<Change> = pods.into_iter().map(|pod| ipam::Change::Allocation(pod.meta.uid, Some(pod)).into()).collect();
    let services = (0..TIMES).map(|number| State::key(number * 3 % state.services)).collect::<Result<Vec<_>, _>>()?;

    let begun = monotonic();
    let found: usize = services.iter().filter_map(|key| cluster.lb.service(key)).map(|one| lb::endpoints(cluster, one).len()).sum();
    figure("core: the endpoints of a service", begun.elapsed());
    if found == 0 {
        return Err("no service has endpoints".into());
    }
    let (begun, mut touched) = (monotonic(), BTreeSet::new());
    changes.iter().for_each(|change| lb::touched(cluster, change, &mut touched));
    figure("core: the services that a pod touches", begun.elapsed());
    let begun = monotonic();
    let keys: usize = changes.iter().map(|change| dataplane::touched(cluster, change).len()).sum();
    figure("core: the objects that a pod touches", begun.elapsed());
    if keys == 0 || touched.is_empty() {
        return Err("no pod touches a service".into());
    }
    let mut moved = cluster.clone();
    let begun = monotonic();
    changes.iter().for_each(|change| moved.apply(change));
    figure("core: a pod put again, applied", begun.elapsed());
    Ok(())
}
