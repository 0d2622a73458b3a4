//! What every stored object carries besides its own fields.

use crate::id::{Entropy, Uid};
use crate::reason::{Reason, Refusal, shown};
use crate::time::Timestamp;

/// Identity, version and times of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Its identity: a new object under an old name has a new one.
    pub uid: Uid,
    /// Counts the changes of this object, from 1.
    pub version: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

impl Meta {
    /// The meta data of an object made now, the `n`-th of its request.
    #[must_use]
    pub const fn new(now: Timestamp, entropy: Entropy, n: u64) -> Self {
        Self { uid: Uid::new(now, entropy, n), version: 1, created: now, updated: now }
    }

    /// The meta data after one more change.
    #[must_use]
    pub const fn changed(self, now: Timestamp) -> Self {
        Self { version: self.version + 1, updated: now, ..self }
    }

    /// The etag: equal exactly when nothing has changed.
    #[must_use]
    pub fn etag(&self) -> String {
        // The last bits: the first ones only tell when the object was made.
        format!("{:08x}-{}", self.uid.0 & 0xffff_ffff, self.version)
    }

    /// Accepts an empty etag, or the one of this version.
    ///
    /// # Errors
    /// [`Reason::EtagMismatch`].
    pub fn check_etag(&self, kind: &str, name: &str, etag: &str) -> Result<(), Refusal> {
        let current = self.etag();
        if etag.is_empty() || etag == current {
            return Ok(());
        }
        let message = format!(
            "{kind} `{name}` has changed: you gave etag `{}`, it is `{current}` now. Read it again and repeat your change.",
            shown(etag)
        );
        Err(Refusal::new(Reason::EtagMismatch, message).with("etag", shown(etag)).with("current_etag", current).about(kind, name))
    }
}
