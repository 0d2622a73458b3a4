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
pub(in crate::convert) fn few(count: usize, most: usize, field: &str, bad: &mut Violations) -> bool {
    if count > most {
        bad.add(field, Reason::CountOutOfBounds, format!("{count} are too many; at most {most} are taken"));
    }
    count <= most
}

/// One line of free text of a bounded length.
pub(super) fn text(text: &str, field: &str, bad: &mut Violations) -> String {
    bounded(text, char::is_control, field, bad)
}

/// As [`text`], in several lines.
pub(super) fn prose(text: &str, field: &str, bad: &mut Violations) -> String {
    bounded(text, |letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'), field, bad)
}

fn bounded(text: &str, odd: impl Fn(char) -> bool, field: &str, bad: &mut Violations) -> String {
    if text.len() > MOST_TEXT {
        bad.add(field, Reason::FieldTooLong, format!("{} bytes are too many; at most {MOST_TEXT} are taken", text.len()));
        return String::new();
    }
    if text.contains(odd) {
        bad.add(field, Reason::InvalidArgument, format!("`{}` has a control character in it", shown(text)));
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

/// Ranges of which no two have an address in common. The places are those of the request while every range could be read.
pub(super) fn disjoint(ranges: Vec<AddrRange>, field: &str, bad: &mut Violations) -> Vec<AddrRange> {
    for (at, range) in ranges.iter().enumerate() {
        if let Some(other) = ranges[..at].iter().find(|other| other.intersection(range).is_some()) {
            let why = format!("{range} and {other} have addresses in common");
            bad.add(format!("{field}[{at}]"), Reason::DuplicateValue, why);
        }
    }
    ranges
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
    T: std::str::FromStr<Err = polder_core::reason::Malformed> + PartialEq,
{
    if !few(texts.len(), MOST_SELECTORS, field, bad) {
        return Vec::new();
    }
    let mut read: Vec<T> = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let field = format!("{field}[{at}]");
        match bad.take(field.as_str(), text.parse()) {
            Some(name) if read.contains(&name) => {
                bad.add(field, Reason::DuplicateValue, format!("`{}` is given twice", shown(text)))
            }
            name => read.extend(name),
        }
    }
    read
}

/// A selector as the API shows it: in its text form.
pub(in crate::convert) fn show_selectors(selectors: &AnyOf) -> Vec<types::LabelSelector> {
    let shown = selectors
        .0
        .iter()
        .map(|selector| types::LabelSelector { expression: selector.to_string(), ..types::LabelSelector::default() });
    shown.collect()
}

/// A length of time that is not negative.
pub(in crate::convert) fn duration(given: Option<&prost_types::Duration>, field: &str, bad: &mut Violations) -> Option<Duration> {
    let given = given?;
    let read = u64::try_from(given.seconds).ok().zip(nanos(given.nanos)).map(|(seconds, nanos)| Duration::new(seconds, nanos));
    if read.is_none() {
        let (seconds, nanos) = (given.seconds, given.nanos);
        bad.add(field, Reason::CountOutOfBounds, format!("{seconds} s and {nanos} ns are not a length of time from now on"));
    }
    read
}

/// The part of a second, which is less than one.
fn nanos(given: i32) -> Option<u32> {
    u32::try_from(given).ok().filter(|nanos| *nanos < 1_000_000_000)
}

pub(in crate::convert) fn show_duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

/// A point in time from 1970 to the year 9999, the last that protobuf knows.
pub(in crate::convert) fn time(given: Option<&prost_types::Timestamp>, field: &str, bad: &mut Violations) -> Option<Timestamp> {
    const END: u64 = 253_402_300_800;
    let given = given?;
    let seconds = u64::try_from(given.seconds).ok().filter(|seconds| *seconds < END);
    let read = seconds.zip(nanos(given.nanos));
    let read = read.map(|(seconds, nanos)| Timestamp(seconds * 1_000_000 + u64::from(nanos / 1000)));
    if read.is_none() {
        let (seconds, nanos) = (given.seconds, given.nanos);
        bad.add(field, Reason::InvalidArgument, format!("{seconds} s and {nanos} ns are not a time between 1970 and 9999"));
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
