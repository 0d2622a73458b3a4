//! Which names are asked for most, in bounded memory (Metwally, Agrawal and El Abbadi: Space-Saving).
//!
//! A name that has no counter takes over the one with the smallest count, with that count as what it may be too high by. Counters are in
//! sets of a few, and a name has its set: that finds the smallest in a few steps. So a count is never too low, and too high by no more than
//! is said, which is less than an eighth of what was counted in the set.

use std::hash::BuildHasher as _;
use std::time::Duration;

use super::name::MOST_BYTES;
use super::record::RecordType;
use crate::hash::Seed;

/// Counters of a set.
const WAYS: usize = 8;
const SETS: usize = 64;
/// Counters of a table, in each of its halves.
pub const COUNTERS: usize = SETS * WAYS;
/// How long a half counts.
pub const HALF: Duration = Duration::from_secs(300);

/// A name's count. Names are kept apart, so that those of a set are looked at in a few lines of memory.
#[derive(Debug, Clone, Copy)]
struct Counter {
    hash: u64,
    count: u32,
    error: u32,
    rtype: RecordType,
    length: u8,
}

const EMPTY: Counter = Counter { hash: 0, count: 0, error: 0, rtype: RecordType(0), length: 0 };

/// Counters, and the name of each at the same place.
#[derive(Debug, Clone)]
struct Half {
    counters: Box<[Counter]>,
    names: Box<[[u8; MOST_BYTES]]>,
    total: u64,
}

/// A name with how often it was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted<'a> {
    /// On the wire, in lower case.
    pub name: &'a [u8],
    /// The type that was asked for.
    pub rtype: RecordType,
    /// Not too low.
    pub count: u32,
    /// By how much it may be too high.
    pub error: u32,
}

/// What was counted lately: the half in hand, and the one before it.
#[derive(Debug, Clone)]
pub struct Top {
    halves: [Half; 2],
    current: usize,
    /// When the half in hand began.
    began: Duration,
    seed: Seed,
}

impl Half {
    fn new() -> Self {
        Self { counters: vec![EMPTY; COUNTERS].into(), names: vec![[0; MOST_BYTES]; COUNTERS].into(), total: 0 }
    }

    fn forget(&mut self) {
        self.counters.fill(EMPTY);
        self.total = 0;
    }

    fn add(&mut self, hash: u64, name: &[u8], rtype: RecordType) {
        self.total += 1;
        let set = usize::try_from(hash % SETS as u64).unwrap_or_default() * WAYS;
        let Some((counters, names)) = self.counters.get_mut(set..set + WAYS).zip(self.names.get_mut(set..set + WAYS)) else {
            return;
        };
        let is_same = |(counter, kept): (&Counter, &[u8; MOST_BYTES])| {
            counter.is(hash, rtype) && kept.get(..usize::from(counter.length)) == Some(name)
        };
        if let Some(known) = counters.iter().zip(names.iter()).position(is_same).and_then(|nth| counters.get_mut(nth)) {
            known.count = known.count.saturating_add(1);
            return;
        }
        let smallest = counters.iter_mut().zip(names).min_by_key(|(counter, _)| counter.count);
        let Some(((smallest, kept), length)) = smallest.zip(u8::try_from(name.len()).ok()) else { return };
        *smallest = Counter { hash, count: smallest.count.saturating_add(1), error: smallest.count, rtype, length };
        if let Some(place) = kept.get_mut(..name.len()) {
            place.copy_from_slice(name);
        }
    }

    /// Every name that has a counter, in no order.
    fn counted(&self) -> impl Iterator<Item = Counted<'_>> {
        let used = self.counters.iter().zip(&self.names).filter(|(counter, _)| counter.count > 0);
        used.map(|(Counter { count, error, rtype, length, .. }, name)| {
            let name = name.get(..usize::from(*length)).unwrap_or_default();
            Counted { name, rtype: *rtype, count: *count, error: *error }
        })
    }
}

impl Top {
    /// Nothing, from `now` on. Times are from any start that does not move.
    #[must_use]
    pub fn new(seed: Seed, now: Duration) -> Self {
        Self { halves: [Half::new(), Half::new()], current: 0, began: now, seed }
    }

    /// Counts a question for a name, on the wire and in lower case. Takes no memory.
    pub fn add(&mut self, name: &[u8], rtype: RecordType, now: Duration) {
        self.turn(now);
        let hash = self.seed.hash_one((name, rtype));
        if let Some(half) = self.halves.get_mut(self.current) {
            half.add(hash, name, rtype);
        }
    }

    /// Forgets what is too old at `now`.
    pub fn turn(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.began);
        if passed < HALF {
            return;
        }
        // After two of them without a question nothing is left.
        let both = passed >= 2 * HALF;
        self.began = if both { now } else { self.began + HALF };
        for _ in 0..=usize::from(both) {
            self.current ^= 1;
            self.halves.get_mut(self.current).into_iter().for_each(Half::forget);
        }
    }

    /// Every name that has a counter, in no order; one that has a counter in both halves comes twice.
    pub fn counted(&self) -> impl Iterator<Item = Counted<'_>> {
        self.halves.iter().flat_map(Half::counted)
    }

    /// How many questions were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.halves.iter().map(|half| half.total).sum()
    }

    /// Since when: at most two halves ago.
    #[must_use]
    pub const fn since(&self) -> Duration {
        self.began.saturating_sub(HALF)
    }
}

impl Counter {
    const fn is(&self, hash: u64, rtype: RecordType) -> bool {
        self.count > 0 && self.hash == hash && self.rtype.0 == rtype.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn counts(top: &Top) -> HashMap<Vec<u8>, (u32, u32)> {
        let mut counts = HashMap::new();
        for counted in top.counted() {
            let (count, error): &mut (u32, u32) = counts.entry(counted.name.to_vec()).or_default();
            (*count, *error) = (*count + counted.count, *error + counted.error);
        }
        counts
    }

    #[test]
    fn the_longest_name_is_kept_whole_and_types_are_told_apart() {
        let mut top = Top::new(Seed(1), NOW);
        let name = [7; MOST_BYTES];
        top.add(&name, RecordType::A, NOW);
        top.add(&name, RecordType::AAAA, NOW);
        top.add(&name, RecordType::A, NOW);
        let mut counted: Vec<_> = top.counted().map(|one| (one.name, one.rtype, one.count, one.error)).collect();
        counted.sort_unstable_by_key(|(_, rtype, ..)| rtype.0);
        assert_eq!(counted, [(&name[..], RecordType::A, 2, 0), (&name[..], RecordType::AAAA, 1, 0)]);
    }

    #[test]
    fn what_is_old_is_forgotten_half_by_half() {
        let mut top = Top::new(Seed(1), NOW);
        let add = |top: &mut Top, name: &str, minutes: u64| {
            top.add(name.as_bytes(), RecordType::A, NOW + Duration::from_secs(60 * minutes))
        };
        add(&mut top, "a", 0);
        add(&mut top, "b", 6);
        add(&mut top, "a", 7);
        assert_eq!((top.total(), counts(&top).len()), (3, 2));
        add(&mut top, "c", 11);
        assert_eq!(
            counts(&top).keys().map(Vec::as_slice).collect::<std::collections::BTreeSet<_>>(),
            [b"a", b"b", b"c"].map(|name| &name[..]).into()
        );
        assert_eq!(counts(&top)[&b"a"[..]], (1, 0), "the first one is gone");
        add(&mut top, "d", 40);
        assert_eq!((top.total(), counts(&top).len()), (1, 1));
    }

    proptest! {
        #[test]
        fn counts_are_never_too_low_and_their_errors_are_true(
            names in prop::collection::vec(prop_oneof![3 => 0_u16..5, 2 => 0_u16..4000], 1..6000),
            seed: u64,
        ) {
            let mut top = Top::new(Seed(seed), NOW);
            let mut real: HashMap<Vec<u8>, u32> = HashMap::new();
            for name in &names {
                let name = name.to_be_bytes();
                top.add(&name, RecordType::A, NOW);
                *real.entry(name.to_vec()).or_default() += 1;
            }
            prop_assert_eq!(top.total(), names.len() as u64);
            let counted = counts(&top);
            for (name, (count, error)) in &counted {
                prop_assert!((*count - *error..=*count).contains(&real[name]));
            }
            // Whatever is asked for by more than its share of a set has a counter.
            let mut sets: HashMap<u64, u32> = HashMap::new();
            let set = |name: &[u8]| Seed(seed).hash_one((name, RecordType::A)) % SETS as u64;
            real.iter().for_each(|(name, count)| *sets.entry(set(name)).or_default() += count);
            for (name, count) in &real {
                prop_assert!(*count <= sets[&set(name)] / WAYS as u32 || counted.contains_key(name));
            }
        }
    }
}
