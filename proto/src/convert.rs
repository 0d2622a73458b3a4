//! API messages to the domain's types, and back.
//!
//! A request is parsed once, here, into types that cannot be wrong; every bad field is named, not only the first.
//!
//! * [`common`] has values that all packages share.
//! * [`mask`] has the fields that an update replaces.
//! * [`page`] has pages of lists.
//! * [`dns`] has questions, records, zones.
//! * [`ipam`] has pools, nodes, allocations.
//! * [`lb`] has services.
//! * [`written`] has requests to make, change and delete.

pub mod common;
pub mod dns;
pub mod ipam;
pub mod lb;
pub mod mask;
pub mod page;
pub mod written;
