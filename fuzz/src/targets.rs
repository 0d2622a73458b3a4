//! The targets. What each asserts stands at its head.

pub mod addresses;
pub mod arithmetic;
pub mod filter_meaning;
pub mod filters;
pub mod manifest_values;
pub mod manifests;
pub mod metallb_annotations;
pub mod names;
pub mod page_tokens;
pub mod queries;
pub mod selector_meaning;
pub mod selectors;
pub mod skydns_entries;
pub mod stored;
pub mod update_masks;
pub mod upstream_answers;
pub mod zone_files;

use std::fmt::{Debug, Display};
use std::str::FromStr;

use polder_core::reason::{Malformed, Reason};

use crate::Shape;

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also of its folder in the corpus.
    pub name: &'static str,
    /// What its inputs look like.
    pub shape: Shape,
    /// Panics when something that must hold does not.
    pub run: fn(&[u8]),
}

/// Every target.
#[must_use]
pub const fn all() -> [Target; 17] {
    [
        addresses::TARGET,
        arithmetic::TARGET,
        selectors::TARGET,
        selector_meaning::TARGET,
        filters::TARGET,
        filter_meaning::TARGET,
        names::TARGET,
        page_tokens::TARGET,
        update_masks::TARGET,
        stored::TARGET,
        manifests::TARGET,
        manifest_values::TARGET,
        metallb_annotations::TARGET,
        zone_files::TARGET,
        queries::TARGET,
        upstream_answers::TARGET,
        skydns_entries::TARGET,
    ]
}

/// The most bytes of what is said about bad input, however long that is. A message shows at most 64 letters of it, each escaped
/// into ten at most, and may name the fields there are.
const MOST_SAID: usize = 1500;

/// A refusal is short and has one of the reasons of its parser.
fn refused_well(error: &Malformed, reasons: &[Reason]) {
    assert!(reasons.contains(&error.reason), "{error:?}");
    assert!(!error.description.is_empty() && error.description.len() <= MOST_SAID, "{error:?}");
}

/// What parses is printed so that it parses as the same; what does not is refused well.
fn comes_back<T>(text: &str, reasons: &[Reason]) -> Option<T>
where
    T: FromStr<Err = Malformed> + Display + PartialEq + Debug,
{
    match text.parse::<T>() {
        Ok(value) => {
            let printed = value.to_string();
            assert_eq!(printed.parse::<T>().as_ref(), Ok(&value), "printed as {printed:?}");
            assert_eq!(printed.parse::<T>().unwrap().to_string(), printed);
            Some(value)
        }
        Err(error) => {
            refused_well(&error, reasons);
            None
        }
    }
}
