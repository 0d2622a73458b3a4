//! The lead's half of the right to answer: who has it, and until when nobody else may.
//!
//! The safety of it: a right lasts, for its holder, `ttl` less a margin from the *sending* of the renewal on, and the lead gives
//! the address to another node only `ttl` after it *received* that renewal. Both are measured on one clock each, so that only the
//! rates of the clocks matter: as long as they differ by less than the margin's share of the time to live, never two nodes answer.
//! A new lead knows nothing of what the old one granted. It extends rights that are still held under the newest epoch, since
//! their holder can be the only one; everything else waits until a whole `ttl` of its own has passed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Board, Moment};
use crate::net::Name;

/// A wish for the right to answer for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// The epoch of the assignment that it rests on.
    pub epoch: u64,
    /// The node has the right under this epoch, and it has not run out.
    pub held: bool,
}

/// What became of claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The rights that the node has from now on.
    pub granted: Vec<Claim>,
    /// Those that it has not: another has the assignment, or may still be answering.
    pub denied: Vec<Claim>,
}

#[derive(Debug, Clone)]
struct Right {
    node: Name,
    epoch: u64,
    until: Moment,
}

/// Who may be answering for which address. Bounded by the number of addresses assigned within a time to live.
#[derive(Debug, Clone)]
pub struct Rights {
    ttl: Duration,
    /// When this lead may grant what it does not know to be free.
    opens: Moment,
    rights: BTreeMap<IpAddr, Right>,
}

impl Rights {
    /// A new lead's rights; it leads since `now`, and whoever led before grants nothing any more.
    #[must_use]
    pub fn new(ttl: Duration, now: Moment) -> Self {
        Self { ttl, opens: now + ttl, rights: BTreeMap::new() }
    }

    /// Judges the claims of a node that were received `now`. `board` must show every assignment that any earlier lead acted on.
    pub fn renew(&mut self, board: &Board, node: &Name, claims: &[Claim], now: Moment) -> Verdict {
        let mut verdict = Verdict::default();
        for claim in claims {
            match self.may(board, node, *claim, now) {
                true => {
                    let right = Right { node: node.clone(), epoch: claim.epoch, until: now + self.ttl };
                    self.rights.insert(claim.address, right);
                    verdict.granted.push(*claim);
                }
                false => verdict.denied.push(*claim),
            }
        }
        verdict
    }

    fn may(&self, board: &Board, node: &Name, claim: Claim, now: Moment) -> bool {
        let assigned = board.of(claim.address).is_some_and(|record| record.node == *node && record.epoch == claim.epoch);
        let free = match self.rights.get(&claim.address) {
            Some(right) if right.node == *node => right.epoch <= claim.epoch,
            Some(right) => right.until <= now,
            None => now >= self.opens || claim.held,
        };
        assigned && free
    }

    /// Notes that a node has stopped answering, so that nobody need wait for its rights to run out. A message that was overtaken
    /// by a newer grant says nothing.
    pub fn release(&mut self, node: &Name, claims: &[Claim]) {
        for claim in claims {
            if self.rights.get(&claim.address).is_some_and(|right| right.node == *node && right.epoch <= claim.epoch) {
                self.rights.remove(&claim.address);
            }
        }
    }

    /// Who has the right now, and under which epoch.
    #[must_use]
    pub fn holder(&self, address: IpAddr, now: Moment) -> Option<(&Name, u64)> {
        self.rights.get(&address).filter(|right| right.until > now).map(|right| (&right.node, right.epoch))
    }

    /// Forgets rights that have run out.
    pub fn forget(&mut self, now: Moment) {
        self.rights.retain(|_, right| right.until > now);
    }
}
