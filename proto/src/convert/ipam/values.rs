//! Values that several messages of IPAM share.

use std::net::IpAddr;
use std::time::Duration;

use polder_core::ipam::{AnyOf, Fields};
use polder_core::net::{AddrRange, parse_addr};
use polder_core::reason::{Reason, Violations, shown};
use polder_core::time::Timestamp;

use crate::convert::common::selector;
use crate::types::v1 as types;

/// The most ranges of a pool, a reservation or the network.
pub(super) const MOST_RANGES: usize = 256;
/// The most selectors or namespaces of a pool.
const MOST_SELECTORS: usize = 100;
/// The most bytes of a free text.
pub(super) const MOST_TEXT: usize = 1024;

/// Notes a list that is too long; false when it is.
pub(super) fn few(count: usize, most: usize, field: &str, bad: &mut Violations) -> bool {
    if count > most {
        bad.add(field, Reason::CountOutOfBounds, format!("{count} are too many; at most {most} are taken"));
    }
    count <= most
}

/// Free text of a bounded length.
pub(super) fn text(text: &str, field: &str, bad: &mut Violations) -> String {
    if text.len() > MOST_TEXT {
        bad.add(field, Reason::FieldTooLong, format!("{} bytes are too many; at most {MOST_TEXT} are taken", text.len()));
        return String::new();
    }
    text.to_owned()
}

pub(super) fn ranges(texts: &[String], field: &str, bad: &mut Violations) -> Vec<AddrRange> {
    if !few(texts.len(), MOST_RANGES, field, bad) {
        return Vec::new();
    }
    let read = texts.iter().enumerate().filter_map(|(at, text)| bad.take(format!("{field}[{at}]"), text.parse()));
    read.collect()
}

pub(super) fn addresses(texts: &[String], most: usize, field: &str, bad: &mut Violations) -> Vec<IpAddr> {
    if !few(texts.len(), most, field, bad) {
        return Vec::new();
    }
    let mut read: Vec<IpAddr> = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let field = format!("{field}[{at}]");
        match bad.take(field.as_str(), parse_addr(text)) {
            Some(address) if read.contains(&address) => {
                bad.add(field, Reason::DuplicateValue, format!("{address} is given twice"));
            }
            Some(address) => read.push(address),
            None => {}
        }
    }
    read
}

pub(super) fn selectors(given: &[types::LabelSelector], field: &str, bad: &mut Violations) -> AnyOf {
    if !few(given.len(), MOST_SELECTORS, field, bad) {
        return AnyOf::default();
    }
    AnyOf(given.iter().enumerate().map(|(at, one)| selector(Some(one), &format!("{field}[{at}]"), bad)).collect())
}

/// Names, none of them twice.
pub(super) fn names<T>(texts: &[String], field: &str, bad: &mut Violations) -> Vec<T>
where
    T: std::str::FromStr<Err = polder_core::reason::Malformed>,
{
    if !few(texts.len(), MOST_SELECTORS, field, bad) {
        return Vec::new();
    }
    texts.iter().enumerate().filter_map(|(at, text)| bad.take(format!("{field}[{at}]"), text.parse())).collect()
}

/// A selector as the API shows it: in its text form.
pub(super) fn show_selectors(selectors: &AnyOf) -> Vec<types::LabelSelector> {
    let shown = selectors
        .0
        .iter()
        .map(|selector| types::LabelSelector { expression: selector.to_string(), ..types::LabelSelector::default() });
    shown.collect()
}

/// A length of time that is not negative.
pub(super) fn duration(given: Option<&prost_types::Duration>, field: &str, bad: &mut Violations) -> Option<Duration> {
    let given = given?;
    match Duration::try_from(*given) {
        Ok(duration) => Some(duration),
        Err(_) => {
            bad.add(field, Reason::CountOutOfBounds, format!("{given} is not a length of time"));
            None
        }
    }
}

pub(super) fn show_duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

/// A point in time after 1970.
pub(super) fn time(given: Option<&prost_types::Timestamp>, field: &str, bad: &mut Violations) -> Option<Timestamp> {
    let given = given?;
    let micros = u64::try_from(given.seconds).ok().and_then(|seconds| seconds.checked_mul(1_000_000));
    let within = u64::try_from(given.nanos / 1000).ok();
    let read = micros.zip(within).map(|(micros, within)| Timestamp(micros.saturating_add(within)));
    if read.is_none() {
        bad.add(field, Reason::InvalidArgument, "times before 1970 are not known");
    }
    read
}

/// The fields that an update mask names, each of which must be one of `known`.
pub(super) fn fields(mask: Option<&prost_types::FieldMask>, known: &[&str], bad: &mut Violations) -> Fields {
    let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if !few(paths.len(), MOST_SELECTORS, "update_mask", bad) {
        return Fields::default();
    }
    for path in paths.iter().filter(|path| !known.contains(&path.as_str())) {
        let description = format!("`{}` is not a field that can be replaced; there are {}", shown(path), known.join(", "));
        bad.add("update_mask", Reason::InvalidArgument, description);
    }
    Fields::new(paths.iter().cloned())
}

/// A count that may be too large for the wire.
#[must_use]
pub fn show_count(count: u128) -> Option<types::AddressCount> {
    let saturated = count > u128::from(u64::MAX);
    Some(types::AddressCount { value: u64::try_from(count).unwrap_or(u64::MAX), saturated })
}
