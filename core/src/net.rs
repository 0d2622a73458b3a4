//! Addresses, ranges, names, labels: text is parsed once, here, into types that cannot be wrong.
//!
//! * [`range`]: address families, inclusive ranges, sets of ranges.
//! * [`name`]: object names, namespaces, DNS labels.
//! * [`labels`]: labels and the Kubernetes selector grammar.
//! * [`Mac`]: hardware addresses.

pub mod labels;
mod mac;
pub mod name;
pub mod range;

pub use labels::{Labels, Selector};
pub use mac::Mac;
pub use name::{Label, Name};
pub use range::{AddrRange, Family, RangeSet, parse_addr, parse_host_net, parse_net};
