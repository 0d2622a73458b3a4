//! One block of known keys: see the module above for its form.

use std::cmp::Ordering;

use polder_core::id::Revision;
use prost::encoding::{decode_varint, encode_varint};

/// The most keys of a block. More would share their whole first key with more neighbours, and a change would write more.
pub(super) const MOST: usize = 64;

/// The most bytes of a number.
const NUMBER: usize = 10;

/// Some keys in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block(Box<[u8]>);

impl Block {
    /// How many keys it has.
    pub(super) fn count(&self) -> usize {
        self.0.first().copied().map_or(0, usize::from)
    }

    /// The first key.
    pub(super) fn first(&self) -> &[u8] {
        let mut rest = self.0.get(1..).unwrap_or_default();
        piece(&mut rest).map_or(&[], |(_, key)| key)
    }

    /// The block with a key put at a revision, or deleted. It may have one key more than [`MOST`] then, or none. Of the others only the
    /// next one is written anew.
    pub(super) fn with(&self, key: &[u8], revision: Option<Revision>) -> Self {
        let mut keys = self.keys();
        // Of the keys before and behind: how much they share with this one, and their revisions.
        let (mut before, mut behind) = ((0, 0), None);
        let (mut start, mut had) = (self.place_of(&keys), false);
        while keys.advance() {
            let shared = common(keys.key(), key);
            match keys.key()[shared..].cmp(&key[shared..]) {
                Ordering::Less => {
                    before = (shared, keys.revision);
                    start = self.place_of(&keys);
                }
                Ordering::Equal => had = true,
                Ordering::Greater => {
                    behind = Some((shared, keys.revision));
                    break;
                }
            }
        }
        let mut bytes = Vec::with_capacity(self.0.len() + key.len() + keys.key().len() + 3 * NUMBER);
        bytes.extend_from_slice(&self.0[..start]);
        if let Some(Revision(revision)) = revision {
            piece_into(&mut bytes, (before.0, key), revision.wrapping_sub(before.1));
        }
        if let Some((shared, at)) = behind {
            // In order, two keys share what each of them shares with one between them.
            let last = match revision {
                Some(Revision(revision)) => (shared, revision),
                None => (before.0.min(shared), before.1),
            };
            piece_into(&mut bytes, (last.0, keys.key()), at.wrapping_sub(last.1));
        }
        bytes.extend_from_slice(keys.rest);
        bytes[0] = self.count_with(revision.is_some(), had);
        Self(bytes.into())
    }

    fn count_with(&self, has: bool, had: bool) -> u8 {
        (self.0.first().copied().unwrap_or_default() + u8::from(has)).saturating_sub(u8::from(had))
    }

    /// How many bytes lie before the keys that are still to come.
    fn place_of(&self, keys: &Keys<'_>) -> usize {
        self.0.len() - keys.rest.len()
    }

    /// How many bytes it takes.
    #[cfg(test)]
    pub(super) const fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Its keys, one after the other.
    pub(super) fn keys(&self) -> Keys<'_> {
        Keys { rest: self.0.get(1..).unwrap_or_default(), key: Vec::new(), revision: 0 }
    }
}

/// The length of what a key shares with the one before it, and the rest of it.
fn piece<'a>(bytes: &mut &'a [u8]) -> Option<(usize, &'a [u8])> {
    let (shared, rest) = (length(bytes)?, length(bytes)?);
    let (key, behind) = bytes.split_at_checked(rest)?;
    *bytes = behind;
    Some((shared, key))
}

/// Writes what [`piece`] reads, and the distance behind it.
fn piece_into(bytes: &mut Vec<u8>, (shared, key): (usize, &[u8]), distance: u64) {
    let rest = &key[shared..];
    encode_varint(shared as u64, bytes);
    encode_varint(rest.len() as u64, bytes);
    bytes.extend_from_slice(rest);
    encode_varint(folded(distance), bytes);
}

/// How many bytes two keys share at their beginnings.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

fn length(bytes: &mut &[u8]) -> Option<usize> {
    decode_varint(bytes).ok().and_then(|length| usize::try_from(length).ok())
}

/// A place among the keys of a block; at first before them all.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    rest: &'a [u8],
    key: Vec<u8>,
    revision: u64,
}

impl Keys<'_> {
    /// Goes to the next key. False when there is none.
    pub(super) fn advance(&mut self) -> bool {
        let Some((shared, rest)) = piece(&mut self.rest) else { return false };
        let Ok(distance) = decode_varint(&mut self.rest) else { return false };
        self.key.truncate(shared);
        self.key.extend_from_slice(rest);
        self.revision = self.revision.wrapping_add(unfolded(distance));
        true
    }

    /// The key here.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Its revision.
    pub(super) const fn revision(&self) -> Revision {
        Revision(self.revision)
    }
}

/// A block in the making.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    count: u8,
    key: Vec<u8>,
    revision: u64,
}

impl Writer {
    /// How many keys it has so far.
    pub(super) fn count(&self) -> usize {
        self.count.into()
    }

    /// Takes in a key, which is greater than all before; there are fewer than [`MOST`].
    pub(super) fn push(&mut self, key: &[u8], revision: Revision) {
        if self.bytes.is_empty() {
            self.bytes.push(0);
        }
        let shared = common(&self.key, key);
        piece_into(&mut self.bytes, (shared, key), revision.0.wrapping_sub(self.revision));
        self.key.truncate(shared);
        self.key.extend_from_slice(&key[shared..]);
        self.revision = revision.0;
        self.count += 1;
    }

    /// The block with what was taken in, and begins the next one; `None` when that is nothing.
    pub(super) fn take(&mut self) -> Option<Block> {
        let count = std::mem::take(&mut self.count);
        self.key.clear();
        self.revision = 0;
        *self.bytes.first_mut()? = count;
        let block = Block(self.bytes.as_slice().into());
        self.bytes.clear();
        Some(block)
    }
}

/// A distance in either direction as a number that is small when the distance is (zigzag).
const fn folded(distance: u64) -> u64 {
    (distance << 1) ^ (distance.cast_signed() >> 63).cast_unsigned()
}

const fn unfolded(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}
