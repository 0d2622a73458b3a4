//! What stands on the line of a record behind the name.

use super::super::name::DomainName;
use super::super::record::RecordType;
use super::super::text::Word;
use super::super::zones::check;
use super::{Start, malformed, name};
use crate::reason::{Malformed, shown};

/// The classes that are not that of the Internet.
const OTHER_CLASSES: [&str; 3] = ["CH", "HS", "CS"];

/// A record without its name.
pub(super) struct Fields<'w, 't> {
    /// The time to live, where it is said.
    pub(super) ttl: Option<u32>,
    pub(super) rtype: RecordType,
    /// The words of the data.
    pub(super) data: &'w [Word<'t>],
}

/// Time to live and class in any order, both of which may be missing, then the type.
pub(super) fn fields<'w, 't>(words: &'w [Word<'t>]) -> Result<Fields<'w, 't>, Malformed> {
    let (mut rest, mut ttl, mut class) = (words, None, false);
    while let Some((first, after)) = rest.split_first() {
        let is = |class: &str| !first.quoted && first.text.eq_ignore_ascii_case(class);
        if OTHER_CLASSES.into_iter().any(is) {
            return Err(malformed(&format!("class {} is not served here, only IN is", shown(first.text))));
        }
        match duration(first) {
            Some(seconds) if ttl.is_none() => ttl = Some(seconds),
            None if is("IN") && !class => class = true,
            _ => {
                let rtype = if first.quoted { None } else { Some(first.text.parse()?) };
                let rtype =
                    rtype.ok_or_else(|| malformed(&format!("`\"{}\"` is text where a type is asked for", shown(first.text))))?;
                return Ok(Fields { ttl, rtype, data: after });
            }
        }
        rest = after;
    }
    Err(malformed("the line has no type of record"))
}

/// A number of seconds, or numbers with the units `w`, `d`, `h`, `m`, `s`; `None` when it is none, or too large.
pub(super) fn duration(word: &Word<'_>) -> Option<u32> {
    if word.quoted || !word.text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (mut total, mut number, mut has_unit) = (0_u32, None::<u32>, false);
    for letter in word.text.chars() {
        if let Some(digit) = letter.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match letter.to_ascii_lowercase() {
            'w' => 604_800,
            'd' => 86_400,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
        has_unit = true;
    }
    match number {
        None => Some(total),
        // A last number without a unit beside others with one is a slip.
        Some(_) if has_unit => None,
        seconds => seconds,
    }
}

/// The data of an SOA record.
pub(super) fn start(words: &[Word<'_>], origin: &DomainName) -> Result<Start, Malformed> {
    let [primary, mailbox, serial, times @ ..] = words else { return Err(incomplete()) };
    let [refresh, retry, expire, minimum] = times else { return Err(incomplete()) };
    if serial.text.parse::<u32>().is_err() {
        return Err(malformed(&format!("`{}` is not a serial number", shown(serial.text))));
    }
    let time = |word: &Word<'_>, most: u32| {
        let seconds = duration(word).ok_or_else(|| malformed(&format!("`{}` is not a time", shown(word.text))))?;
        check::seconds(seconds, most)
    };
    let start = Start {
        primary: name(primary, origin)?,
        mailbox: name(mailbox, origin)?,
        refresh: time(refresh, check::MOST_TIMER)?,
        retry: time(retry, check::MOST_TIMER)?,
        expire: time(expire, check::MOST_TIMER)?,
        negative_ttl: time(minimum, check::MOST_NEGATIVE_TTL)?,
    };
    check::expiry(start.expire, start.refresh)?;
    Ok(start)
}

fn incomplete() -> Malformed {
    malformed("SOA data is name server, mailbox, serial number, refresh, retry, expire and negative time to live")
}
