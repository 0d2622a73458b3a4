//! Several changes of pools in one transaction: splitting, merging, renaming, moving a range from one pool to another.
//!
//! Only the result is judged: pools may overlap on the way, and an address may change its pool as long as some pool of the same
//! purpose has it in the end. What is held then stays where it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check;
use super::{Draft, find, merged, reads};
use crate::cluster::Cluster;
use crate::ipam::decision::{Decision, Fields};
use crate::ipam::evict::{Eviction, settle};
use crate::ipam::network;
use crate::ipam::record::{Change, Pool};
use crate::ipam::view::View;
use crate::meta::Meta;
use crate::net::Name;
use crate::reason::{Reason, Refusal, Violation, Violations};
use crate::schema::PlanContext;

/// One change among several. No pool is named by two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolChange {
    /// Make this pool, or replace the one of this name.
    Put {
        /// The pool as it is to be.
        draft: Box<Draft>,
        /// The version the caller has seen; empty: any.
        etag: String,
    },
    /// Delete the pool of this name.
    Delete(Name),
    /// Give a pool another name.
    Rename {
        /// The name now.
        from: Name,
        /// The new name.
        to: Name,
    },
}

/// Decides several changes at once. The pools that were put or renamed, in the order of the changes.
///
/// # Errors
/// Those of each change by itself, with the number of the change in the path of the field; `ALREADY_EXISTS` for a new name that
/// another pool keeps; `POOL_OVERLAP` and `POOL_IN_USE` for the result.
pub fn apply(
    cluster: &Cluster,
    changes: &[PoolChange],
    eviction: Eviction,
    context: PlanContext,
) -> Result<Decision<Vec<Arc<Pool>>>, Refusal> {
    let view = &cluster.ipam;
    let before: BTreeMap<&Name, &Arc<Pool>> = view.pools().map(|pool| (&pool.name, pool)).collect();
    let mut after: BTreeMap<Name, Arc<Pool>> = before.iter().map(|(name, pool)| ((*name).clone(), Arc::clone(pool))).collect();
    for change in changes {
        if let PoolChange::Delete(name) | PoolChange::Rename { from: name, .. } = change {
            find(view, name)?;
            after.remove(name);
        }
    }
    let mut answer = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let Some(pool) = made(view, change, (at, context))? else { continue };
        if matches!(change, PoolChange::Rename { .. }) && after.contains_key(&pool.name) {
            let message = format!("Pool `{}` exists already, and none of the changes removes it. Choose another name.", pool.name);
            return Err(Refusal::new(Reason::AlreadyExists, message).with("pool", &pool.name).about("pool", &pool.name));
        }
        after.insert(pool.name.clone(), Arc::clone(&pool));
        answer.push(pool);
    }
    check::all_disjoint(after.values())?;
    let gone = before.keys().filter(|name| !after.contains_key(**name)).map(|name| Change::Pool((*name).clone(), None));
    let put = after.iter().filter(|(name, pool)| before.get(name).is_none_or(|old| **old != **pool));
    let changes = gone.chain(put.map(|(name, pool)| Change::Pool(name.clone(), Some(Arc::clone(pool))))).collect();
    let changes = settle(cluster, changes, eviction, context)?;
    Ok(Decision { changes, reads: reads(eviction), answer })
}

/// The pool that a change makes, if it makes one.
fn made(view: &View, change: &PoolChange, (at, context): (usize, PlanContext)) -> Result<Option<Arc<Pool>>, Refusal> {
    match change {
        PoolChange::Delete(_) => Ok(None),
        PoolChange::Rename { from, to } => {
            let old = find(view, from)?;
            network::keeps_name(view, from)?;
            Ok(Some(Arc::new(Pool { name: to.clone(), meta: old.meta.changed(context.now), ..Pool::clone(old) })))
        }
        PoolChange::Put { draft, etag } => put(view, draft, etag, (at, context)).map(Some),
    }
}

fn put(view: &View, draft: &Draft, etag: &str, (at, context): (usize, PlanContext)) -> Result<Arc<Pool>, Refusal> {
    let in_change = |refusal| within(refusal, at);
    check::draft(draft).map_err(in_change)?;
    let Some(old) = view.pool(&draft.name) else {
        if !etag.is_empty() {
            return Err(Refusal::missing(Reason::PoolNotFound, "pool", &draft.name));
        }
        let purpose = check::purpose(draft).map_err(in_change)?;
        return Ok(Arc::new(draft.pool(purpose, Meta::new(context.now, context.entropy, at as u64))));
    };
    old.meta.check_etag("pool", draft.name.as_str(), etag)?;
    check::immutable(old, draft, &Fields::default()).map_err(in_change)?;
    let pool = merged(old, draft, &Fields::default());
    if pool == **old {
        return Ok(Arc::clone(old));
    }
    Ok(Arc::new(Pool { meta: old.meta.changed(context.now), ..pool }))
}

/// A refusal of one pool by itself, with its fields where they stand in this request.
fn within(refusal: Refusal, at: usize) -> Refusal {
    let mut bad = Violations::new();
    for Violation { field, reason, description } in &refusal.violations {
        let place = field.strip_prefix("pool").map_or_else(|| field.clone(), |rest| format!("changes[{at}].put{rest}"));
        bad.add(place, *reason, description);
    }
    // Without a bad field there is nothing to be said of one.
    if bad.is_empty() { refusal } else { bad.finish::<()>(None).err().unwrap_or(refusal) }
}
