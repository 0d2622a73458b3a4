//! Views: what certain clients see of our own names. An operator says who is in a view: networks, and namespaces, whose pods are known by
//! the addresses that they hold. A client is in the first view that has it, or in none.
//!
//! * In a view zones may be other ones: `corp.example@branch` is what the clients of view `branch` have for `corp.example`, and for those
//!   of other views it is not there. Of all zones that a client sees the innermost answers, as everywhere.
//! * Of the cluster's domain a view may have certain namespaces only. The others do not exist for its clients: names of their services and
//!   pods get NXDOMAIN, and so do the addresses that are called by them.
//!
//! A client is known by the address that it asks from; by UDP that may be forged, so a view keeps names apart and is no secret.

pub mod check;
mod clients;
mod sight;

use ipnet::IpNet;

pub(super) use self::clients::Clients;
pub use self::sight::Sight;
use crate::net::Label;

/// A view, as an operator says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: Label,
    /// Where its clients are.
    pub clients: Vec<IpNet>,
    /// The namespaces whose pods are its clients.
    pub client_namespaces: Vec<Label>,
    /// The namespaces whose names it has; none: all have them.
    pub visible_namespaces: Vec<Label>,
}

#[cfg(test)]
mod tests;
