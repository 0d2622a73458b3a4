//! How a command fails: what is printed, and the exit code.
//!
//! | Code | Meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed, or the answer is no |
//! | 2 | the command or its input is wrong |
//! | 3 | not found |
//! | 4 | exists already, or somebody else changed it |
//! | 5 | the state forbids it, or something is used up |
//! | 6 | unavailable, or no answer in time; with `--wait`: the change is made, and not everybody has it in time |
//! | 7 | not allowed |
//! | 130 | interrupted |

use std::fmt::Write as _;

use polder_core::reason::Reason;
use polder_runtime::status;
use tonic::{Code, Status};

/// Why a command did not do what it should.
#[derive(Debug, Clone)]
pub enum Failure {
    /// A server refused, or could not be reached.
    Refused(Box<Status>),
    /// The command or its input is wrong.
    Usage(String),
    /// The command worked and the answer is no: the whole answer, in the form that was asked for. It goes to standard output.
    Negative(String),
    /// The change is made, and not everybody has it in time: what was done and who lacks it. It goes to standard output.
    Late(String),
    /// Something on this side failed: a file, a port, the store.
    Local(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Negative(_) | Self::Local(_) => 1,
            Self::Late(_) => 6,
            Self::Refused(status) => match status.code() {
                Code::InvalidArgument => 2,
                Code::NotFound => 3,
                Code::AlreadyExists | Code::Aborted => 4,
                Code::FailedPrecondition | Code::ResourceExhausted | Code::OutOfRange => 5,
                Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => 6,
                Code::PermissionDenied | Code::Unauthenticated => 7,
                Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => 1,
            },
        }
    }

    /// Whether the server has no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code() == Code::NotFound)
    }

    /// Whether the server found the request itself wrong.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code() == Code::InvalidArgument)
    }

    /// Whether an unchanged request may succeed soon.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Refused(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded))
    }

    /// What happened, in a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Refused(status) => status::decode(status).message.clone(),
            Self::Usage(message) | Self::Local(message) | Self::Negative(message) | Self::Late(message) => message.clone(),
        }
    }

    /// For people: `error:`, `why:` and `try:` lines.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Usage(message) | Self::Local(message) => format!("error: {message}\n"),
            Self::Negative(answer) | Self::Late(answer) => answer.clone(),
            Self::Refused(status) => refusal_text(status),
        }
    }

    /// For programs: `google.rpc.Status` in proto3 JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let status = match self {
            Self::Refused(status) => (**status).clone(),
            Self::Usage(message) => Status::invalid_argument(message),
            Self::Negative(message) | Self::Local(message) => Status::unknown(message),
            Self::Late(message) => Status::deadline_exceeded(message),
        };
        let body = serde_json::Value::Object(status::rest::rpc_status(&status));
        serde_json::to_string_pretty(&body).unwrap_or_default() + "\n"
    }
}

fn refusal_text(status: &Status) -> String {
    let refusal = status::decode(status);
    let mut text = format!("error: {}\n", refusal.message);
    for violation in &refusal.violations {
        let _ = writeln!(text, "why:   {}: {} ({})", violation.field, violation.description, violation.reason);
    }
    for obstacle in &refusal.obstacles {
        let _ = writeln!(text, "why:   {}: {} ({})", obstacle.subject, obstacle.description, obstacle.reason);
    }
    let _ = writeln!(text, "try:   {}", advice(refusal.reason));
    text
}

fn advice(reason: Reason) -> String {
    match reason {
        Reason::PeerUnavailable | Reason::ShuttingDown => {
            "is Polder running there? `--server` and POLDER_SERVER say where to look; `polder up` starts it".to_owned()
        }
        other => format!("polder explain {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_core::reason::Refusal;

    #[test]
    fn every_class_has_its_exit_code() {
        let code = |reason: Reason| Failure::from(status::encode(&Refusal::new(reason, "x"))).exit_code();
        assert_eq!(code(Reason::RangeReversed), 2);
        assert_eq!(code(Reason::PoolNotFound), 3);
        assert_eq!(code(Reason::EtagMismatch), 4);
        assert_eq!(code(Reason::AlreadyExists), 4);
        assert_eq!(code(Reason::PoolExhausted), 5);
        assert_eq!(code(Reason::PoolOverlap), 5);
        assert_eq!(code(Reason::StoreUnavailable), 6);
        assert_eq!(code(Reason::PermissionDenied), 7);
        assert_eq!(Failure::Usage(String::new()).exit_code(), 2);
        assert_eq!(Failure::Late(String::new()).exit_code(), 6);
    }

    #[test]
    fn every_bad_field_is_printed() {
        let mut bad = polder_core::reason::Violations::new();
        bad.add("pool.ranges[0]", Reason::RangeReversed, "runs backwards");
        bad.add("pool.name", Reason::NameMalformed, "is not a name");
        let text = Failure::from(status::encode(&bad.finish(None::<()>).unwrap_err())).text();
        assert!(text.contains("pool.ranges[0]") && text.contains("pool.name") && text.contains("RANGE_REVERSED"), "{text}");
        assert!(text.contains("polder explain RANGE_REVERSED"), "{text}");
    }
}
