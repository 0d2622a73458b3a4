//! Following a mirror batch by batch.

use std::sync::Arc;

use polder_core::reason::{Reason, Refusal};
use polder_core::schema::Schema;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::snapshot::ChangeBatch;

/// The changes after a snapshot, in the order of revisions, each batch once and whole.
pub struct Changes<S: Schema> {
    pub(super) replay: std::collections::VecDeque<Arc<ChangeBatch<S>>>,
    pub(super) live: Receiver<Arc<ChangeBatch<S>>>,
    /// Whether there was a view already. What the first reading found is told to nobody.
    pub(super) is_whole: bool,
}

impl<S: Schema> Changes<S> {
    /// Waits for the next batch.
    ///
    /// # Errors
    /// [`Reason::WatchLagged`] when the reader was too slow and batches are lost, or began before there was a view: begin again from
    /// a snapshot.
    /// [`Reason::ShuttingDown`] when the mirror ends.
    pub async fn next(&mut self) -> Result<Arc<ChangeBatch<S>>, Refusal> {
        if let Some(batch) = self.replay.pop_front() {
            return Ok(batch);
        }
        let batch = self.live.recv().await.map_err(|error| match error {
            RecvError::Lagged(lost) => {
                let message = format!("The reader fell {lost} batches behind. Start again from a snapshot.");
                Refusal::new(Reason::WatchLagged, message).with("lost", lost)
            }
            RecvError::Closed => Refusal::new(Reason::ShuttingDown, "The process is shutting down. Ask another replica."),
        })?;
        if self.is_whole {
            return Ok(batch);
        }
        let message = "The store had not been read yet when the reader began. Start again from a snapshot.";
        Err(Refusal::new(Reason::WatchLagged, message))
    }
}
