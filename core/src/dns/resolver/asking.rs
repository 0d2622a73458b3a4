//! The query that an upstream gets, with what only its own answer can repeat.

use super::super::record::RecordType;
use super::super::wire::{HEADER, MOST_UDP, OPTION_COOKIE};
use super::cookie::Cookie;
use super::question::{CLASS_IN, FLAG_AUTHENTIC, FLAG_CHECKING_DISABLED, FLAG_RECURSION_DESIRED, Key};

/// The option that makes messages equally long (RFC 7830 §3), and the lengths that queries get by it (RFC 8467 §4.1).
const OPTION_PADDING: u16 = 12;
const BLOCK: usize = 128;
/// Bytes of an option before its data, and of an OPT record before its options.
const OPTION: usize = 4;
const OPT: usize = 11;

/// How a question is put to one server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asking {
    /// The number of the query.
    pub id: u16,
    /// Whether the query has an OPT record (RFC 6891); nothing of the rest is in one without, but the letters.
    pub edns: bool,
    /// The cookie that is shown.
    pub cookie: Option<Cookie>,
    /// Whether the query is filled up, so that its length says less of what it asks for.
    pub is_padded: bool,
    /// Which letters of the name are capitals, bit by bit and over again; 0: none.
    pub capitals: u128,
}

impl Asking {
    /// The query. It says that we understand the AD bit (RFC 6840 §5.7); with EDNS also how large an answer we take by UDP. What
    /// clients sent besides the question stays with us: their addresses, cookies, options.
    #[must_use]
    pub fn encode(&self, key: &Key) -> Vec<u8> {
        let checking = if key.checking_disabled { FLAG_CHECKING_DISABLED } else { 0 };
        let mut message = Vec::with_capacity(2 * BLOCK);
        message.extend_from_slice(&self.id.to_be_bytes());
        message.extend_from_slice(&[FLAG_RECURSION_DESIRED, FLAG_AUTHENTIC | checking]);
        message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(self.edns)]);
        message.extend(self.name(key));
        message.extend_from_slice(&key.rtype.0.to_be_bytes());
        message.extend_from_slice(&CLASS_IN.to_be_bytes());
        if self.edns {
            let dnssec_ok = if key.dnssec_ok { 0x80 } else { 0 };
            let options = self.options(message.len() + OPT);
            message.push(0);
            message.extend_from_slice(&RecordType::OPT.0.to_be_bytes());
            message.extend_from_slice(&MOST_UDP.to_be_bytes());
            message.extend_from_slice(&[0, 0, dnssec_ok, 0]);
            message.extend_from_slice(&length(&options));
            message.extend_from_slice(&options);
        }
        message
    }

    /// The options of a query that has `before` bytes without them.
    fn options(&self, before: usize) -> Vec<u8> {
        let mut options = Vec::new();
        if let Some(cookie) = self.cookie {
            let data = cookie.to_wire();
            options.extend_from_slice(&[0, OPTION_COOKIE]);
            options.extend_from_slice(&length(&data));
            options.extend_from_slice(&data);
        }
        if self.is_padded {
            let filled = (before + options.len() + OPTION).next_multiple_of(BLOCK);
            let padding = vec![0; filled - before - options.len() - OPTION];
            options.extend_from_slice(&OPTION_PADDING.to_be_bytes());
            options.extend_from_slice(&length(&padding));
            options.extend_from_slice(&padding);
        }
        options
    }

    /// The name as it is written in the query.
    fn name(&self, key: &Key) -> impl Iterator<Item = u8> {
        // The lengths of labels are below the letters.
        let letters = key.name.as_wire().iter().enumerate();
        letters.map(|(nth, byte)| if self.capitals >> (nth % 128) & 1 == 1 { byte.to_ascii_uppercase() } else { *byte })
    }

    /// Whether an answer repeats the letters of the name as they were sent. The question of the answer is in small letters then: names
    /// behind it point into it.
    pub fn takes_back(&self, key: &Key, answer: &mut [u8]) -> bool {
        let end = HEADER + key.name.as_wire().len();
        let Some(name) = answer.get_mut(HEADER..end) else { return false };
        let is_same = name.iter().copied().eq(self.name(key));
        name.make_ascii_lowercase();
        is_same
    }
}

fn length(data: &[u8]) -> [u8; 2] {
    u16::try_from(data.len()).unwrap_or_default().to_be_bytes()
}
