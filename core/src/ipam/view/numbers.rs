//! A sparse set of numbers that finds the first number *not* in it without walking over those that are.

use imbl::OrdMap;

/// The level whose one word stands for all of `u128`: 6 bits a level, 2 are left here.
const TOP: u8 = 21;

/// A set of `u128`, kept as words of 64 bits. A word that is full is one bit in a word one level up, and so on: the search for
/// a gap climbs over full words and comes down again, in at most 43 steps however many numbers are in the set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NumberSet {
    words: OrdMap<(u8, u128), u64>,
}

impl NumberSet {
    fn word(&self, level: u8, at: u128) -> u64 {
        self.words.get(&(level, at)).copied().unwrap_or(0)
    }

    pub(super) fn insert(&mut self, number: u128) {
        self.set(number >> 6, bit(number));
    }

    pub(super) fn remove(&mut self, number: u128) {
        self.clear(number >> 6, bit(number));
    }

    /// Inserts every number from `first` to `last`; meant for at most some thousands.
    pub(super) fn insert_range(&mut self, first: u128, last: u128) {
        (first >> 6..=last >> 6).for_each(|word| self.set(word, mask(word, first, last)));
    }

    /// Removes every number from `first` to `last`; meant for at most some thousands.
    pub(super) fn remove_range(&mut self, first: u128, last: u128) {
        (first >> 6..=last >> 6).for_each(|word| self.clear(word, mask(word, first, last)));
    }

    /// How many numbers from `first` to `last` are in the set; visits one word for each 64 of them that are near each other.
    pub(super) fn count(&self, first: u128, last: u128) -> u64 {
        let words = self.words.range((0, first >> 6)..=(0, last >> 6));
        words.map(|((_, at), word)| u64::from((word & mask(*at, first, last)).count_ones())).sum()
    }

    /// The first number from `from` on that is not in the set.
    pub(super) fn first_absent(&self, from: u128) -> Option<u128> {
        let (mut level, mut index) = (0, from);
        loop {
            if level > 0 && index >> (128 - 6 * u32::from(level)) != 0 {
                return None;
            }
            let taken = self.word(level, index >> 6) | (bit(index) - 1);
            let found = (index >> 6 << 6) | u128::from(taken.trailing_ones());
            if taken != u64::MAX {
                return (level < TOP || found < 4).then(|| self.descend(level, found));
            }
            (level, index) = (level + 1, (index >> 6) + 1);
        }
    }

    /// The first number under a position that is not full.
    fn descend(&self, mut level: u8, mut index: u128) -> u128 {
        while level > 0 {
            level -= 1;
            index = (index << 6) | u128::from(self.word(level, index).trailing_ones());
        }
        index
    }

    fn set(&mut self, word: u128, mask: u64) {
        let (mut level, mut word, mut mask) = (0, word, mask);
        loop {
            let was = self.word(level, word);
            self.words.insert((level, word), was | mask);
            if was == u64::MAX || was | mask != u64::MAX {
                return;
            }
            (level, mask, word) = (level + 1, bit(word), word >> 6);
        }
    }

    fn clear(&mut self, word: u128, mask: u64) {
        let (mut level, mut word, mut mask) = (0, word, mask);
        loop {
            let was = self.word(level, word);
            match was & !mask {
                0 => self.words.remove(&(level, word)),
                left => self.words.insert((level, word), left),
            };
            if was != u64::MAX || mask == 0 {
                return;
            }
            (level, mask, word) = (level + 1, bit(word), word >> 6);
        }
    }
}

const fn bit(number: u128) -> u64 {
    1 << (number & 63)
}

/// The bits of one word that stand for numbers from `first` to `last`.
const fn mask(word: u128, first: u128, last: u128) -> u64 {
    let from = if first >> 6 == word { u64::MAX << (first & 63) } else { u64::MAX };
    let to = if last >> 6 == word { u64::MAX >> (63 - (last & 63)) } else { u64::MAX };
    from & to
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_run_is_climbed_over_and_reopens() {
        let mut set = NumberSet::default();
        set.insert_range(1 << 40, (1 << 40) + 70_000);
        assert_eq!(set.first_absent(1 << 40), Some((1 << 40) + 70_001));
        assert_eq!(set.count(0, u128::MAX), 70_001);
        set.remove((1 << 40) + 65_537);
        assert_eq!(set.first_absent(1 << 40), Some((1 << 40) + 65_537));
        set.remove_range(1 << 40, (1 << 40) + 70_000);
        assert_eq!(set, NumberSet::default());
    }

    #[test]
    fn the_ends_of_the_number_space_are_ordinary_places() {
        let mut set = NumberSet::default();
        set.insert_range(u128::MAX - 200, u128::MAX);
        assert_eq!(set.first_absent(u128::MAX - 100), None);
        set.remove(u128::MAX);
        assert_eq!(set.first_absent(u128::MAX - 100), Some(u128::MAX));
        assert_eq!(set.first_absent(0), Some(0));
    }

    proptest! {
        #[test]
        fn it_is_a_set(ops in prop::collection::vec((any::<bool>(), 0u128..400, 0u128..200), 1..60), from in 0u128..500) {
            let (mut set, mut oracle) = (NumberSet::default(), BTreeSet::new());
            for (put, first, len) in ops {
                if put {
                    set.insert_range(first, first + len);
                    oracle.extend(first..=first + len);
                } else {
                    set.remove_range(first, first + len);
                    oracle.retain(|number| !(first..=first + len).contains(number));
                }
                prop_assert_eq!(set.first_absent(from), (from..).find(|number| !oracle.contains(number)));
                prop_assert_eq!(set.count(0, from), oracle.range(..=from).count() as u64);
            }
        }
    }
}
