//! The kinds of objects that can be watched.

use std::sync::Arc;

use polder_core::filter::Filter;
use polder_core::id::{Revision, Uid};
use polder_core::ipam::{Change, OwnerKind, View};
use polder_core::net::Name;
use polder_proto::convert::ipam as convert;
use polder_proto::ipam::v1 as pb;
use polder_proto::types::v1::WatchEventType;

use super::Watched;
use crate::page::Fields;
use crate::rpc::{AllocationOf, NodeOf, PoolOf};

fn passes(filter: &Filter, object: &impl Fields) -> bool {
    filter.matches(|field| object.values(field))
}

/// The keys of named objects after one of them.
fn after<'a>(names: impl Iterator<Item = &'a Name>, after: Option<&Name>, most: usize) -> Vec<Name> {
    names.filter(|name| after.is_none_or(|after| *name > after)).take(most).cloned().collect()
}

/// Held allocations.
pub(crate) struct Allocations {
    pub(crate) filter: Filter,
}

impl Watched for Allocations {
    type Key = Uid;
    type Object = pb::Allocation;
    type Message = pb::WatchAllocationsResponse;

    fn keys(&self, view: &View, after: Option<&Uid>, most: usize) -> Vec<Uid> {
        view.walk(AllocationOf::terms(&self.filter), after.copied()).take(most).map(|held| held.meta.uid).collect()
    }

    fn touched(&self, _: &View, change: &Change) -> Vec<Uid> {
        match change {
            Change::Allocation(uid, _) => vec![*uid],
            _ => Vec::new(),
        }
    }

    fn show(&self, view: &View, uid: &Uid) -> Option<pb::Allocation> {
        let record = view.allocation(*uid).filter(|record| record.is_held())?;
        let object = AllocationOf { view, record: Arc::clone(record) };
        passes(&self.filter, &object).then(|| convert::allocation::show(view, record))
    }

    fn bare(uid: &Uid) -> pb::Allocation {
        pb::Allocation { uid: uid.to_string(), ..pb::Allocation::default() }
    }

    fn message(kind: WatchEventType, revision: Revision, allocation: Option<pb::Allocation>) -> pb::WatchAllocationsResponse {
        pb::WatchAllocationsResponse { r#type: kind.into(), revision: revision.0, allocation }
    }
}

/// Nodes with their addresses and blocks.
pub(crate) struct Nodes {
    pub(crate) filter: Filter,
}

impl Watched for Nodes {
    type Key = Name;
    type Object = pb::Node;
    type Message = pb::WatchNodesResponse;

    fn keys(&self, view: &View, last: Option<&Name>, most: usize) -> Vec<Name> {
        after(view.nodes().map(|node| &node.name), last, most)
    }

    fn touched(&self, before: &View, change: &Change) -> Vec<Name> {
        match change {
            Change::Node(name, _) => vec![name.clone()],
            Change::Block(cidr, record) => {
                let known = before.block(*cidr).into_iter().chain(record).map(|block| block.node.clone());
                let known: Vec<Name> = known.collect();
                // A block that went before this watch began: any node may have had it.
                if known.is_empty() { after(before.nodes().map(|node| &node.name), None, usize::MAX) } else { known }
            }
            Change::Allocation(uid, record) => {
                let known = before.allocation(*uid).into_iter().chain(record).map(|allocation| &allocation.owner);
                known.filter(|owner| owner.kind == OwnerKind::Node).map(|owner| owner.name.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn show(&self, view: &View, name: &Name) -> Option<pb::Node> {
        let node = view.node(name)?;
        passes(&self.filter, &NodeOf(Arc::clone(node))).then(|| convert::node::show(view, node))
    }

    fn bare(name: &Name) -> pb::Node {
        pb::Node { name: name.to_string(), ..pb::Node::default() }
    }

    fn message(kind: WatchEventType, revision: Revision, node: Option<pb::Node>) -> pb::WatchNodesResponse {
        pb::WatchNodesResponse { r#type: kind.into(), revision: revision.0, node }
    }
}

/// Pools.
pub(crate) struct Pools {
    pub(crate) filter: Filter,
}

impl Watched for Pools {
    type Key = Name;
    type Object = pb::Pool;
    type Message = pb::WatchPoolsResponse;

    fn keys(&self, view: &View, last: Option<&Name>, most: usize) -> Vec<Name> {
        after(view.pools().map(|pool| &pool.name), last, most)
    }

    fn touched(&self, _: &View, change: &Change) -> Vec<Name> {
        match change {
            Change::Pool(name, _) => vec![name.clone()],
            _ => Vec::new(),
        }
    }

    fn show(&self, view: &View, name: &Name) -> Option<pb::Pool> {
        let pool = view.pool(name)?;
        passes(&self.filter, &PoolOf(Arc::clone(pool))).then(|| convert::pool::show(pool))
    }

    fn bare(name: &Name) -> pb::Pool {
        pb::Pool { name: name.to_string(), ..pb::Pool::default() }
    }

    fn message(kind: WatchEventType, revision: Revision, pool: Option<pb::Pool>) -> pb::WatchPoolsResponse {
        pb::WatchPoolsResponse { r#type: kind.into(), revision: revision.0, pool }
    }
}
