//! What every Polder process is made of, apart from what it does.
//!
//! * [`clock`], [`entropy`]: the only readings of time and randomness.
//! * [`status`]: refusals to gRPC statuses, and back, and to HTTP.

pub mod clock;
pub mod entropy;
pub mod status;
