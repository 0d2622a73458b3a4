//! A slow round through everything stored, page by page, that finds what the watch should have said and did not.
//!
//! The heads tell that a batch is missing; they cannot tell that an event was lost inside a batch that arrived. The audit
//! compares the revision of every key with what the mirror knows. A page and the view are never of the same moment, so a
//! difference counts only when it is still exactly the same some time later.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use polder_core::id::Revision;
use polder_core::schema::Schema;

use super::list::spans;
use super::{Core, PREFIX};
use crate::backend::KeyRange;
use crate::error::Error;

/// Keys per page.
const PAGE: usize = 500;
/// How long a difference must last.
const LASTS: Duration = Duration::from_secs(2);

/// Where a key stands in the store and in the view; `None` for absent.
pub(super) type Difference = BTreeMap<Bytes, (Option<Revision>, Option<Revision>)>;

/// The place where the round is.
pub(super) struct Audit {
    spans: Vec<KeyRange>,
}

impl Audit {
    pub(super) const fn new() -> Self {
        Self { spans: Vec::new() }
    }

    /// Looks at the next page. True when something was lost for good.
    pub(super) async fn step<S: Schema>(&mut self, core: &Core<S>) -> Result<bool, Error> {
        let keys = match self.spans.pop() {
            Some(keys) => keys,
            None => {
                // The journal is left out: it is written once per key and followed by nobody who could not do without.
                self.spans = spans();
                self.spans.pop().unwrap_or_else(|| KeyRange::prefix(PREFIX))
            }
        };
        let (first, rest) = self.compare(core, &keys).await?;
        self.spans.extend(rest);
        if first.is_empty() {
            return Ok(false);
        }
        tokio::time::sleep(LASTS).await;
        let (second, _) = self.compare(core, &keys).await?;
        let lost = first.iter().find(|(key, difference)| second.get(*key) == Some(difference));
        if let Some((key, (store, view))) = lost {
            tracing::warn!(key = %key.escape_ascii(), ?store, ?view, "the watch has lost an event; reading everything again");
        }
        Ok(lost.is_some())
    }

    /// How the first page of `keys` differs from the view, and what is left of `keys` behind it.
    async fn compare<S: Schema>(&self, core: &Core<S>, keys: &KeyRange) -> Result<(Difference, Option<KeyRange>), Error> {
        let page = core.store.range(keys.clone(), PAGE, None).await?;
        let rest = page.entries.last().filter(|_| page.more).map(|last| keys.after(&last.key));
        let end = rest.as_ref().map_or_else(|| keys.end().map(<[u8]>::to_vec), |rest| Some(rest.start().to_vec()));
        let mut difference: Difference = core.known(keys.start(), end.as_deref(), page.revision);
        for entry in page.entries {
            match difference.remove(&entry.key) {
                Some((_, view)) if view == Some(entry.modified) => {}
                Some((_, view)) => _ = difference.insert(entry.key, (Some(entry.modified), view)),
                None => _ = difference.insert(entry.key, (Some(entry.modified), None)),
            }
        }
        Ok((difference, rest))
    }
}
