//! Domain names in wire form: what a query carries and what the tables are keyed by.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::reason::{Malformed, Reason, shown};

/// The most bytes a name has on the wire, the root label included (RFC 1035 §3.1).
pub const MOST_BYTES: usize = 255;
/// The most bytes a label has.
pub const MOST_LABEL: usize = 63;

/// A domain name in lower-cased wire form, root label included; at most 255 bytes. Cheap to clone.
///
/// Two names are equal exactly when DNS says so: case never matters (RFC 4343).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<[u8]>);

impl DomainName {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::from([0_u8]))
    }

    /// The name one label below this one; `None` when the label or the whole would be too long, or the label is empty.
    #[must_use]
    pub fn child(&self, label: &str) -> Option<Self> {
        self.below(&[label])
    }

    /// The name `labels` below this one, the leftmost label first; `None` as for [`Self::child`].
    #[must_use]
    pub fn below(&self, labels: &[&str]) -> Option<Self> {
        let whole = labels.iter().map(|label| 1 + label.len()).sum::<usize>() + self.0.len();
        if whole > MOST_BYTES {
            return None;
        }
        let mut wire = Vec::with_capacity(whole);
        for label in labels {
            let length = u8::try_from(label.len()).ok().filter(|length| (1..=MOST_LABEL).contains(&usize::from(*length)))?;
            wire.push(length);
            wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        wire.extend_from_slice(&self.0);
        Some(Self(wire.into()))
    }

    /// The name one label above; of the root none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        suffixes(&self.0).nth(1).map(|above| Self(above.into()))
    }

    /// Its bytes on the wire, lower case, without compression.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Reads a name from the start of `wire`: no compression pointers. `None` when it is cut off or too long.
    #[must_use]
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        let mut at = 0;
        loop {
            let length = usize::from(*wire.get(at)?);
            at += 1 + length;
            if length > MOST_LABEL || at > MOST_BYTES {
                return None;
            }
            if length == 0 {
                return Some(Self(wire.get(..at)?.to_ascii_lowercase().into()));
            }
        }
    }

    /// Its labels below `origin`; `None` when that would be too long.
    #[must_use]
    pub fn joined(&self, origin: &Self) -> Option<Self> {
        let (_, labels) = self.0.split_last()?;
        let wire = [labels, &origin.0].concat();
        (wire.len() <= MOST_BYTES).then(|| Self(wire.into()))
    }

    /// Reads a name as a zone file has it: `@` is `origin`, a name without a final dot lies below it.
    ///
    /// # Errors
    /// [`Reason::NameMalformed`], [`Reason::FieldRequired`].
    pub fn relative(text: &str, origin: &Self) -> Result<Self, Malformed> {
        if text == "@" {
            return Ok(origin.clone());
        }
        let name: Self = text.parse()?;
        if is_whole(text) {
            return Ok(name);
        }
        name.joined(origin).ok_or_else(|| {
            let description = format!("`{}` below `{origin}` is longer than a name may be: 253 characters in all", shown(text));
            Malformed::new(Reason::NameMalformed, description)
        })
    }

    /// Whether it is `zone` or lies below it.
    #[must_use]
    pub fn is_under(&self, zone: &Self) -> bool {
        is_under(&self.0, &zone.0)
    }
}

/// Whether the text ends in a dot that is no part of a label.
#[must_use]
pub fn is_whole(text: &str) -> bool {
    let Some(before) = text.strip_suffix('.') else { return false };
    before.bytes().rev().take_while(|byte| *byte == b'\\').count().is_multiple_of(2)
}

/// The name itself, then every name above it, the root last. `wire` is a whole name without compression.
pub fn suffixes(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(wire);
    std::iter::from_fn(move || {
        let here = rest?;
        rest = match here.first() {
            None | Some(0) => None,
            Some(length) => here.get(1 + usize::from(*length)..),
        };
        Some(here)
    })
}

/// Whether `wire` is `zone` or lies below it: both whole lower-cased names without compression.
#[must_use]
pub fn is_under(wire: &[u8], zone: &[u8]) -> bool {
    wire.ends_with(zone) && suffixes(wire).any(|suffix| suffix.len() == zone.len())
}

impl Borrow<[u8]> for DomainName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for DomainName {
    /// Presentation format (RFC 1035 §5.1), with the final dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() == 1 {
            return f.write_str(".");
        }
        for suffix in suffixes(&self.0) {
            let Some((length, rest)) = suffix.split_first() else { continue };
            for byte in rest.iter().take(usize::from(*length)) {
                match byte {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => write!(f, "\\{}", char::from(*byte))?,
                    0x21..=0x7e => write!(f, "{}", char::from(*byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            if *length > 0 {
                f.write_str(".")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DomainName {
    type Err = Malformed;

    /// Presentation format; the final dot may be missing: every name is a whole name.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bad = || {
            let description = format!(
                "`{}` is not a domain name: labels of 1 to {MOST_LABEL} bytes joined by `.`, at most 253 characters in all",
                shown(text)
            );
            Malformed::new(Reason::NameMalformed, description)
        };
        match text {
            "" => Err(Malformed::new(Reason::FieldRequired, "a name is required")),
            "." => Ok(Self::root()),
            // Every byte of a name takes at most four characters of text.
            _ if text.len() > 4 * MOST_BYTES => Err(bad()),
            _ => parse(text.as_bytes()).map(|wire| Self(wire.into())).ok_or_else(bad),
        }
    }
}

fn parse(text: &[u8]) -> Option<Vec<u8>> {
    let mut wire = vec![0];
    // Where the length byte of the label in hand stands.
    let mut head = 0;
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'.' {
            close(&mut wire, head)?;
            head = wire.len();
            wire.push(0);
            continue;
        }
        let value = if *byte == b'\\' { unescape(&mut rest)? } else { *byte };
        wire.push(value.to_ascii_lowercase());
    }
    // A final dot has opened the root label already.
    if head + 1 < wire.len() {
        close(&mut wire, head)?;
        wire.push(0);
    }
    (wire.len() <= MOST_BYTES).then_some(wire)
}

fn close(wire: &mut [u8], head: usize) -> Option<()> {
    let length = wire.len() - head - 1;
    if !(1..=MOST_LABEL).contains(&length) {
        return None;
    }
    *wire.get_mut(head)? = u8::try_from(length).ok()?;
    Some(())
}

/// Reads what follows a backslash: three digits are the number of a byte, anything else stands for itself.
pub(super) fn unescape(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    if !first.is_ascii_digit() {
        *rest = after;
        return Some(*first);
    }
    let digits = rest.get(..3)?;
    *rest = rest.get(3..)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn text_and_wire_agree() {
        assert_eq!(name("Web.Shop.").as_wire(), b"\x03web\x04shop\x00");
        assert_eq!(name("web.shop"), name("WEB.shop."));
        assert_eq!(name(".").as_wire(), b"\0");
        assert_eq!(name("a\\.b.c").as_wire(), b"\x03a.b\x01c\x00");
        assert_eq!(name("\\000x").to_string(), "\\000x.");
        for bad in ["a..b", ".a", "..", &"x".repeat(64), &"x.".repeat(128), "a\\", "a\\25", "a\\999"] {
            assert_eq!(bad.parse::<DomainName>().unwrap_err().reason, Reason::NameMalformed, "{bad}");
        }
        assert!("x.".repeat(127).parse::<DomainName>().is_ok());
    }

    #[test]
    fn names_of_zone_files_are_whole_or_below_the_origin() {
        let read = |text: &str| DomainName::relative(text, &name("example.com")).map(|name| name.to_string());
        assert_eq!(read("@").unwrap(), "example.com.");
        assert_eq!(read("www").unwrap(), "www.example.com.");
        assert_eq!(read("www.example.org.").unwrap(), "www.example.org.");
        assert_eq!(read("a\\.").unwrap(), "a\\..example.com.", "an escaped dot ends no name");
        assert_eq!(read("a\\\\.").unwrap(), "a\\\\.");
        assert_eq!(read(".").unwrap(), ".");
        assert_eq!(read("x.".repeat(125).trim_end_matches('.')).unwrap_err().reason, Reason::NameMalformed);
    }

    #[test]
    fn below_means_at_a_label_boundary() {
        let zone = name("cluster.local");
        assert!(name("a.cluster.local").is_under(&zone) && zone.is_under(&zone));
        assert!(!name("xcluster.local").is_under(&zone) && !name("local").is_under(&zone));
        // The bytes of the zone end this name too, but begin inside a label.
        let inside = DomainName::from_wire(b"\x0fx\x07cluster\x05local\x00").unwrap();
        assert!(!inside.is_under(&zone));
    }

    #[test]
    fn a_name_never_grows_past_the_wire_limit() {
        let label = "x".repeat(63);
        let three = DomainName::root().below(&[&label, &label, &label]).unwrap();
        assert_eq!(three.child(&label), None);
        assert_eq!(three.child(&"y".repeat(61)).unwrap().as_wire().len(), 255);
        assert_eq!(DomainName::root().child(""), None);
    }

    proptest! {
        #[test]
        fn every_wire_name_survives_text(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..8)) {
            let mut wire: Vec<u8> = Vec::new();
            for label in &labels {
                wire.push(u8::try_from(label.len()).unwrap());
                wire.extend_from_slice(label);
            }
            wire.push(0);
            let name = DomainName::from_wire(&wire).unwrap();
            prop_assert_eq!(name.to_string().parse::<DomainName>().unwrap(), name);
        }

        #[test]
        fn any_text_is_a_name_or_refused(text in ".{0,300}") {
            if let Ok(name) = text.parse::<DomainName>() {
                prop_assert!(name.as_wire().len() <= MOST_BYTES);
                prop_assert_eq!(DomainName::from_wire(name.as_wire()).unwrap(), name);
            }
        }
    }
}
