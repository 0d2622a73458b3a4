//! The hash of names: fast on 20 to 60 bytes, and seeded, so that nobody can choose service names that collide; and where in a table
//! something with a hash is.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use imbl::GenericHashMap;
use imbl::shared_ptr::DefaultSharedPtr;

const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A table that is cheap to clone.
pub(crate) type Table<K, V> = GenericHashMap<K, V, Seed, DefaultSharedPtr>;

/// The seed of a table; drawn once at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seed(pub u64);

impl Seed {
    /// One that nobody knows, for tables whose content does not depend on it.
    pub(crate) fn secret() -> Self {
        Self(RandomState::new().hash_one(ODD))
    }

    /// The low bits of a hash, which are as good as any.
    #[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
    pub(crate) fn short<T: Hash + ?Sized>(self, value: &T) -> u32 {
        self.hash_one(value) as u32
    }
}

/// The bucket of a hash in a table of so many that grows by one at a time (linear hashing).
pub(crate) const fn place(hash: u32, buckets: usize) -> usize {
    let all = buckets.next_power_of_two();
    let place = hash as usize & (all - 1);
    if place < buckets { place } else { place & (all / 2 - 1) }
}

/// The bucket that is divided when this one is added.
pub(crate) const fn parent(bucket: usize) -> usize {
    bucket & !(1 << bucket.ilog2())
}

impl BuildHasher for Seed {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding(self.0)
    }
}

/// Eight bytes at a time by a 64x64 multiplication whose halves are folded together.
#[derive(Debug, Clone, Copy)]
pub struct Folding(u64);

impl Folding {
    #[expect(clippy::cast_possible_truncation, reason = "the low half and the high half, folded")]
    const fn mix(&mut self, word: u64) {
        let product = ((self.0 ^ word) as u128) * (ODD as u128);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        if !rest.is_empty() {
            self.mix(u64::from_le_bytes(last));
        }
    }

    fn write_usize(&mut self, length: usize) {
        self.mix(length as u64);
    }

    fn finish(&self) -> u64 {
        let mut last = *self;
        last.mix(ODD);
        last.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn similar_names_spread_over_both_ends_of_the_hash() {
        let names: Vec<String> = (0..20_000).map(|n| format!("\u{a}svc-{n:06}\u{6}ns-{:03}\u{3}svc", n % 200)).collect();
        let hashes: HashSet<u64> = names.iter().map(|name| Seed(7).hash_one(name.as_bytes())).collect();
        assert_eq!(hashes.len(), names.len());
        for shift in [0, 32, 54] {
            let mut buckets = [0_u32; 1024];
            hashes.iter().for_each(|hash| buckets[(hash >> shift) as usize % 1024] += 1);
            assert!(buckets.iter().all(|count| (1..60).contains(count)), "bits from {shift} are uneven");
        }
        assert_ne!(Seed(1).hash_one([0_u8; 4]), Seed(2).hash_one([0_u8; 4]));
    }
}
