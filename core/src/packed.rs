//! A hash table of bytes that is cheap to clone, and whose clones share all that neither has changed.
//!
//! It grows and shrinks by one bucket at a time (linear hashing), so that no change of it costs more than a few buckets however many
//! entries there are. A bucket is one piece of memory without room to spare, so that a table takes little more than what is in it. It has
//! many entries, so that there are few buckets and the way to one is in the cache when the bucket is not; and an index of its own, so that
//! few of them are looked at.

use std::array;
use std::sync::Arc;

use crate::hash::{parent, place};

/// How many bytes a bucket has on average, at most; below a quarter of it buckets are merged. Whoever changes an entry writes its bucket
/// again; smaller ones would have more memory be buckets.
const FILL: usize = 2048;
/// Parts of a bucket, by the highest bits of the hash. With entries of a hundred bytes a part has less than one on average.
const SLOTS: usize = 32;
/// Bytes of a hash, of a length, and of an end.
const WORD: usize = 4;
/// Bytes of what stands before those of each entry: its hash and its length.
const HEAD: usize = 2 * WORD;
/// Bytes before the first entry.
const INDEX: usize = SLOTS * WORD;

/// Entries slot by slot, and before them where each slot ends, in bytes from the beginning of the bucket:
///
/// ```text
/// for each slot its end u32; for each entry its hash u32, its length u32, its bytes
/// ```
///
/// One without entries may have no bytes at all.
type Bucket = Arc<[u8]>;

/// Buckets of a page: with a million entries a change copies two pages of pointers, of this and four times this length.
const PAGE: usize = 128;
type Page = Arc<[Bucket; PAGE]>;

/// All buckets, in pages, of which the last has places that are not used yet. The way to a bucket is two pointers.
#[derive(Debug, Clone, Default)]
struct Buckets {
    len: usize,
    pages: Arc<[Page]>,
}

impl Buckets {
    fn get(&self, place: usize) -> Option<&Bucket> {
        self.pages.get(place / PAGE)?.get(place % PAGE)
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut Bucket> {
        let page = Arc::make_mut(&mut self.pages).get_mut(place / PAGE)?;
        Arc::make_mut(page).get_mut(place % PAGE)
    }

    fn push(&mut self, bucket: Bucket) {
        if self.len == self.pages.len() * PAGE {
            let page = Arc::new(array::from_fn(|_| Bucket::default()));
            self.pages = self.pages.iter().cloned().chain([page]).collect();
        }
        if let Some(place) = self.get_mut(self.len) {
            *place = bucket;
            self.len += 1;
        }
    }

    fn pop(&mut self) -> Option<Bucket> {
        let last = self.len.checked_sub(1)?;
        let bucket = std::mem::take(self.get_mut(last)?);
        self.len = last;
        if last.is_multiple_of(PAGE) {
            self.pages = self.pages.iter().take(last / PAGE).cloned().collect();
        }
        Some(bucket)
    }

    fn iter(&self) -> impl Iterator<Item = &Bucket> {
        self.pages.iter().flat_map(|page| page.iter()).take(self.len)
    }
}

/// See the module. Several entries may have one hash, and be the same.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    len: usize,
    bytes: usize,
    /// There is always one.
    buckets: Buckets,
}

impl Default for Packed {
    fn default() -> Self {
        let mut buckets = Buckets::default();
        buckets.push(Bucket::default());
        Self { len: 0, bytes: 0, buckets }
    }
}

/// Where an entry is if it is anywhere, for whoever can have its memory fetched while something else is done. Each step reads what the step
/// before it gives, and nothing else that may be far.
#[derive(Debug, Clone, Copy)]
pub struct Near<'a> {
    bucket: &'a Bucket,
    slot: usize,
}

impl<'a> Near<'a> {
    /// What is read first.
    #[must_use]
    pub const fn way(self) -> &'a Arc<[u8]> {
        self.bucket
    }

    /// The bytes that are read then.
    #[must_use]
    pub fn index(self) -> &'a [u8] {
        self.bucket.get(self.slot * WORD..(self.slot + 1) * WORD).unwrap_or_default()
    }

    /// Those that are read last.
    #[must_use]
    pub fn entries(self) -> &'a [u8] {
        slot(self.bucket, self.slot)
    }
}

/// The slot of a hash: by its highest bits, for the lowest say which bucket it is in.
const fn slot_of(hash: u32) -> usize {
    (hash >> (u32::BITS - SLOTS.ilog2())) as usize
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + WORD)?.try_into().ok().map(u32::from_le_bytes)
}

/// Where a slot ends, in bytes from the beginning of its bucket.
fn end(bucket: &[u8], slot: usize) -> Option<usize> {
    word(bucket, slot * WORD).map(|end| end as usize)
}

/// Where a slot begins and ends.
fn bounds(bucket: &[u8], slot: usize) -> (usize, usize) {
    let begin = slot.checked_sub(1).map_or(Some(INDEX), |before| end(bucket, before));
    begin.zip(end(bucket, slot)).unwrap_or((INDEX, INDEX))
}

/// The bytes of a slot.
fn slot(bucket: &[u8], slot: usize) -> &[u8] {
    let (begin, end) = bounds(bucket, slot);
    bucket.get(begin..end).unwrap_or_default()
}

/// Each entry of one slot or of several, with its hash.
fn entries(mut rest: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (hash, length) = (word(rest, 0)?, word(rest, WORD)? as usize);
        let (entry, after) = rest.get(HEAD..)?.split_at_checked(length)?;
        rest = after;
        Some((hash, entry))
    })
}

/// Nothing that is stored has as many bytes as a word can count.
fn to_word(number: usize) -> [u8; WORD] {
    u32::try_from(number).unwrap_or_default().to_le_bytes()
}

/// A bucket whose slots have these entries.
fn bucket<'a, I: Iterator<Item = (u32, &'a [u8])>>(of_slot: impl Fn(usize) -> I) -> Bucket {
    let mut whole = Vec::with_capacity(2 * FILL);
    whole.extend_from_slice(&[0; INDEX]);
    for slot in 0..SLOTS {
        for (hash, entry) in of_slot(slot) {
            [&hash.to_le_bytes(), &to_word(entry.len()), entry].iter().for_each(|part| whole.extend_from_slice(part));
        }
        let end = to_word(whole.len());
        if let Some(place) = whole.get_mut(slot * WORD..(slot + 1) * WORD) {
            place.copy_from_slice(&end);
        }
    }
    whole.into()
}

impl Packed {
    /// How many entries there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Where the entries with this hash are.
    pub(crate) fn near(&self, hash: u32) -> Option<Near<'_>> {
        Some(Near { bucket: self.buckets.get(place(hash, self.buckets.len))?, slot: slot_of(hash) })
    }

    /// Every entry with this hash.
    pub(crate) fn with_hash(&self, hash: u32) -> impl Iterator<Item = &[u8]> {
        let near = self.near(hash).map_or(&[][..], Near::entries);
        entries(near).filter(move |(other, _)| *other == hash).map(|(_, entry)| entry)
    }

    /// Every entry, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.buckets.iter().flat_map(|bucket| entries(bucket.get(INDEX..).unwrap_or_default())).map(|(_, entry)| entry)
    }

    /// Adds an entry.
    pub(crate) fn insert(&mut self, hash: u32, entry: &[u8]) {
        let place = place(hash, self.buckets.len);
        if let Some(found) = self.buckets.get_mut(place) {
            let added = |slot| (slot == slot_of(hash)).then_some((hash, entry));
            *found = bucket(|nth| entries(slot(found, nth)).chain(added(nth)));
            self.len += 1;
            self.bytes += HEAD + entry.len();
        }
        while self.bytes > FILL * self.buckets.len {
            self.divide();
        }
    }

    /// Takes out the first entry with this hash that is meant, and gives it.
    pub(crate) fn remove(&mut self, hash: u32, is_meant: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let place = place(hash, self.buckets.len);
        let found = self.buckets.get(place)?;
        let of_hash = entries(slot(found, slot_of(hash)));
        let (nth, (_, entry)) = of_hash.enumerate().find(|(_, (other, entry))| *other == hash && is_meant(entry))?;
        let entry = entry.to_vec();
        let stays = |slot: usize, other: usize| slot != slot_of(hash) || other != nth;
        let left =
            bucket(|at| entries(slot(found, at)).enumerate().filter(move |(other, _)| stays(at, *other)).map(|(_, entry)| entry));
        *self.buckets.get_mut(place)? = left;
        self.len -= 1;
        self.bytes -= HEAD + entry.len();
        while self.bytes < FILL / 4 * self.buckets.len && self.buckets.len > 1 {
            self.merge();
        }
        Some(entry)
    }

    /// Adds a bucket, with those entries of its parent that belong there now.
    fn divide(&mut self) {
        let added = self.buckets.len;
        let Some(found) = self.buckets.get_mut(parent(added)) else { return };
        let of = |moves: bool| {
            bucket(|nth| entries(slot(found, nth)).filter(move |(hash, _)| (place(*hash, added + 1) == added) == moves))
        };
        let (moved, stay) = (of(true), of(false));
        *found = stay;
        self.buckets.push(moved);
    }

    /// Puts the entries of the last bucket back to its parent.
    fn merge(&mut self) {
        let Some(last) = self.buckets.pop() else { return };
        if let Some(found) = self.buckets.get_mut(parent(self.buckets.len)) {
            *found = bucket(|nth| entries(slot(found, nth)).chain(entries(slot(&last, nth))));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that say which entry they are, more for some than for others.
    fn entry(number: u16) -> Vec<u8> {
        [&number.to_be_bytes()[..], &vec![7; usize::from(number % 97)]].concat()
    }

    fn content(table: &Packed) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = table.iter().map(<[u8]>::to_vec).collect();
        all.sort();
        all
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_and_no_clone_is_moved(steps in prop::collection::vec((0_u16..600, any::<bool>()), 1..1500), same in 1_u32..50) {
            let (mut table, mut model) = (Packed::default(), Vec::<Vec<u8>>::new());
            let mut kept = Vec::new();
            // Several numbers have one hash.
            let hash = |number: u16| (u32::from(number) / same).wrapping_mul(0x9E37_79B1);
            for (nth, (number, put)) in steps.into_iter().enumerate() {
                let bytes = entry(number);
                if put {
                    table.insert(hash(number), &bytes);
                    model.push(bytes.clone());
                } else {
                    let place = model.iter().position(|other| *other == bytes);
                    let removed = table.remove(hash(number), |other| other == bytes);
                    prop_assert_eq!(removed, place.map(|place| model.swap_remove(place)));
                }
                let found = table.with_hash(hash(number)).filter(|other| *other == bytes).count();
                prop_assert_eq!(found, model.iter().filter(|other| **other == bytes).count());
                prop_assert_eq!(table.len(), model.len());
                if nth % 100 == 0 {
                    kept.push((table.clone(), model.clone()));
                }
            }
            kept.push((table, model));
            for (table, mut model) in kept {
                model.sort();
                prop_assert_eq!(content(&table), model);
            }
        }
    }

    #[test]
    fn buckets_stay_small_while_the_table_grows_and_shrinks() {
        let mut table = Packed::default();
        let hash = |number: u16| u32::from(number).wrapping_mul(0x9E37_79B1).swap_bytes();
        let longest = |table: &Packed| table.buckets.iter().map(|bucket| bucket.len()).max().unwrap();
        for number in 0..20_000 {
            table.insert(hash(number), &entry(number));
        }
        assert!(longest(&table) <= 8 * FILL && table.buckets.len >= table.bytes / FILL, "{}", longest(&table));
        for number in 100..20_000 {
            assert!(table.remove(hash(number), |other| other == entry(number)).is_some());
        }
        assert!(table.buckets.len <= table.bytes / (FILL / 4) + 1);
        assert!((0..100).all(|number| table.with_hash(hash(number)).any(|other| other == entry(number))));
    }
}
