//! What can go wrong between a caller and a store, the same list for both backends, and what a caller is told of it.

use std::path::PathBuf;
use std::time::Duration;

use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};

use crate::backend::LeaseId;

/// Why a call to the store failed. A lost race is not among them: see [`Outcome::Conflict`](crate::backend::Outcome).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store cannot be reached, or has no leader. Nothing was changed.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// A commit was sent and no answer came: it may be in, now or a moment later.
    #[error("the outcome of a commit is unknown: {0}")]
    OutcomeUnknown(String),
    /// The revision asked for is older than what the store keeps; start again from a range.
    #[error("revisions before {at} are compacted")]
    Compacted {
        /// The oldest revision that can still be read.
        at: Revision,
    },
    /// The commit has too many operations or too many bytes.
    #[error("the commit is too large: {0}")]
    TooLarge(String),
    /// The call can never succeed as it is: an empty key, a key twice in one commit, a revision from the future.
    #[error("the store refuses the call: {0}")]
    Invalid(String),
    /// The lease has expired or was revoked.
    #[error("lease {0} is gone")]
    LeaseGone(LeaseId),
    /// The store's disk or quota is full.
    #[error("the store has no space left")]
    NoSpace,
    /// What is stored cannot be read.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// Another process holds the data folder.
    #[error("`{}` is in use by process {holder}", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
        /// The process id written in it, or `unknown`.
        holder: String,
    },
}

/// How long a caller should wait before it asks an unreachable store again.
const RETRY_IN: Duration = Duration::from_secs(1);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let reason = match &error {
            Error::Unavailable(_) | Error::LeaseGone(_) | Error::InUse { .. } => Reason::StoreUnavailable,
            Error::OutcomeUnknown(_) => Reason::OutcomeUnknown,
            Error::Compacted { .. } => Reason::ResumeTokenCompacted,
            Error::TooLarge(_) => Reason::RequestTooLarge,
            Error::Invalid(_) => Reason::Internal,
            Error::NoSpace => Reason::StoreNoSpace,
            Error::Corrupt(_) => Reason::DataCorrupt,
        };
        let advice = match reason {
            Reason::StoreUnavailable => " Nothing was changed; try again.",
            Reason::OutcomeUnknown => " Try again with the same request id: a change that is in is answered, not repeated.",
            Reason::ResumeTokenCompacted => " Start again from a snapshot.",
            Reason::RequestTooLarge => " Split the request.",
            Reason::StoreNoSpace => " Free space on the store's disk, or raise etcd's quota and disarm its alarm.",
            _ => "",
        };
        let refusal = Self::new(reason, format!("{error}.{advice}"));
        match reason {
            Reason::StoreUnavailable | Reason::StoreNoSpace | Reason::OutcomeUnknown => refusal.retry_in(RETRY_IN),
            Reason::ResumeTokenCompacted => match error {
                Error::Compacted { at } => refusal.with("oldest_revision", at),
                _ => refusal,
            },
            _ => refusal,
        }
    }
}
