//! The node's half of the right to answer: when it may, and when it must have stopped.
//!
//! A node answers for an address while it has a right that was granted to it, whatever it is assigned by now; the right ends `ttl`
//! less a margin after the renewal was *sent* that brought it. What is taken from it, it stops answering for at once and says so,
//! until it knows that the lead has heard it. It never takes up again, under the same epoch, what it has stopped answering for:
//! a message of before that comes late may be a grant, here, or the word that it has stopped, at the lead.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Moment;
use super::rights::{Claim, Verdict};

/// The share of the time to live by which a node stops earlier than the lead counts: the bound on how much faster the lead's
/// clock may run than the node's.
pub const MARGIN: u32 = 10;

/// The most renewals whose answers are still waited for; the oldest are given up.
const MOST_SENT: usize = 64;

/// One renewal of a node's rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewal {
    /// Its number; the answer carries it back.
    pub sequence: u64,
    /// The rights that the node has or wants.
    pub claims: Vec<Claim>,
    /// What the node has stopped answering for.
    pub released: Vec<Claim>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    epoch: u64,
    until: Moment,
}

#[derive(Debug, Clone, Copy)]
struct Released {
    epoch: u64,
    /// The first renewal that said so.
    told: Option<u64>,
}

/// One node's rights, as the node knows them.
#[derive(Debug, Clone, Default)]
pub struct Holder {
    assigned: BTreeMap<IpAddr, u64>,
    held: BTreeMap<IpAddr, Held>,
    /// The newest epoch under which it has stopped answering; one entry an address at most.
    stopped: BTreeMap<IpAddr, u64>,
    released: BTreeMap<IpAddr, Released>,
    sent: BTreeMap<u64, Moment>,
    sequence: u64,
}

impl Holder {
    /// The node is assigned the address under this epoch. A renewal should follow at once.
    pub fn assign(&mut self, address: IpAddr, epoch: u64) {
        self.assigned.insert(address, epoch);
    }

    /// The node is not assigned the address any more: it stops answering now. A renewal should follow at once.
    pub fn withdraw(&mut self, address: IpAddr) {
        self.assigned.remove(&address);
        self.stop(address);
    }

    fn stop(&mut self, address: IpAddr) {
        if let Some(Held { epoch, .. }) = self.held.remove(&address) {
            self.stopped.insert(address, epoch);
            self.released.insert(address, Released { epoch, told: None });
        }
    }

    /// Whether the node is assigned the address under this epoch and has not stopped answering under it.
    fn wants(&self, address: IpAddr, epoch: u64) -> bool {
        self.assigned.get(&address) == Some(&epoch) && self.stopped.get(&address).is_none_or(|stopped| *stopped < epoch)
    }

    /// The next renewal, to be sent `now`: at least four in a time to live.
    pub fn renewal(&mut self, now: Moment) -> Renewal {
        self.sequence += 1;
        self.sent.insert(self.sequence, now);
        if self.sent.len() > MOST_SENT {
            self.sent.pop_first();
        }
        let wanted = self.assigned.iter().filter(|(address, epoch)| self.wants(**address, **epoch));
        let claims = wanted.map(|(address, epoch)| {
            let held = self.held.get(address).is_some_and(|held| held.epoch == *epoch && held.until > now);
            Claim { address: *address, epoch: *epoch, held }
        });
        let claims = claims.collect();
        let released = self.released.iter_mut().map(|(address, released)| {
            released.told.get_or_insert(self.sequence);
            Claim { address: *address, epoch: released.epoch, held: false }
        });
        Renewal { sequence: self.sequence, claims, released: released.collect() }
    }

    /// Takes the answer to a renewal. One that is not known, or was given up, says nothing.
    pub fn answered(&mut self, sequence: u64, verdict: &Verdict, ttl: Duration) {
        let Some(sent) = self.sent.remove(&sequence) else { return };
        self.released.retain(|_, released| released.told.is_none_or(|told| told > sequence));
        let until = sent + ttl.saturating_sub(ttl / MARGIN);
        for claim in &verdict.granted {
            if self.wants(claim.address, claim.epoch) {
                let held = self.held.entry(claim.address).or_insert(Held { epoch: claim.epoch, until });
                *held = Held { epoch: claim.epoch, until: until.max(held.until) };
            } else if !self.held.contains_key(&claim.address) {
                // Granted after it was taken away: the lead has to hear of it, or it waits for the right to run out.
                self.released.insert(claim.address, Released { epoch: claim.epoch, told: None });
            }
        }
        for claim in &verdict.denied {
            if self.held.get(&claim.address).is_some_and(|held| held.epoch <= claim.epoch) {
                self.stop(claim.address);
            }
        }
    }

    /// Whether the node may answer for the address.
    #[must_use]
    pub fn may_answer(&self, address: IpAddr, now: Moment) -> bool {
        self.until(address).is_some_and(|until| until > now)
    }

    /// Until when the node may answer for the address, unless the right is renewed or taken away.
    #[must_use]
    pub fn until(&self, address: IpAddr) -> Option<Moment> {
        self.held.get(&address).map(|held| held.until)
    }
}
