//! The keys that a mirror knows, each with the revision of its last put.
//!
//! There are as many keys as records, and most of each is what its neighbour has too. So they lie sorted in blocks of bytes: of each
//! key the number of bytes that it shares with the one before it, the rest of it, and the distance of its revision to that of the one
//! before. The first key of a block is whole: by it blocks are found. A change writes its block anew and no other, unless the block
//! becomes too large and is cut, or so small that it is joined with a neighbour.
//!
//! A block in bytes: for each key the length of what is shared, that of the rest, the rest, the distance; numbers as varints, the
//! distance in zigzag. Before all that one byte with the number of keys.

mod block;

use polder_core::id::Revision;

use self::block::{Block, Keys, MOST, Writer};

/// A block with fewer keys is joined with a neighbour, if that has room.
const FEW: usize = MOST / 4;
/// The most keys of two blocks that are joined: a full one would soon be cut again.
const JOINED: usize = MOST / 4 * 3;

/// See the module's header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// In the order of their keys; none is empty.
    blocks: Vec<Block>,
}

impl Known {
    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.blocks.iter().map(Block::count).sum()
    }

    /// The keys from `start` on, in order.
    pub(super) fn from(&self, start: &[u8]) -> Cursor<'_> {
        let mut blocks = self.blocks[self.place(start)..].iter();
        let keys = blocks.next().map(Block::keys).unwrap_or_default();
        let mut cursor = Cursor { blocks, keys, ended: false };
        cursor.advance();
        while cursor.get().is_some_and(|(key, _)| key < start) {
            cursor.advance();
        }
        cursor
    }

    /// Notes that a key was put.
    pub(super) fn insert(&mut self, key: &[u8], revision: Revision) {
        let place = self.place(key);
        let Some(block) = self.blocks.get_mut(place) else {
            let mut first = Builder::default();
            first.push(key, revision);
            *self = first.finish();
            return;
        };
        *block = block.with(key, Some(revision));
        if block.count() > MOST {
            // Halves: keys that come next to this one have room then.
            let mut cut = Builder::of(MOST / 2 + 1);
            cut.extend(block);
            self.replace(place, 1, cut);
        }
    }

    /// Notes that a key was deleted.
    pub(super) fn remove(&mut self, key: &[u8]) {
        let place = self.place(key);
        let Some(block) = self.blocks.get_mut(place) else { return };
        *block = block.with(key, None);
        if block.count() == 0 {
            self.blocks.remove(place);
        } else {
            self.join(place);
        }
    }

    /// Joins a block that has become small with a neighbour that has room for its keys.
    fn join(&mut self, place: usize) {
        let count = |place: usize| self.blocks.get(place).map_or(MOST, Block::count);
        if count(place) >= FEW {
            return;
        }
        let fit = |first: &usize| count(*first) + count(first + 1) <= JOINED;
        let Some(first) = [Some(place), place.checked_sub(1)].into_iter().flatten().find(fit) else { return };
        let mut joined = Builder::default();
        self.blocks[first..first + 2].iter().for_each(|block| joined.extend(block));
        self.replace(first, 2, joined);
    }

    /// Puts what was built where some blocks were.
    fn replace(&mut self, first: usize, blocks: usize, by: Builder) {
        self.blocks.splice(first..first + blocks, by.finish().blocks);
    }

    /// The block that has the key if any has it.
    fn place(&self, key: &[u8]) -> usize {
        self.blocks.partition_point(|block| block.first() <= key).saturating_sub(1)
    }
}

/// Known keys in the making, in full blocks.
#[derive(Debug)]
pub(super) struct Builder {
    blocks: Vec<Block>,
    last: Writer,
    /// The most keys of a block.
    most: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Builder {
    fn of(most: usize) -> Self {
        Self { blocks: Vec::new(), last: Writer::default(), most }
    }

    /// Takes in a key, which is greater than all before.
    pub(super) fn push(&mut self, key: &[u8], revision: Revision) {
        if self.last.count() == self.most {
            self.blocks.extend(self.last.take());
        }
        self.last.push(key, revision);
    }

    fn extend(&mut self, block: &Block) {
        let mut keys = block.keys();
        while keys.advance() {
            self.push(keys.key(), keys.revision());
        }
    }

    /// What was taken in.
    pub(super) fn finish(mut self) -> Known {
        self.blocks.extend(self.last.take());
        self.blocks.shrink_to_fit();
        Known { blocks: self.blocks }
    }
}

/// A place among known keys.
pub(super) struct Cursor<'a> {
    blocks: std::slice::Iter<'a, Block>,
    keys: Keys<'a>,
    ended: bool,
}

impl Cursor<'_> {
    /// The key here with its revision; `None` behind the last one.
    pub(super) fn get(&self) -> Option<(&[u8], Revision)> {
        (!self.ended).then(|| (self.keys.key(), self.keys.revision()))
    }

    /// Goes to the next key.
    pub(super) fn advance(&mut self) {
        while !self.keys.advance() {
            let Some(next) = self.blocks.next() else {
                self.ended = true;
                return;
            };
            self.keys = next.keys();
        }
    }
}

#[cfg(test)]
mod tests;
