//! Names, identities, request ids and hardware addresses: what parses is printed and read back as the same, within its bounds.

use polder_core::id::{RequestId, Uid};
use polder_core::net::{Label, Mac, Name};
use polder_core::reason::Reason;

use super::{Target, comes_back, refused_well};
use crate::Shape;

/// The target.
pub const TARGET: Target = Target {
    name: "names",
    shape: Shape::Text(&["a", "-", ".", "0", "A", "_", "/", "ä", "xn--", ":", "00:15:5d", "+", " ", "ffffffff", "a.b.c.d.e.f.g."]),
    run,
};

fn run(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    let reasons = [Reason::NameMalformed, Reason::FieldRequired];
    let (label, name) = (comes_back::<Label>(text, &reasons), comes_back::<Name>(text, &reasons));
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let part = |part: &str| {
        let (first, last) = (part.bytes().next(), part.bytes().last());
        (1..=63).contains(&part.len()) && part.bytes().all(legal) && first != Some(b'-') && last != Some(b'-')
    };
    assert_eq!(label.is_some(), part(text));
    assert_eq!(name.is_some(), text.len() <= 253 && text.split('.').all(part));
    assert!(label.is_none_or(|label| Name::from(label).as_str() == text));
    if let Some(uid) = comes_back::<Uid>(text, &[Reason::InvalidArgument, Reason::FieldRequired]) {
        assert_eq!(uid.to_string(), text.to_ascii_lowercase());
    }
    if let Some(mac) = comes_back::<Mac>(text, &[Reason::InvalidArgument]) {
        assert_eq!(mac.to_string(), text.to_ascii_lowercase().replace('-', ":"));
    }
    match text.parse::<RequestId>() {
        Ok(id) => assert!(id.as_str() == text && (1..=RequestId::MOST).contains(&text.len())),
        Err(error) => refused_well(&error, &[Reason::RequestIdMalformed]),
    }
}
