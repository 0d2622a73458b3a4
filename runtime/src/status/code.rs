//! Kinds to gRPC codes and gRPC codes to HTTP status codes: the only two tables.

use http::StatusCode;
use polder_core::reason::{Kind, Reason};
use tonic::Code;

/// The gRPC code of a kind of refusal.
#[must_use]
pub const fn code(kind: Kind) -> Code {
    match kind {
        Kind::Invalid => Code::InvalidArgument,
        Kind::NotFound => Code::NotFound,
        Kind::Exists => Code::AlreadyExists,
        Kind::Precondition => Code::FailedPrecondition,
        Kind::Exhausted => Code::ResourceExhausted,
        Kind::Aborted => Code::Aborted,
        Kind::Denied => Code::PermissionDenied,
        Kind::OutOfRange => Code::OutOfRange,
        Kind::Unavailable => Code::Unavailable,
        Kind::Deadline => Code::DeadlineExceeded,
        Kind::Unimplemented => Code::Unimplemented,
        Kind::Internal => Code::Internal,
    }
}

/// The HTTP status of a gRPC code, as the comments of `google.rpc.Code` give it.
#[must_use]
pub const fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled => CLIENT_CLOSED_REQUEST,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// 499, which `google.rpc.Code` names for CANCELLED and the `http` crate does not.
const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
};

/// The reason nearest to a code, for a status that carries none of ours.
#[must_use]
pub const fn fallback_reason(code: Code) -> Reason {
    match code {
        Code::InvalidArgument | Code::FailedPrecondition => Reason::InvalidArgument,
        Code::NotFound => Reason::ServiceNotFound,
        Code::Unimplemented => Reason::NotImplemented,
        Code::AlreadyExists => Reason::AlreadyExists,
        Code::PermissionDenied | Code::Unauthenticated => Reason::PermissionDenied,
        Code::ResourceExhausted => Reason::Overloaded,
        Code::Aborted => Reason::EtagMismatch,
        Code::OutOfRange => Reason::ResumeTokenCompacted,
        Code::DeadlineExceeded | Code::Cancelled => Reason::OutcomeUnknown,
        Code::Unavailable => Reason::PeerUnavailable,
        Code::DataLoss => Reason::DataCorrupt,
        Code::Ok | Code::Unknown | Code::Internal => Reason::Internal,
    }
}
