//! API messages to the domain's types, and back.
//!
//! A request is parsed once, here, into types that cannot be wrong; every bad field is named, not only the first.
//!
//! * [`common`]: values that all packages share.
//! * [`mask`]: the fields that an update replaces.
//! * [`page`]: pages of lists.
//! * [`dns`]: questions, records, zones.
//! * [`ipam`]: pools, nodes, allocations.
//! * [`lb`]: services.

pub mod common;
pub mod ipam;
pub mod dns;
pub mod lb;
pub mod mask;
pub mod page;
