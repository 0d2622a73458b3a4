//! Questions on one connection: each has a number of its own, and answers come in any order (RFC 7766 §6.2.1.1, §7).

use std::collections::BTreeMap;

use super::question::Key;
use super::response::{Answer, Unusable};

/// The questions that wait, and whoever waits for each.
#[derive(Debug)]
pub struct Pipeline<T> {
    waiting: BTreeMap<u16, (Key, T)>,
    most: usize,
}

impl<T> Pipeline<T> {
    /// Nobody waits; at most `most` questions ever will.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { waiting: BTreeMap::new(), most }
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Gives a question its number: `draw`, or the next one that no other question has. It is given back with whoever waits when there are
    /// too many.
    ///
    /// # Errors
    /// `waiter`, when there is no room.
    pub fn begin(&mut self, key: Key, waiter: T, draw: u16) -> Result<u16, T> {
        if self.waiting.len() >= self.most {
            return Err(waiter);
        }
        let free = (draw..=u16::MAX).chain(0..draw).find(|id| !self.waiting.contains_key(id));
        let Some(id) = free else { return Err(waiter) };
        self.waiting.insert(id, (key, waiter));
        Ok(id)
    }

    /// Takes in a message: who waits for it, and what it says. `None` when it answers no question that is waited for.
    pub fn end(&mut self, message: &[u8]) -> Option<(T, Result<Answer, Unusable>)> {
        let [high, low, ..] = *message else { return None };
        let id = u16::from_be_bytes([high, low]);
        let (key, _) = self.waiting.get(&id)?;
        let read = Answer::read(key, id, message);
        if read == Err(Unusable::Foreign) {
            return None;
        }
        self.waiting.remove(&id).map(|(_, waiter)| (waiter, read))
    }

    /// Forgets questions for which nobody waits any more. What comes for them later is not for those who get their numbers: it answers
    /// another question, or rightly the same.
    pub fn forget(&mut self, is_gone: impl Fn(&T) -> bool) {
        self.waiting.retain(|_, (_, waiter)| !is_gone(waiter));
    }

    /// All who wait, when nothing comes any more.
    pub fn into_waiters(self) -> impl Iterator<Item = T> {
        self.waiting.into_values().map(|(_, waiter)| waiter)
    }
}
