//! The task behind a mirror: list, watch, check, and begin again whenever the watch cannot be trusted any more.
//!
//! A watch may end, be cancelled, fall behind a compaction, or go silent without a word. The first three say so; the last is
//! found by asking the store for the heads at a steady pace. Whatever happened, reading everything again is the one cure.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use polder_core::schema::Schema;
use tokio::time::{Instant, MissedTickBehavior};

use super::audit::Audit;
use super::check::{Standing, check};
use super::list::list;
use super::{Core, PREFIX};
use crate::backend::KeyRange;
use crate::error::Error;

/// How long a watch may owe a commit before it is given up, as long as it delivers nothing at all.
const SILENCE: Duration = Duration::from_secs(2);
/// The first and the longest pause before another attempt.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Why a watch was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// It ended; it can resume where it stopped.
    Ended,
    /// It cannot resume, or cannot be trusted.
    Lost,
}

/// Runs for the life of the mirror.
pub(super) async fn run<S: Schema>(core: Arc<Core<S>>) {
    let mut pause = PAUSES.0;
    let mut lost = true;
    loop {
        if lost {
            match relist(&core).await {
                Ok(()) => lost = false,
                Err(error) => tracing::warn!(%error, "the store cannot be read; the view stays as it is"),
            }
        }
        if !lost {
            let begun = Instant::now();
            lost = follow(&core).await == Left::Lost;
            // A watch that worked for a while earns a quick new start.
            if begun.elapsed() > PAUSES.1 {
                pause = PAUSES.0;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn relist<S: Schema>(core: &Core<S>) -> Result<(), Error> {
    let asked = Instant::now();
    let covers = core.own_commits();
    let listing = list(&core.store, core.reading(), core.config.journal.as_ref(), covers).await?;
    tracing::debug!(revision = %listing.revision, keys = listing.known.len(), "read everything");
    core.take_listing(listing, asked);
    Ok(())
}

async fn follow<S: Schema>(core: &Core<S>) -> Left {
    let after = core.position();
    let mut batches = match core.store.watch(KeyRange::prefix(PREFIX), after).await {
        Ok(batches) => batches,
        Err(error) => return left(&error),
    };
    let mut doubts = std::pin::pin!(async {
        tokio::select! { () = verify(core) => {}, () = audit(core) => {} }
    });
    loop {
        tokio::select! {
            batch = batches.next() => match batch {
                Some(Ok(batch)) => core.take_batch(batch),
                Some(Err(error)) => return left(&error),
                None => return Left::Ended,
            },
            () = &mut doubts => return Left::Lost,
        }
    }
}

fn left(error: &Error) -> Left {
    match error {
        Error::Compacted { at } => {
            tracing::info!(oldest = %at, "the watch fell behind what the store keeps; reading everything again");
            Left::Lost
        }
        error => {
            tracing::warn!(%error, "the watch ended; it will resume where it stopped");
            Left::Ended
        }
    }
}

/// Asks for the heads at a steady pace, and whenever somebody misses something. Ends when the view falls behind for good.
async fn verify<S: Schema>(core: &Core<S>) {
    let mut ticks = tokio::time::interval(core.config.check_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! { _ = ticks.tick() => {}, () = core.poke.notified() => {} }
        if !is_current(core).await {
            return;
        }
    }
}

/// Asks for the heads and waits until the view has them. False when it never gets there, or shows more than the store has.
async fn is_current<S: Schema>(core: &Core<S>) -> bool {
    let asked = Instant::now();
    // Own commits that the watch still owes are shown as well, so the store must have them too.
    let shown = core.early().heads;
    let known = core.ordered().heads;
    let target = match check(&core.store, &known).await {
        Ok(Standing::Current) => known,
        Ok(Standing::Moved(heads)) => heads,
        // Whether the watch works is not known; its own keep-alive will tell.
        Err(_) => return true,
    };
    if !target.reach(&known) || !target.reach(&shown) {
        tracing::warn!("the store is older than the view: it was set back; reading everything again");
        return false;
    }
    let mut moved = core.moved.subscribe();
    while !core.ordered().heads.reach(&target) {
        if tokio::time::timeout(SILENCE, moved.changed()).await.is_err() {
            tracing::warn!("the watch is silent although the store has moved; reading everything again");
            return false;
        }
    }
    core.mark_fresh(asked);
    true
}

/// Goes round through everything stored. Ends when something is missing in the view for good.
async fn audit<S: Schema>(core: &Core<S>) {
    let mut audit = Audit::new();
    loop {
        tokio::time::sleep(core.config.audit_every).await;
        match audit.step(core).await {
            Ok(false) => {}
            Ok(true) => return,
            Err(error) => tracing::debug!(%error, "the audit could not read a page"),
        }
    }
}
