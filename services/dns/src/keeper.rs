//! Keeps the file of saved names current: when something has changed, but not more often than the disk and the processor bear, and
//! once more at the end.

use std::sync::Arc;
use std::time::Duration;

use polder_core::id::Revision;
use polder_runtime::clock;
use tokio_util::sync::CancellationToken;

use crate::names::Names;
use crate::saved::SavedFile;

/// The shortest time between the end of one saving and the next.
const PACE: Duration = Duration::from_secs(10);
/// How much longer than a saving took the pause after it is, so that saving takes at most 5 % of one processor.
const PAUSES: u32 = 20;

/// See the module.
pub(crate) struct Keeper {
    names: Arc<Names>,
    file: SavedFile,
    /// What the file has: the state's revision, and that of what other programs store.
    saved: Option<[Revision; 2]>,
}

impl Keeper {
    pub(crate) const fn new(names: Arc<Names>, file: SavedFile) -> Self {
        Self { names, file, saved: None }
    }

    /// Works until the stop, and saves a last time then.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut position = self.names.position();
        while let Some(Ok(())) = stop.run_until_cancelled(position.changed()).await {
            let pause = self.save().await.saturating_mul(PAUSES).max(PACE);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        self.save().await;
    }

    /// Saves what is served, unless the file has it; says how long that took.
    async fn save(&mut self) -> Duration {
        let (state, began) = (self.names.state(), clock::monotonic());
        let standing = [state.revision, state.imported.at];
        if !state.is_read || self.saved == Some(standing) {
            return Duration::ZERO;
        }
        if self.file.save(state).await {
            self.saved = Some(standing);
        }
        began.elapsed()
    }
}
