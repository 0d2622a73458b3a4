//! What must be true of every single change: judged on the state before it and the state after it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use polder_core::cluster::Cluster;
use polder_core::ipam::allocate::Request;
use polder_core::ipam::{Allocation, Change, Order, OwnerKind, PoolState, Purpose, sweep};
use polder_core::net::{AddrRange, Family};
use polder_core::schema::PlanContext;
use polder_core::time::Timestamp;
use polder_proto::convert::ipam as convert;

use crate::calls::Ask;
use crate::oracle::{Move, Oracle};
use crate::replay;

/// The most records of one sweep of the service.
const MOST_SWEPT: usize = 100;

/// One request's part of a commit.
pub(crate) struct Step<'a> {
    pub(crate) method: &'a str,
    pub(crate) ask: Option<&'a Ask>,
    pub(crate) now: Timestamp,
    pub(crate) changes: &'a [Change],
    pub(crate) moves: &'a [Move],
    /// The state before it, as the oracle and as the service sees it.
    pub(crate) before: &'a Oracle,
    pub(crate) view: &'a Cluster,
    pub(crate) after: &'a Oracle,
}

macro_rules! ensure {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

impl Step<'_> {
    /// Everything that is demanded of it.
    ///
    /// # Errors
    /// What is broken, in words.
    pub(crate) fn judge(&self) -> Result<(), String> {
        self.is_decided_on_the_state_before_it()?;
        self.touches_only_what_it_is_about()?;
        self.losses()?;
        self.blocks()?;
        self.quotas()?;
        let mut gainers: Vec<&Allocation> = self.moves.iter().filter_map(|one| one.to.as_deref()).collect();
        gainers.dedup_by_key(|held| held.meta.uid);
        gainers.into_iter().try_for_each(|held| self.gain(held))
    }

    /// The wish behind an allocation.
    fn wish(&self, held: &Allocation) -> Option<Request> {
        if let Some(Ask::RegisterNode(request)) = self.ask {
            let mut wish = Request::new(held.handle.clone(), held.owner.clone());
            wish.addresses = convert::node::register(request).unwrap().wish.addresses;
            wish.node_labels = self.after.nodes.get(&held.owner.name).map(|node| node.labels.clone());
            return Some(wish);
        }
        let request = self.ask?.allocation(&held.handle)?;
        Some(convert::allocation::allocate(&request).unwrap().wish)
    }

    /// 8: no replica decides on an old state, whatever it missed meanwhile.
    fn is_decided_on_the_state_before_it(&self) -> Result<(), String> {
        let wanted = match self.ask {
            Some(Ask::BatchAllocateAddresses(_)) => {
                let handle = self.changes.iter().find_map(|change| match change {
                    Change::Allocation(_, Some(held)) if held.is_held() => Some(held.handle.clone()),
                    _ => None,
                });
                let item = handle.and_then(|handle| self.ask?.allocation(&handle));
                let Some(item) = item else { return Ok(()) };
                replay::decide(&Ask::AllocateAddresses(item), self.view, self.now)
            }
            Some(ask) => replay::decide(ask, self.view, self.now),
            None if self.method == "Sweep" => {
                let context = PlanContext { now: self.now, entropy: polder_core::id::Entropy(0) };
                Ok(sweep::plan(&self.view.ipam, MOST_SWEPT, context).changes)
            }
            None => return Ok(()),
        };
        let wanted = wanted.map_err(|refusal| format!("{} is in, though it has to be refused: {refusal}", self.method))?;
        let (wanted, got) = (replay::shape(self.view, &wanted), replay::shape(self.view, self.changes));
        ensure!(wanted == got, "{} was decided on another state:\n  is   {got:#?}\n  want {wanted:#?}", self.method);
        Ok(())
    }

    /// 13: the configuration of one object never changes another one.
    fn touches_only_what_it_is_about(&self) -> Result<(), String> {
        let only = |fits: fn(&Change) -> bool| self.changes.iter().all(fits);
        let alone = match self.method {
            "CreatePool" | "UpdatePool" | "DeletePool" => only(|change| matches!(change, Change::Pool(..))) && self.is_one(),
            "ApplyPools" => only(|change| matches!(change, Change::Pool(..))),
            "CreateReservation" | "UpdateReservation" | "DeleteReservation" => {
                only(|change| matches!(change, Change::Reservation(..))) && self.is_one()
            }
            "CreateNamespace" | "UpdateNamespace" | "DeleteNamespace" => {
                only(|change| matches!(change, Change::Namespace(..))) && self.is_one()
            }
            "UpdateNode" | "DrainNode" | "KeepAlive" => only(|change| matches!(change, Change::Node(..))) && self.is_one(),
            "UpdateAllocation" => only(|change| matches!(change, Change::Allocation(..))) && self.is_one() && self.moves.is_empty(),
            "NodesLost" => only(|change| matches!(change, Change::Node(..))) && self.moves.is_empty(),
            "Sweep" => self.moves.is_empty(),
            _ => true,
        };
        ensure!(alone, "{} changes more than it is about: {:#?}", self.method, self.changes);
        Ok(())
    }

    fn is_one(&self) -> bool {
        self.changes.len() <= 1
    }

    /// 6, 16: an address leaves its owner only by what was asked for.
    fn losses(&self) -> Result<(), String> {
        for (address, from) in self.moves.iter().filter_map(|one| Some((one.address, one.from.as_ref()?))) {
            let node_is_gone = || from.owner.node.as_ref().is_some_and(|node| !self.before.nodes.contains_key(node));
            let meant = match self.ask {
                Some(Ask::ReleaseAddresses(request)) => {
                    let uid = from.meta.uid.to_string();
                    let claims = &request.addresses;
                    *request.handle == *from.handle
                        || request.uid == uid
                        || claims.iter().any(|claim| claim.uid == uid && claim.address.parse() == Ok(address))
                }
                Some(Ask::DeleteNode(request)) => {
                    let there = from.owner.node.as_ref().is_some_and(|node| node.as_str() == request.name);
                    there && (request.force || from.owner.kind == OwnerKind::Node)
                }
                Some(Ask::RegisterNode(request)) => from.owner.kind == OwnerKind::Node && from.owner.name.as_str() == request.name,
                Some(Ask::CheckConsistency(request)) => request.repair && node_is_gone(),
                Some(_) => false,
                None => self.method == "FreeOrphans" && node_is_gone(),
            };
            ensure!(meant, "{} takes {address} from {}, who lives", self.method, from.handle);
        }
        Ok(())
    }

    /// 9: a block is one node's, and changes hands or goes only when nobody holds anything in it.
    fn blocks(&self) -> Result<(), String> {
        for (cidr, record) in self.changes.iter().filter_map(|change| match change {
            Change::Block(cidr, record) => Some((cidr, record)),
            _ => None,
        }) {
            let others = self.after.blocks.keys().filter(|other| *other != cidr);
            let overlaps = record.is_some() && others.into_iter().any(|other| other.contains(cidr) || cidr.contains(other));
            ensure!(!overlaps, "block {cidr} overlaps another");
            let was = self.before.blocks.get(cidr);
            let holders = || self.before.owners.keys().filter(|address| cidr.contains(*address)).count();
            if let (Some(was), Some(is)) = (was, record) {
                ensure!(was.node == is.node || holders() == 0, "block {cidr} goes to another node with {} holders", holders());
            }
            if let (Some(was), None) = (was, record) {
                let node_goes = !self.after.nodes.contains_key(&was.node);
                ensure!(node_goes || holders() == 0, "block {cidr} is taken back with {} holders", holders());
            }
            let Some(block) = record.as_ref().filter(|block| was.is_none_or(|was| was.node != block.node)) else { continue };
            let family = Family::of(cidr.addr());
            for pool in self.after.pools.values().filter(|pool| pool.name == block.pool) {
                let count = self.after.blocks_of(&block.node, pool, family);
                let most = pool.max_blocks_per_node as usize;
                ensure!(count <= most, "{} has {count} blocks of {}, which lends {most}", block.node, pool.name);
            }
        }
        Ok(())
    }

    /// 11: whoever adds to a namespace keeps its quota.
    fn quotas(&self) -> Result<(), String> {
        let gainers = self.moves.iter().filter_map(|one| one.to.as_ref()?.owner.namespace.as_ref());
        for namespace in gainers.collect::<BTreeSet<_>>() {
            let limit = self.before.namespaces.get(namespace).and_then(|record| record.quotas.pod_addresses);
            let used = self.after.pod_addresses(namespace);
            ensure!(limit.is_none_or(|limit| used <= limit), "{namespace} holds {used} of {limit:?}");
        }
        Ok(())
    }

    /// 2, 7, 10, 12, 18: what is given may be given, all of it at once, rested, in the pool's order.
    fn gain(&self, held: &Allocation) -> Result<(), String> {
        let wish = self.wish(held);
        let wish = wish.ok_or_else(|| format!("{} gives {} something nobody asked for", self.method, held.handle))?;
        let named = !wish.addresses.is_empty() || wish.reservation.is_some();
        let purpose = if held.owner.kind == OwnerKind::Node { Purpose::Node } else { Purpose::Pod };
        for address in held.holdings.iter().map(|holding| holding.address) {
            let (pool, range) = self.before.pool_of(address).ok_or_else(|| format!("{address} lies in no pool"))?;
            ensure!(pool.purpose == purpose, "{address} of pool {} is for another purpose", pool.name);
            ensure!(pool.state == PoolState::Enabled, "{address} is given by pool {}, which is {:?}", pool.name, pool.state);
            ensure!(wish.pools.is_empty() || wish.pools.contains(&pool.name), "{address} is not of a pool that was named");
            let kept = self.before.kept(address, self.now);
            let invited =
                kept.is_none_or(|kept| wish.reservation.as_ref() == Some(&kept.name) || wish.addresses.contains(&address));
            ensure!(invited, "{address} is reserved");
            if named {
                continue;
            }
            ensure!(!Oracle::is_avoided(pool, range, address), "{address} is to be kept free by pool {}", pool.name);
            let taken = self.before.owners.contains_key(&address);
            ensure!(!taken, "{address} is held");
            ensure!(!self.before.is_cooling(pool, address, self.now), "{address} has not rested");
            let able = self.before.eligible_pools(&wish).iter().any(|able| able.name == pool.name);
            ensure!(able, "pool {} does not serve {}", pool.name, held.handle);
            self.is_first_of_its_block(held, address)?;
        }
        self.node(held)?;
        self.is_whole(held, &wish, named)
    }

    fn node(&self, held: &Allocation) -> Result<(), String> {
        let Some(name) = held.owner.node.as_ref().filter(|_| held.owner.kind != OwnerKind::Node) else { return Ok(()) };
        let node = self.before.nodes.get(name).ok_or_else(|| format!("node {name} does not exist"))?;
        ensure!(!node.draining && !node.unschedulable, "node {name} gets no new pods");
        Ok(())
    }

    fn is_whole(&self, held: &Allocation, wish: &Request, named: bool) -> Result<(), String> {
        let addresses: BTreeSet<IpAddr> = held.holdings.iter().map(|holding| holding.address).collect();
        ensure!(addresses.len() == held.holdings.len(), "{} holds an address twice", held.handle);
        let count = |family| addresses.iter().filter(|address| Family::of(**address) == family).count();
        for family in [Family::V4, Family::V6] {
            let (have, wanted) = (count(family), wish.families.contains(&family));
            let full =
                if wish.families.is_empty() { have == 0 || have == wish.count } else { have == wish.count * usize::from(wanted) };
            let partly = wish.allow_partial && have <= wish.count;
            ensure!(full || partly || named, "{} has {have} of {} {family} addresses", held.handle, wish.count);
        }
        let exact = wish.addresses.iter().copied().collect::<BTreeSet<_>>();
        ensure!(exact.is_empty() || exact == addresses, "{} has other addresses than it asked for", held.handle);
        Ok(())
    }

    /// 18: of the addresses of its block that could have been given, it is the one that the pool's order puts first.
    fn is_first_of_its_block(&self, held: &Allocation, address: IpAddr) -> Result<(), String> {
        let block = held.holdings.iter().find(|holding| holding.address == address).and_then(|holding| holding.block);
        let (Some(cidr), Some((pool, _))) = (block, self.before.pool_of(address)) else { return Ok(()) };
        let (rests, given) = (self.before.rests(), |other: &IpAddr| held.holdings.iter().any(|one| one.address == *other));
        let pieces = pool.ranges.iter().filter_map(|range| range.intersection(&AddrRange::of_net(cidr)));
        let others = pieces.flat_map(|piece| piece.iter()).filter(|other| !given(other) && self.before.is_free(*other, self.now));
        let since = |one: &IpAddr| rests.get(one).copied().unwrap_or_default();
        let earlier = |other: &IpAddr| match pool.order {
            Order::Lowest => *other < address,
            Order::LongestFree => since(other) < since(&address),
        };
        let first = others.into_iter().find(earlier);
        ensure!(
            first.is_none(),
            "{address} of {cidr}, free since {:?}, is given at {:?} by {pool:?}, though {first:?}, free since {:?}, comes first",
            since(&address),
            self.now,
            first.as_ref().map(since)
        );
        Ok(())
    }
}
