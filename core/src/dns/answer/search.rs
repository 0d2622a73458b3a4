//! The search path of pods, completed on this side: a name that is not there, `X.<ns>.svc.<zone>`, is looked for as `X.svc.<zone>`,
//! `X.<zone>` and `X`, as a pod of that namespace would one question after the other. What is found is answered under the name that was
//! asked for. The namespace is the one in the name, whoever asks: no address of a client is trusted for it.
//!
//! Only questions for addresses are completed, and a namespace has to exist. A name without a dot is not looked for outside.

use super::super::name::{MOST_BYTES, suffixes};
use super::super::record::RecordType;
use super::super::views::Sight;
use super::find::{Found, find};

/// Where a name was found that is not there itself.
pub(super) enum Completed<'a> {
    /// In our own zones.
    Here(Found<'a>),
    /// It may be outside: the first bytes of the name, as many as this, with the root after them.
    Outside(usize),
}

/// Looks for a missing name along the search path. `None` when it is no name of a search, or is found nowhere.
pub(super) fn complete<'a>(sight: Sight<'a>, name: &[u8], rtype: RecordType) -> Option<Completed<'a>> {
    let settings = sight.names().settings();
    if !settings.autopath || !matches!(rtype, RecordType::A | RecordType::AAAA) {
        return None;
    }
    let zone = settings.zone().as_wire();
    let space = namespace(name, zone).filter(|space| sight.names().contains(space) && !sight.hides(space))?;
    let wanted = name.get(..name.len() - space.len()).filter(|wanted| !wanted.is_empty())?;
    let mut candidate = [0; MOST_BYTES];
    for parts in [[wanted, b"\x03svc", zone], [wanted, b"", zone], [wanted, b"", b"\0"]] {
        let Some(candidate) = join(&mut candidate, parts) else { continue };
        if let Some(found) = here(sight, candidate, rtype) {
            return Some(Completed::Here(found));
        }
    }
    // The last candidate is the name as it was meant.
    let whole = join(&mut candidate, [wanted, b"", b"\0"])?;
    let has_dot = suffixes(whole).nth(1).is_some_and(|rest| rest.len() > 1);
    (has_dot && sight.tables(whole).zone_of(whole).is_none()).then_some(Completed::Outside(wanted.len()))
}

/// The suffix `<ns>.svc.<zone>` of a name below it.
fn namespace<'a>(name: &'a [u8], zone: &[u8]) -> Option<&'a [u8]> {
    let services = |suffix: &&[u8]| suffix.strip_prefix(b"\x03svc") == Some(zone);
    let mut above = suffixes(name).skip(1).skip_while(|suffix| suffixes(suffix).nth(1).is_none_or(|next| !services(&next)));
    above.next()
}

fn join<'a>(into: &'a mut [u8; MOST_BYTES], parts: [&[u8]; 3]) -> Option<&'a [u8]> {
    let mut at = 0;
    for part in parts {
        into.get_mut(at..at + part.len())?.copy_from_slice(part);
        at += part.len();
    }
    into.get(..at)
}

/// What stands at a candidate that has addresses of either family, or is an alias: both families have to be found at one place.
fn here<'a>(sight: Sight<'a>, name: &[u8], rtype: RecordType) -> Option<Found<'a>> {
    let other = if rtype == RecordType::A { RecordType::AAAA } else { RecordType::A };
    match find(sight, name, rtype) {
        found @ (Found::Set(_) | Found::Alias(_) | Found::Address(_)) => Some(found),
        Found::NoData if matches!(find(sight, name, other), Found::Set(_) | Found::Address(_)) => Some(Found::NoData),
        _ => None,
    }
}
