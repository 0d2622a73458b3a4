//! How many answers of a kind a network of clients gets in a second by UDP: whoever writes another's address into queries cannot have
//! more than that sent there. Of what is over, every so many answers are sent cut short: a client that is real asks again by TCP.
//!
//! The table has one size for ever. A network has a place in the set of places that its hash names, for as long as the second
//! lasts; where all of them are taken in this second, it is counted together with one of those. So no network ever gets more than
//! its limit, and one may get less only when more others than a set has places are counted there in the same second.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::answer::Sent;
use super::network::Network;
use super::wire::Rcode;
use crate::hash::Seed;

/// Places of a set.
const WAYS: usize = 4;
/// The most tries to count one answer while others are counted at the same place: more of them are over the limit anyway.
const TRIES: usize = 64;
const TAG_BITS: u32 = 20;
const SECOND_BITS: u32 = 24;
const COUNT_BITS: u32 = 20;

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// That there is something.
    Positive,
    /// That there is no such name or no such data, or who else is to be asked.
    Negative,
    /// That there is no answer.
    Error,
}

impl Kind {
    /// The kind of an answer, which is in `message`.
    #[must_use]
    pub fn of(sent: &Sent, message: &[u8]) -> Self {
        match sent.rcode {
            Rcode::NoError if message.get(6..8).is_some_and(|answers| answers != [0, 0]) => Self::Positive,
            Rcode::NoError | Rcode::NxDomain => Self::Negative,
            _ => Self::Error,
        }
    }
}

/// Answers in a second for one network; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// That say that there is something.
    pub positive: u32,
    /// That say that there is nothing.
    pub negative: u32,
    /// Without an answer.
    pub errors: u32,
    /// Of the answers over a limit every so many is sent cut short, all others are not sent; 0 sends none.
    pub slip: u32,
}

impl Limits {
    /// The largest limit that can be counted up to.
    pub const MOST: u32 = (1 << COUNT_BITS) - 2;

    /// Whether nothing is limited.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.positive == 0 && self.negative == 0 && self.errors == 0
    }

    const fn of(self, kind: Kind) -> u32 {
        match kind {
            Kind::Positive => self.positive,
            Kind::Negative => self.negative,
            Kind::Error => self.errors,
        }
    }
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent.
    Pass,
    /// It is sent without its records and with the TC bit.
    Cut,
    /// It is not sent.
    Drop,
}

/// What is counted at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    tag: u32,
    /// Of which second; 0 is none.
    second: u32,
    count: u32,
}

impl Entry {
    #[expect(clippy::cast_possible_truncation, reason = "each field is cut out of its bits")]
    fn of(word: u64) -> Self {
        let low = |word: u64, bits: u32| (word & ((1 << bits) - 1)) as u32;
        Self {
            tag: low(word >> (SECOND_BITS + COUNT_BITS), TAG_BITS),
            second: low(word >> COUNT_BITS, SECOND_BITS),
            count: low(word, COUNT_BITS),
        }
    }

    const fn word(self) -> u64 {
        (self.tag as u64) << (SECOND_BITS + COUNT_BITS) | (self.second as u64) << COUNT_BITS | self.count as u64
    }

    /// Whether it was never taken, or before `second`, where seconds begin again after half a year.
    const fn is_before(self, second: u32) -> bool {
        let passed = second.wrapping_sub(self.second) & ((1 << SECOND_BITS) - 1);
        self.second == 0 || (passed != 0 && passed < 1 << (SECOND_BITS - 1))
    }
}

/// The counts of this second. Shared by all threads that send answers; none waits for another.
#[derive(Debug)]
pub struct Table {
    places: Box<[AtomicU64]>,
    limits: Limits,
    seed: Seed,
}

impl Table {
    /// A table of at least `places` places; each takes 8 bytes.
    #[must_use]
    pub fn new(limits: Limits, places: usize, seed: Seed) -> Self {
        let places = places.div_ceil(WAYS).max(1) * WAYS;
        Self { places: std::iter::repeat_with(AtomicU64::default).take(places).collect(), limits, seed }
    }

    /// What becomes of an answer to a client of this network in this second, which it counts.
    #[must_use]
    pub fn judge(&self, network: Network, kind: Kind, second: u64) -> Verdict {
        let Limits { slip, .. } = self.limits;
        let limit = self.limits.of(kind);
        if limit == 0 {
            return Verdict::Pass;
        }
        match self.count(network, kind, second) {
            None => Verdict::Drop,
            Some(count) if count <= limit => Verdict::Pass,
            Some(count) if slip > 0 && (count - limit).is_multiple_of(slip) => Verdict::Cut,
            Some(_) => Verdict::Drop,
        }
    }

    /// Which answer of this second it is, from 1; `None` for one more than can be counted.
    fn count(&self, network: Network, kind: Kind, second: u64) -> Option<u32> {
        let hash = self.seed.hash_one((network, kind));
        let sets = self.places.len() / WAYS;
        let set = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or_default() % sets * WAYS;
        let places = self.places.get(set..set + WAYS)?;
        let tag = Entry::of(hash).tag;
        // 0 is the second of places that were never taken.
        let second = u32::try_from(second % ((1 << SECOND_BITS) - 1)).unwrap_or_default() + 1;
        let home = usize::try_from(hash >> 33).unwrap_or_default() % WAYS;
        for _ in 0..TRIES {
            let (place, before) = choose(places, tag, second, home)?;
            let after = if before.is_before(second) {
                Entry { tag, second, count: 1 }
            } else {
                Entry { count: before.count + 1, ..before }
            };
            if after.count > Limits::MOST + 1 {
                return None;
            }
            // Nothing else is read by what is written here.
            if place.compare_exchange(before.word(), after.word(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Some(after.count);
            }
        }
        None
    }
}

/// The place of the network, else the first that is free in this second, else the one at home, whoever has it.
fn choose(places: &[AtomicU64], tag: u32, second: u32, home: usize) -> Option<(&AtomicU64, Entry)> {
    let read = |place: &AtomicU64| Entry::of(place.load(Ordering::Relaxed));
    let mut free = None;
    for place in places {
        let entry = read(place);
        if entry.tag == tag && entry.second != 0 {
            return Some((place, entry));
        }
        if free.is_none() && entry.is_before(second) {
            free = Some((place, entry));
        }
    }
    free.or_else(|| places.get(home).map(|place| (place, read(place))))
}

#[cfg(test)]
mod tests;
