//! Choosing an address of one pool for one owner: the node's own blocks, a new block, what lies outside of blocks, an empty block
//! of another node, and last an address borrowed from one.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::eligible::{Barriers, next};
use super::search::{Lent, rest_of};
use crate::ipam::record::{Block, Holding, Pool, Purpose};
use crate::ipam::sweep::EMPTY_BLOCK_GRACE;
use crate::ipam::view::View;
use crate::net::range::number;
use crate::net::{AddrRange, Family, Name};
use crate::reason::Reason;
use crate::time::Timestamp;

/// Where in a pool an address was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was asked for by name.
    Named,
    /// The handle holds it already.
    Held,
    /// In a block that the node has.
    OwnBlock,
    /// In a block lent to the node for it.
    NewBlock,
    /// In an empty block taken over from another node.
    TakenOver,
    /// In another node's block.
    Borrowed,
    /// Outside every block.
    Direct,
}

impl Step {
    /// Words for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Named => "asked for by name",
            Self::Held => "held under this handle already",
            Self::OwnBlock => "from a block of the node",
            Self::NewBlock => "from a new block for the node",
            Self::TakenOver => "from an empty block taken over from another node",
            Self::Borrowed => "borrowed from another node's block",
            Self::Direct => "outside every block",
        }
    }
}

/// An address chosen, and the block to be lent for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) holding: Holding,
    pub(super) step: Step,
    pub(super) lend: Option<Arc<Block>>,
}

/// One search in one pool.
pub(super) struct Chooser<'a> {
    pub(super) view: &'a View,
    pub(super) pool: &'a Pool,
    pub(super) node: Option<&'a Name>,
    pub(super) family: Family,
    pub(super) now: Timestamp,
    /// Addresses chosen already for the same request.
    pub(super) taken: &'a [IpAddr],
    /// Blocks to be lent for the same request.
    pub(super) lending: &'a [Arc<Block>],
}

impl Chooser<'_> {
    /// An address of the pool, or why there is none.
    pub(super) fn choose(&self) -> Result<Choice, Reason> {
        match (self.pool.purpose, self.node) {
            (Purpose::Pod, Some(node)) => self.for_node(node),
            (Purpose::Pod, None) => self.for_nowhere(),
            _ => self.direct(&self.ranges(), Lent::Too).ok_or(Reason::PoolExhausted),
        }
    }

    fn for_node(&self, node: &Name) -> Result<Choice, Reason> {
        let own = self.own_blocks(node);
        if let Some(choice) = self.in_blocks(&own) {
            return Ok(choice);
        }
        let may_lend = own.len() < self.pool.max_blocks_per_node as usize;
        if may_lend && let Some(choice) = self.in_new_block(node) {
            return Ok(choice);
        }
        let leftovers: Vec<AddrRange> = self.ranges().iter().flat_map(|range| self.outside_slots(*range)).collect();
        let beyond = self.direct(&leftovers, Lent::Not);
        let taken_over = || may_lend.then(|| self.in_taken_over_block(node)).flatten();
        let strict = self.pool.strict_affinity;
        let borrowed = || (!strict).then(|| self.direct(&self.ranges(), Lent::Too)).flatten();
        let spent = if strict && !may_lend { Reason::BlockLimit } else { Reason::PoolExhausted };
        beyond.or_else(taken_over).or_else(borrowed).ok_or(spent)
    }

    /// An owner without a node takes from outside the nodes' blocks as long as it can.
    fn for_nowhere(&self) -> Result<Choice, Reason> {
        let ranges = self.ranges();
        let outside = self.direct(&ranges, Lent::Not);
        let inside = || (!self.pool.strict_affinity).then(|| self.direct(&ranges, Lent::Too)).flatten();
        outside.or_else(inside).ok_or(Reason::PoolExhausted)
    }

    fn ranges(&self) -> Vec<AddrRange> {
        self.pool.ranges.iter().filter(|range| range.family() == self.family).copied().collect()
    }

    fn barriers(&self) -> Barriers<'_> {
        Barriers { view: self.view, pool: self.pool, now: self.now, taken: self.taken }
    }

    /// What of a block lies in the pool: an operator may have shrunk the pool under it.
    fn clip(&self, cidr: IpNet) -> Vec<AddrRange> {
        let block = AddrRange::of_net(cidr);
        self.pool.ranges.iter().filter_map(|range| range.intersection(&block)).collect()
    }

    /// Whether the pool has an address of the block: a block belongs to the pools that its addresses are in now, whatever they
    /// were called when it was lent.
    fn reaches(&self, cidr: IpNet) -> bool {
        let block = AddrRange::of_net(cidr);
        self.pool.ranges.iter().any(|range| range.intersection(&block).is_some())
    }

    fn own_blocks(&self, node: &Name) -> Vec<IpNet> {
        let lent = self.view.blocks_of(node).chain(self.lending);
        let here = lent.filter(|block| Family::of(block.cidr.addr()) == self.family && self.reaches(block.cidr));
        here.map(|block| block.cidr).collect()
    }

    fn in_blocks(&self, blocks: &[IpNet]) -> Option<Choice> {
        let ranges: Vec<AddrRange> = blocks.iter().flat_map(|cidr| self.clip(*cidr)).collect();
        let address = self.barriers().find(&ranges, Lent::Too)?;
        let block = blocks.iter().find(|cidr| cidr.contains(&address)).copied();
        Some(Choice { holding: Holding { address, block }, step: Step::OwnBlock, lend: None })
    }

    fn in_new_block(&self, node: &Name) -> Option<Choice> {
        self.ranges().into_iter().find_map(|range| {
            let mut from = Some(range.start());
            while let Some(slot) = self.next_slot(rest_of(range, from)?) {
                if let Some(address) = self.barriers().find(&[AddrRange::of_net(slot)], Lent::Too) {
                    let lend = Some(self.block(slot, node));
                    return Some(Choice { holding: Holding { address, block: Some(slot) }, step: Step::NewBlock, lend });
                }
                from = next(slot.broadcast());
            }
            None
        })
    }

    fn block(&self, cidr: IpNet, node: &Name) -> Arc<Block> {
        Arc::new(Block { cidr, pool: self.pool.name.clone(), node: node.clone(), claimed: self.now })
    }

    /// The block to be lent to the node together with an address that it asks for by name: one that lies in the pool as a whole,
    /// of which nothing is lent and, under strict affinity, nobody holds anything; `None` also when the node has all it may have.
    pub(super) fn lendable(&self, address: IpAddr, node: &Name) -> Option<Arc<Block>> {
        if self.pool.purpose != Purpose::Pod || self.own_blocks(node).len() >= self.pool.max_blocks_per_node as usize {
            return None;
        }
        let mask = self.slot_mask();
        let start = number(address) & !mask;
        let slot = AddrRange::new(self.family.address(start), self.family.address(start.checked_add(mask)?)).ok()?;
        let whole = self.pool.ranges.iter().any(|range| range.intersection(&slot) == Some(slot));
        let coming = self.lending.iter().any(|block| AddrRange::of_net(block.cidr).intersection(&slot).is_some());
        let lent = coming || self.view.blocks_overlapping(slot).next().is_some();
        let mixed = self.pool.strict_affinity && self.view.count_held(slot) > 0;
        if !whole || lent || mixed {
            return None;
        }
        Some(self.block(slot.as_net()?, node))
    }

    const fn block_len(&self) -> u8 {
        match self.family {
            Family::V4 => self.pool.block_len_v4,
            Family::V6 => self.pool.block_len_v6,
        }
    }

    /// How many addresses a block has, less one.
    fn slot_mask(&self) -> u128 {
        let bits = self.family.bits().saturating_sub(self.block_len());
        1u128.checked_shl(bits.into()).map_or(u128::MAX, |size| size - 1)
    }

    /// The first whole block in the range, aligned, of which nothing is lent.
    fn next_slot(&self, range: AddrRange) -> Option<IpNet> {
        let mask = self.slot_mask();
        let mut left = Some(range);
        while let Some(here) = left {
            let free = self.view.first_unlent(here)?;
            let start = number(free).checked_add(mask)? & !mask;
            let last = start.checked_add(mask).filter(|last| *last <= number(range.end()))?;
            let slot = AddrRange::new(self.family.address(start), self.family.address(last)).ok()?;
            let lending =
                self.lending.iter().map(|block| AddrRange::of_net(block.cidr)).find(|lent| lent.intersection(&slot).is_some());
            let lent = self.view.blocks_overlapping(slot).last().map(|block| AddrRange::of_net(block.cidr));
            match lending.or(lent) {
                None => return slot.as_net(),
                Some(lent) => left = rest_of(range, next(lent.end())),
            }
        }
        None
    }

    /// The ends of a range that are too small or not aligned for a block.
    fn outside_slots(&self, range: AddrRange) -> Vec<AddrRange> {
        let mask = self.slot_mask();
        let (first, last) = (number(range.start()), number(range.end()));
        let inner = first.checked_add(mask).map(|at| at & !mask).filter(|start| start.saturating_add(mask) <= last);
        let Some(start) = inner else {
            return vec![range];
        };
        let end = if last & mask == mask { last } else { (last & !mask).saturating_sub(1) };
        let part = |from: u128, to: u128| AddrRange::new(self.family.address(from), self.family.address(to)).ok();
        let head = (first < start).then(|| part(first, start - 1)).flatten();
        let tail = (end < last).then(|| part(end + 1, last)).flatten();
        head.into_iter().chain(tail).collect()
    }

    fn direct(&self, ranges: &[AddrRange], lent: Lent) -> Option<Choice> {
        let address = self.barriers().find(ranges, lent)?;
        let block = self.view.block_of(address).map(|block| block.cidr);
        let step = if block.is_some() { Step::Borrowed } else { Step::Direct };
        Some(Choice { holding: Holding { address, block }, step, lend: None })
    }

    /// An empty block of another node changes hands before an address is borrowed: its route moves along. One that was lent only
    /// now is left to its node, unless strict affinity leaves nothing else.
    fn in_taken_over_block(&self, node: &Name) -> Option<Choice> {
        let blocks = self.ranges().into_iter().flat_map(|range| self.view.empty_blocks(range));
        let may = |block: &Block| self.pool.strict_affinity || block.claimed.after(EMPTY_BLOCK_GRACE) <= self.now;
        blocks.filter(|block| block.node != *node && may(block)).find_map(|block| {
            let address = self.barriers().find(&self.clip(block.cidr), Lent::Too)?;
            let holding = Holding { address, block: Some(block.cidr) };
            Some(Choice { holding, step: Step::TakenOver, lend: Some(self.block(block.cidr, node)) })
        })
    }
}
