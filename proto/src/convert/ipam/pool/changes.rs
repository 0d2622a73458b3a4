//! Several changes of pools at once.

use std::collections::BTreeSet;

use polder_core::ipam::Eviction;
use polder_core::ipam::pool::PoolChange;
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal, Violations};

use super::draft;
use crate::convert::common::parsed;
use crate::convert::ipam::values::few;
use crate::convert::ipam::{Mutation, eviction};
use crate::ipam::v1 as pb;

/// The most changes of one request.
const MOST_CHANGES: usize = 100;

/// Reads several changes of pools, and whether holders may lose their addresses by them.
///
/// # Errors
/// The refusal that names every bad field.
pub fn apply(request: &pb::ApplyPoolsRequest) -> Result<Mutation<(Vec<PoolChange>, Eviction)>, Refusal> {
    let mut bad = Violations::new();
    let few = few(request.changes.len(), MOST_CHANGES, "changes", &mut bad);
    if request.changes.is_empty() {
        bad.add("changes", Reason::FieldRequired, "at least one change is required");
    }
    let numbered = request.changes.iter().enumerate().filter(|_| few);
    let changes: Vec<Option<PoolChange>> =
        numbered.map(|(at, change)| read_change(change, &format!("changes[{at}]"), &mut bad)).collect();
    let mut named = BTreeSet::new();
    for (at, change) in changes.iter().enumerate() {
        let twice = change.iter().flat_map(names_of).find(|name| !named.insert(*name));
        if let Some(twice) = twice {
            let why = format!("pool `{twice}` is named by two changes; say what becomes of it in one");
            bad.add(format!("changes[{at}]"), Reason::DuplicateValue, why);
        }
    }
    let changes = changes.into_iter().collect::<Option<Vec<_>>>().map(|changes| (changes, eviction(request.allow_eviction)));
    let mutation = Mutation::finish(&request.request_id, request.validate_only, changes, bad)?;
    Ok(mutation.if_planned(&request.plan_etag))
}

fn read_change(change: &pb::PoolChange, place: &str, bad: &mut Violations) -> Option<PoolChange> {
    use pb::pool_change::Change;
    match &change.change {
        Some(Change::Put(pool)) => {
            let draft = draft(pool, &format!("{place}.put"), bad)?.into();
            Some(PoolChange::Put { draft, etag: pool.etag.clone() })
        }
        Some(Change::Delete(name)) => parsed(name, format!("{place}.delete"), bad).map(PoolChange::Delete),
        Some(Change::Rename(rename)) => {
            let from = parsed(&rename.from, format!("{place}.rename.from"), bad);
            let to = parsed(&rename.to, format!("{place}.rename.to"), bad);
            Some(PoolChange::Rename { from: from?, to: to? })
        }
        None => {
            bad.add(place, Reason::FieldRequired, "say what to change: put, delete or rename");
            None
        }
    }
}

fn names_of(change: &PoolChange) -> Vec<&Name> {
    match change {
        PoolChange::Put { draft, .. } => vec![&draft.name],
        PoolChange::Delete(name) => vec![name],
        PoolChange::Rename { from, to } => vec![from, to],
    }
}
