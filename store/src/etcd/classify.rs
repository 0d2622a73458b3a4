//! What etcd's errors mean. etcd tells them apart by text only, so the texts are listed here and nowhere else.

use etcd_client::Error as ClientError;
use tonic::{Code, Status};

use super::channel::was_not_sent;
use crate::error::Error;

/// Whether a call that failed could have changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// It only reads, or may be repeated at will.
    Read,
    /// It may have been taken.
    Write,
}

/// Texts of refusals before anything was done.
const NOT_TAKEN: [&str; 4] = ["no leader", "too many requests", "not capable", "stopped"];

/// Translates an error of the client.
pub(super) fn classify(error: ClientError, call: Call) -> Error {
    match error {
        ClientError::GRpcStatus(status) => of_status(&status, call),
        ClientError::TransportError(error) if was_not_sent(&error) => Error::Unavailable(shown(&error)),
        ClientError::InvalidArgs(why) | ClientError::EndpointError(why) => Error::Invalid(why),
        error => unanswered(error.to_string(), call),
    }
}

/// Translates a gRPC status.
pub(super) fn of_status(status: &Status, call: Call) -> Error {
    let text = status.message();
    let says = |part: &str| text.contains(part);
    match status.code() {
        _ if was_not_sent(status) => Error::Unavailable(shown(status)),
        Code::InvalidArgument if says("too many operations") || says("request is too large") => Error::TooLarge(text.to_owned()),
        Code::InvalidArgument if says("user name is empty") || says("auth") => Error::Unavailable(text.to_owned()),
        Code::InvalidArgument => Error::Invalid(text.to_owned()),
        Code::OutOfRange if says("future revision") => Error::Invalid(text.to_owned()),
        Code::ResourceExhausted if says("space exceeded") => Error::NoSpace,
        Code::ResourceExhausted if says("trying to send message larger") => Error::TooLarge(text.to_owned()),
        Code::PermissionDenied | Code::Unauthenticated | Code::FailedPrecondition | Code::Unimplemented => {
            Error::Unavailable(text.to_owned())
        }
        _ if NOT_TAKEN.iter().any(|part| says(part)) => Error::Unavailable(text.to_owned()),
        _ => unanswered(shown(status), call),
    }
}

/// Whether a range failed because its revision is compacted.
pub(super) fn is_compacted(error: &ClientError) -> bool {
    matches!(error, ClientError::GRpcStatus(status) if status.code() == Code::OutOfRange && status.message().contains("compacted"))
}

/// Whether an answer was larger than this client takes.
pub(super) fn is_oversized(status: &Status) -> bool {
    status.code() == Code::OutOfRange && status.message().contains("decoded message length too large")
}

/// Whether a lease named in the call does not exist.
pub(super) fn is_lease_gone(error: &ClientError) -> bool {
    match error {
        ClientError::GRpcStatus(status) => status.code() == Code::NotFound && status.message().contains("lease not found"),
        ClientError::LeaseKeepAliveError(why) => why.contains("lease not found"),
        _ => false,
    }
}

fn unanswered(why: String, call: Call) -> Error {
    match call {
        Call::Read => Error::Unavailable(why),
        Call::Write => Error::OutcomeUnknown(why),
    }
}

/// The error with its causes: the outermost text of a transport error says nothing.
fn shown(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text.push_str(": ");
            text.push_str(&inner);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_surely_was_not_taken_is_unavailable_to_a_writer() {
        let of = |code, text: &str| of_status(&Status::new(code, text), Call::Write);
        assert!(matches!(of(Code::Unavailable, "etcdserver: no leader"), Error::Unavailable(_)));
        for text in ["etcdserver: request timed out", "etcdserver: leader changed", "transport error"] {
            assert!(matches!(of(Code::Unavailable, text), Error::OutcomeUnknown(_)), "{text}");
        }
        assert!(matches!(of(Code::Unknown, "h2 protocol error"), Error::OutcomeUnknown(_)));
        assert!(matches!(of(Code::Cancelled, "Timeout expired"), Error::OutcomeUnknown(_)));
        assert_eq!(of(Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded"), Error::NoSpace);
        assert!(matches!(of(Code::InvalidArgument, "etcdserver: too many operations in txn request"), Error::TooLarge(_)));
        assert!(matches!(of(Code::InvalidArgument, "etcdserver: duplicate key given in txn request"), Error::Invalid(_)));
    }
}
