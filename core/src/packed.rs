//! A hash table of bytes that is cheap to clone, and whose clones share all that neither has changed.
//!
//! It grows and shrinks by one bucket at a time (linear hashing), so that no change of it costs more than a few buckets however many
//! entries there are. A bucket is one piece of memory without room to spare, so that a table takes little more than what is in it, and
//! whoever looks for an entry waits for memory once or twice.

use std::iter;
use std::sync::Arc;

use crate::hash::{parent, place};

/// How many bytes a bucket has on average, at most; below a quarter of it buckets are merged. Whoever changes an entry writes its bucket
/// again; smaller ones would have more memory be buckets.
const FILL: usize = 256;
/// Bytes of a hash, and of a length.
const WORD: usize = 4;
/// Bytes of what stands of an entry before those of all entries: its hash and its length.
const HEAD: usize = 2 * WORD;

/// Entries one after the other, their heads before them:
///
/// ```text
/// number of entries u32; for each its hash u32 and its length u32; for each its bytes
/// ```
type Bucket = Arc<[u8]>;

/// Buckets of a page: with a million entries a change copies two pages of pointers as long as this.
const PAGE: usize = 256;

/// All buckets, in pages. Whoever looks for one goes by two pointers to it, which are in the cache when the bucket is not.
#[derive(Debug, Clone, Default)]
struct Buckets {
    len: usize,
    pages: Arc<Vec<Arc<Vec<Bucket>>>>,
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
        let pages = Arc::make_mut(&mut self.pages);
        match pages.last_mut().filter(|page| page.len() < PAGE) {
            Some(page) => Arc::make_mut(page).push(bucket),
            None => pages.push(Arc::new(vec![bucket])),
        }
        self.len += 1;
    }

    fn pop(&mut self) -> Option<Bucket> {
        let pages = Arc::make_mut(&mut self.pages);
        let bucket = Arc::make_mut(pages.last_mut()?).pop()?;
        if self.len % PAGE == 1 {
            pages.pop();
        }
        self.len -= 1;
        Some(bucket)
    }

    fn iter(&self) -> impl Iterator<Item = &Bucket> {
        self.pages.iter().flat_map(|page| page.iter())
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

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + WORD)?.try_into().ok().map(u32::from_le_bytes)
}

/// The heads of a bucket and the bytes of its entries.
fn halves(bucket: &[u8]) -> (&[u8], &[u8]) {
    let count = word(bucket, 0).unwrap_or_default() as usize;
    bucket.get(WORD..).and_then(|rest| rest.split_at_checked(count * HEAD)).unwrap_or_default()
}

/// Each entry with its hash.
fn entries(bucket: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let (heads, mut rest) = halves(bucket);
    heads.as_chunks::<HEAD>().0.iter().filter_map(move |head| {
        let (entry, after) = rest.split_at_checked(word(head, WORD)? as usize)?;
        rest = after;
        Some((word(head, 0)?, entry))
    })
}

/// A bucket with these entries.
fn bucket<'a>(entries: impl Iterator<Item = (u32, &'a [u8])> + Clone) -> Bucket {
    let (mut count, mut bytes) = (0, 0);
    for (_, entry) in entries.clone() {
        count += 1;
        bytes += entry.len();
    }
    if count == 0 {
        return Bucket::default();
    }
    // Nothing that is stored has as many bytes as a word can count.
    let word = |number: usize| u32::try_from(number).unwrap_or_default().to_le_bytes();
    let mut whole = Vec::with_capacity(WORD + count * HEAD + bytes);
    whole.extend_from_slice(&word(count));
    for (hash, entry) in entries.clone() {
        whole.extend_from_slice(&hash.to_le_bytes());
        whole.extend_from_slice(&word(entry.len()));
    }
    entries.for_each(|(_, entry)| whole.extend_from_slice(entry));
    whole.into()
}

impl Packed {
    /// How many entries there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Every entry with this hash.
    pub(crate) fn with_hash(&self, hash: u32) -> impl Iterator<Item = &[u8]> {
        let (heads, entries) = halves(self.near(hash));
        let mut at = 0;
        heads.as_chunks::<HEAD>().0.iter().filter_map(move |head| {
            let start = at;
            at += word(head, WORD)? as usize;
            (word(head, 0)? == hash).then(|| entries.get(start..at)).flatten()
        })
    }

    /// The bytes that whoever looks for this hash is going to read.
    pub(crate) fn near(&self, hash: u32) -> &[u8] {
        self.buckets.get(place(hash, self.buckets.len)).map_or(&[], AsRef::as_ref)
    }

    /// Every entry, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.buckets.iter().flat_map(|bucket| entries(bucket)).map(|(_, entry)| entry)
    }

    /// Adds an entry.
    pub(crate) fn insert(&mut self, hash: u32, entry: &[u8]) {
        let place = place(hash, self.buckets.len);
        if let Some(found) = self.buckets.get_mut(place) {
            *found = bucket(entries(found).chain(iter::once((hash, entry))).collect::<Vec<_>>().into_iter());
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
        let (nth, (_, entry)) = entries(found).enumerate().find(|(_, (other, entry))| *other == hash && is_meant(entry))?;
        let (entry, others) = (entry.to_vec(), entries(found).enumerate().filter(|(other, _)| *other != nth));
        let left = bucket(others.map(|(_, entry)| entry).collect::<Vec<_>>().into_iter());
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
        let (moved, stay): (Vec<_>, Vec<_>) = entries(found).partition(|(hash, _)| place(*hash, added + 1) == added);
        let (moved, stay) = (bucket(moved.into_iter()), bucket(stay.into_iter()));
        *found = stay;
        self.buckets.push(moved);
    }

    /// Puts the entries of the last bucket back to its parent.
    fn merge(&mut self) {
        let Some(last) = self.buckets.pop() else { return };
        if let Some(found) = self.buckets.get_mut(parent(self.buckets.len)) {
            *found = bucket(entries(found).chain(entries(&last)).collect::<Vec<_>>().into_iter());
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
