//! Which node answers for which external address on the local network, and who may say so.
//!
//! Two things are kept apart. The *assignment* is state: one record for every address that a node answers for, with an epoch
//! that grows with every change of node; [`reconcile()`] decides it from the whole state and from which nodes are heard of. The
//! *right* to answer is no state: one replica, which holds the lead, grants it for about a second at a time ([`rights`]), and a
//! node stops answering when it is not renewed ([`holder`]). A wrong assignment costs reachability until the next turn; a right
//! granted twice would cost the promise that two nodes never answer at once, so rights rest on nothing but the lead's own memory
//! of what it granted.

mod audit;
pub mod board;
pub mod explain;
pub mod holder;
pub mod operate;
mod place;
pub mod presence;
pub mod reconcile;
pub mod record;
pub mod rights;
pub mod target;
pub mod tenure;

use std::time::Duration;

pub(super) use audit::audit;
pub use board::Board;
pub use holder::Holder;
pub use presence::{Presence, Willing};
pub use reconcile::{Turn, reconcile};
pub use record::{Announcement, Drain};
pub use rights::{Claim, Rights, Verdict};
pub use target::Target;
pub use tenure::Tenure;

/// A moment on a clock that never goes back: the time since an origin of its owner's choice. Two owners' moments have nothing
/// to do with each other.
pub type Moment = Duration;
