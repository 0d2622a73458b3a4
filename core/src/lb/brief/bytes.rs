//! Values one after the other, in as few bytes as that takes.

use std::net::IpAddr;
use std::sync::Arc;

/// The bits of a number that one byte has; the highest bit says that there is more.
const BITS: u32 = 7;

/// Bytes in the making.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn finish(self) -> Arc<[u8]> {
        self.0.into()
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(flag.into());
    }

    #[expect(clippy::cast_possible_truncation, reason = "what does not fit follows")]
    pub(super) fn number(&mut self, mut number: usize) {
        while number >> BITS > 0 {
            self.0.push(number as u8 | 1 << BITS);
            number >>= BITS;
        }
        self.0.push(number as u8);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn address(&mut self, address: IpAddr) {
        self.flag(address.is_ipv6());
        match address {
            IpAddr::V4(v4) => self.0.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => self.0.extend_from_slice(&v6.octets()),
        }
    }

    pub(super) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn each<T>(&mut self, list: &[T], write: impl Fn(&mut Self, &T)) {
        self.number(list.len());
        list.iter().for_each(|item| write(self, item));
    }
}

/// What has not been read yet.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.0.split_off(..N)?.try_into().ok()
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.array().map(|[byte]| byte != 0)
    }

    pub(super) fn number(&mut self) -> Option<usize> {
        if let Some((byte @ 0..=0x7f, rest)) = self.0.split_first() {
            self.0 = rest;
            return Some(usize::from(*byte));
        }
        let mut number = 0;
        for shift in (0..usize::BITS).step_by(BITS as usize) {
            let [byte] = self.array()?;
            number |= usize::from(byte & !(1 << BITS)) << shift;
            if byte >> BITS == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.0.split_off(..length)?).ok()
    }

    /// Passes over a text.
    pub(super) fn skip_text(&mut self) -> Option<()> {
        let length = self.number()?;
        self.0.split_off(..length).map(drop)
    }

    pub(super) fn address(&mut self) -> Option<IpAddr> {
        if self.flag()? { self.array::<16>().map(IpAddr::from) } else { self.array::<4>().map(IpAddr::from) }
    }

    /// The outer `Option` is whether it could be read.
    #[expect(clippy::option_option, reason = "the inner one is the value")]
    pub(super) fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Some(None) }
    }

    pub(super) fn each<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| read(self)).collect()
    }
}
