//! What is held of the keys of other programs, and how much: they are not ours to bound, so we bound what we take.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use polder_core::dns::skydns::{Entry, Key, Unusable, View, Why};
use polder_proto::stored::dns::skydns::decode;

use crate::config::SkyDnsConfig;

/// How many keys are held, and how many bytes of them and their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    keys: usize,
    bytes: usize,
}

const BOUNDS: Bounds = Bounds { keys: 65_536, bytes: 16 << 20 };

/// See the module.
pub(crate) struct Book {
    prefix: Arc<str>,
    bounds: Bounds,
    view: View,
    /// The bytes of each key that is held.
    sizes: BTreeMap<Key, usize>,
    bytes: usize,
    full: bool,
}

impl Book {
    /// An empty one: nothing has been read.
    pub(crate) fn new(config: &SkyDnsConfig) -> Self {
        let view = View::unread(Arc::clone(&config.zones));
        Self { prefix: config.prefix.as_str().into(), bounds: BOUNDS, view, sizes: BTreeMap::new(), bytes: 0, full: false }
    }

    /// What is held.
    pub(crate) const fn view(&self) -> &View {
        &self.view
    }

    /// From now on it is all that there is.
    pub(crate) fn is_read(&mut self) {
        self.view.set_read();
    }

    /// Whether keys were left out because there were too many.
    pub(crate) const fn is_full(&self) -> bool {
        self.full
    }

    /// Takes what a key says now; `None` when it is gone.
    ///
    /// # Errors
    /// [`Unusable`] for what is left out; what the key said before is gone too.
    pub(crate) fn take(&mut self, key: &Bytes, value: Option<&Bytes>) -> Result<(), Unusable> {
        // A key that is no text was never held.
        let name: Option<Key> = std::str::from_utf8(key).ok().map(Key::from);
        if let Some(name) = &name {
            self.bytes -= self.sizes.remove(name).unwrap_or_default();
        }
        let read = value.map(|value| decode(&self.prefix, key, value).map(|entry| (entry, key.len() + value.len()))).transpose();
        let kept = read.and_then(|read| self.fits(read));
        let (entry, error) = match kept {
            Ok(entry) => (entry, None),
            Err(unusable) => (None, Some(unusable)),
        };
        if let Some(name) = name {
            if let Some((_, size)) = &entry {
                self.bytes += size;
                self.sizes.insert(Arc::clone(&name), *size);
            }
            self.view.put(&name, entry.map(|(entry, _)| Arc::new(entry)));
        }
        error.map_or(Ok(()), Err)
    }

    /// What of it is held: what lies in no zone of ours is not.
    fn fits(&mut self, read: Option<(Entry, usize)>) -> Result<Option<(Entry, usize)>, Unusable> {
        let Some((entry, size)) = read.filter(|(entry, _)| self.view.wants(entry)) else { return Ok(None) };
        let Bounds { keys, bytes } = self.bounds;
        if self.sizes.len() >= keys || self.bytes + size > bytes {
            self.full = true;
            return Err(Unusable::new(Why::Many, format!("there are more than {keys} keys, or {bytes} bytes of them")));
        }
        Ok(Some((entry, size)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn book(bounds: Bounds) -> Book {
        let zones = ["example.org"].map(|zone| zone.parse().unwrap()).into();
        let config = SkyDnsConfig { prefix: "/skydns".to_owned(), zones, audit_every: Duration::from_secs(300) };
        Book { bounds, ..Book::new(&config) }
    }

    fn take(book: &mut Book, path: &str, value: Option<&str>) -> Result<(), Why> {
        let (key, value) = (Bytes::from(format!("/skydns{path}")), value.map(|value| Bytes::from(value.to_owned())));
        book.take(&key, value.as_ref()).map_err(|unusable| unusable.why)
    }

    const GOOD: Option<&str> = Some(r#"{"host":"192.0.2.1"}"#);

    #[test]
    fn what_is_held_is_bounded_and_there_is_room_again() {
        let mut book = book(Bounds { keys: 2, bytes: 100 });
        assert_eq!([take(&mut book, "/org/example/a", GOOD), take(&mut book, "/org/example/b", GOOD)], [Ok(()), Ok(())]);
        assert_eq!(take(&mut book, "/org/example/a", GOOD), Ok(()), "the same again takes no more");
        assert_eq!((take(&mut book, "/org/example/c", GOOD), book.is_full()), (Err(Why::Many), true));
        assert_eq!(take(&mut book, "/org/elsewhere/c", GOOD), Ok(()), "what is in no zone takes nothing");
        assert_eq!((take(&mut book, "/org/example/b", None), book.view().len()), (Ok(()), 1));
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(90));
        assert_eq!(take(&mut book, "/org/example/c", Some(&long)), Err(Why::Many));
        assert_eq!(take(&mut book, "/org/example/c", GOOD), Ok(()));
        for path in ["/org/example/a", "/org/example/c"] {
            take(&mut book, path, None).unwrap();
        }
        assert_eq!((book.bytes, book.sizes.len(), book.view().len()), (0, 0, 0));
    }

    #[test]
    fn what_cannot_be_used_any_more_is_gone() {
        let mut book = book(BOUNDS);
        take(&mut book, "/org/example/a", GOOD).unwrap();
        assert_eq!(take(&mut book, "/org/example/a", Some("{")), Err(Why::Json));
        assert_eq!((book.view().len(), book.bytes), (0, 0));
        assert_eq!(book.take(&Bytes::from_static(b"/skydns/\xff"), Some(&Bytes::new())).unwrap_err().why, Why::Key);
    }
}
