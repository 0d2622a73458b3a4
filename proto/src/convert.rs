//! API messages to the domain's types, and back.
//!
//! A request is parsed once, here, into types that cannot be wrong; every bad field is named, not only the first.
//!
//! * [`common`]: values that all packages share.
//! * [`mask`]: the fields that an update replaces.
//! * [`lb`]: services.

pub mod common;
pub mod lb;
pub mod mask;
