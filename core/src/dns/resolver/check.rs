//! What the fields of the settings must be.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::super::name::DomainName;
use super::settings::Stub;
use super::upstream::Upstream;
use crate::reason::{Malformed, Reason, Violations};

/// The most servers of all names, and of one stub domain.
pub const MOST_UPSTREAMS: usize = 16;
/// The most stub domains.
pub const MOST_STUBS: usize = 64;
/// Milliseconds for which one server may take to answer.
pub const TIMEOUT: RangeInclusive<u32> = 50..=5000;
/// How often a question is asked.
pub const TRIES: RangeInclusive<u32> = 1..=5;
/// Questions that are asked at the same time.
pub const IN_FLIGHT: RangeInclusive<u32> = 1..=10_000;
/// Kept answers.
pub const ENTRIES: RangeInclusive<u32> = 0..=1_000_000;
/// Bytes of kept answers.
pub const BYTES: RangeInclusive<u32> = 65_536..=1 << 30;
/// Seconds for which an answer is kept at most.
pub const TTL: RangeInclusive<u32> = 1..=604_800;
/// Seconds for which a negative answer is kept at most.
pub const NEGATIVE_TTL: RangeInclusive<u32> = 1..=86_400;
/// Seconds for which any answer is kept at least.
pub const MINIMUM: RangeInclusive<u32> = 0..=300;
/// Seconds for which an answer may be given after its end.
pub const STALE: RangeInclusive<u32> = 0..=604_800;
/// Questions after which an answer is fetched anew.
pub const PREFETCH: RangeInclusive<u32> = 0..=1000;

/// The given number, or the usual one.
///
/// # Errors
/// [`Reason::CountOutOfBounds`].
pub fn number(given: Option<u32>, bounds: &RangeInclusive<u32>, usual: u32) -> Result<u32, Malformed> {
    let number = given.unwrap_or(usual);
    if bounds.contains(&number) {
        return Ok(number);
    }
    let description = format!("{number} is out of bounds: {} to {}", bounds.start(), bounds.end());
    Err(Malformed::new(Reason::CountOutOfBounds, description))
}

/// The shortest time to keep an answer must not be above the longest.
///
/// # Errors
/// [`Reason::ConflictingFields`].
pub fn minimum(minimum: u32, longest: u32) -> Result<(), Malformed> {
    if minimum <= longest {
        return Ok(());
    }
    let description = format!("answers would be kept for {minimum} s at least and for {longest} s at most");
    Err(Malformed::new(Reason::ConflictingFields, description))
}

/// A list of servers, every bad one named.
pub fn upstreams(texts: &[String], field: &str, bad: &mut Violations) -> Vec<Upstream> {
    distinct(texts, (MOST_UPSTREAMS, "servers"), str::parse, field, bad)
}

/// A list of at most so many different things, every bad one named.
pub(in crate::dns) fn distinct<T: PartialEq + Display>(
    texts: &[String],
    (most, what): (usize, &str),
    read: impl Fn(&str) -> Result<T, Malformed>,
    field: &str,
    bad: &mut Violations,
) -> Vec<T> {
    if texts.len() > most {
        let description = format!("{} {what} are too many; at most {most} are taken", texts.len());
        bad.add(field, Reason::CountOutOfBounds, description);
        return Vec::new();
    }
    let mut all = Vec::new();
    for (nth, text) in texts.iter().enumerate() {
        let field = format!("{field}[{nth}]");
        match bad.take(field.as_str(), read(text)) {
            Some(one) if all.contains(&one) => bad.add(field, Reason::DuplicateValue, format!("`{one}` is there already")),
            one => all.extend(one),
        }
    }
    all
}

/// One stub domain beside those before it.
pub fn stub(domain: &str, servers: &[String], before: &[Stub], field: &str, bad: &mut Violations) -> Option<Stub> {
    let at = format!("{field}.domain");
    let read = domain.parse::<DomainName>().and_then(|domain| {
        if domain == DomainName::root() {
            let description = "the root is no stub domain: servers of all names are the upstreams of the settings";
            return Err(Malformed::new(Reason::NameMalformed, description));
        }
        if before.iter().any(|stub| stub.domain == domain) {
            return Err(Malformed::new(Reason::DuplicateValue, format!("`{domain}` is there already")));
        }
        Ok(domain)
    });
    let domain = bad.take(at, read);
    let at = format!("{field}.upstreams");
    if servers.is_empty() {
        bad.add(at.as_str(), Reason::FieldRequired, "a stub domain has at least one server");
    }
    let upstreams = upstreams(servers, &at, bad);
    domain.map(|domain| Stub { domain, upstreams })
}
