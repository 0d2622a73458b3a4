//! One block of known keys: see the module above for its form.

use polder_core::id::Revision;
use prost::encoding::{decode_varint, encode_varint};

/// The most keys of a block. More would share their whole first key with more neighbours, and a change would write more.
pub(super) const MOST: usize = 64;

/// Some keys in a row, at least one.
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

    /// Whether it has a key.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        let mut keys = self.keys();
        while keys.advance() {
            if keys.key() == key {
                return true;
            }
        }
        false
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
        let shared = self.key.iter().zip(key).take_while(|(before, this)| before == this).count();
        let rest = &key[shared..];
        encode_varint(shared as u64, &mut self.bytes);
        encode_varint(rest.len() as u64, &mut self.bytes);
        self.bytes.extend_from_slice(rest);
        encode_varint(folded(revision.0.wrapping_sub(self.revision)), &mut self.bytes);
        self.key.truncate(shared);
        self.key.extend_from_slice(rest);
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
