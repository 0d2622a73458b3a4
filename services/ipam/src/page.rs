//! Pages of lists: bounded, filtered, and resumed after the last key of the page before.

use std::borrow::Cow;
use std::str::FromStr;

use polder_core::filter::Filter;
use polder_core::reason::{Malformed, Reason, Refusal, Violations};
use polder_proto::convert::page;
use sha2::{Digest, Sha256};

/// What a List request says about its page.
pub(crate) struct Page<K> {
    size: usize,
    /// The key of the last object of the page before.
    pub(crate) after: Option<K>,
    /// What an object must satisfy to be on it.
    pub(crate) filter: Filter,
    /// What its tokens carry of what was asked for, so that they are taken for nothing else.
    asked: String,
}

/// What a List request says about its page: the size, the token of the page before, the filter.
pub(crate) type Said<'a> = (u32, &'a str, &'a str);

/// The fields of an object that a filter may ask for.
pub(crate) trait Fields {
    /// Every field, `labels.*` for those below one.
    const KNOWN: &'static [&'static str];

    /// The values of a field.
    fn values<'a>(&'a self, field: &str) -> Vec<Cow<'a, str>>;
}

/// Reads a filter.
///
/// # Errors
/// `FILTER_MALFORMED`.
pub(crate) fn filter<F: Fields>(text: &str) -> Result<Filter, Refusal> {
    let mut bad = Violations::new();
    let filter = bad.take("filter", Filter::parse(text, F::KNOWN));
    bad.finish(filter)
}

impl<K: FromStr<Err = Malformed> + ToString> Page<K> {
    /// Reads what a request says about its page.
    ///
    /// # Errors
    /// `COUNT_OUT_OF_BOUNDS`, `PAGE_TOKEN_MALFORMED`, `FILTER_MALFORMED`: all that apply.
    pub(crate) fn read<F: Fields>(list: &str, size: u32, token: &str, filter: &str) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let page = Self::of::<F>(&[list], (size, token, filter), &mut bad);
        bad.finish(page)
    }

    /// The same for a list that other fields narrow: `list` is its name and their values.
    pub(crate) fn of<F: Fields>(list: &[&str], (size, token, filter): Said<'_>, bad: &mut Violations) -> Option<Self> {
        let asked = asked(list, filter);
        let size = page::size(size, bad);
        let after = page::after::<2>(token, bad).and_then(|[of, key]| {
            let foreign = || Malformed::new(Reason::PageTokenMalformed, "this is a token of another list, or of other fields");
            let key = key.parse().ok().filter(|_| of == asked);
            bad.take("page_token", key.ok_or_else(foreign))
        });
        let filter = bad.take("filter", Filter::parse(filter, F::KNOWN))?;
        Some(Self { size, after, filter, asked })
    }

    /// Takes a page of the objects that pass, from the first one after the page before, with the token of the next page.
    /// `objects` must come in the order of their keys, and begin after [`Page::after`].
    pub(crate) fn take<T: Fields>(&self, objects: impl Iterator<Item = (K, T)>) -> (Vec<T>, String) {
        let mut passing = objects.filter(|(_, object)| self.filter.matches(|field| object.values(field)));
        let mut found = Vec::new();
        let mut last = None;
        while found.len() < self.size {
            let Some((key, object)) = passing.next() else {
                return (found, String::new());
            };
            last = Some(key);
            found.push(object);
        }
        let token = passing.next().and(last).map(|key| self.token_after(&key)).unwrap_or_default();
        (found, token)
    }

    /// The token of the page that begins behind a key.
    pub(crate) fn token_after(&self, key: &K) -> String {
        page::token(&[&self.asked, &key.to_string()])
    }
}

/// The values of a label, or of all labels for a filter over them.
pub(crate) fn label<'a>(labels: &'a polder_core::net::Labels, field: &str) -> Vec<Cow<'a, str>> {
    let key = field.strip_prefix("labels.").unwrap_or_default();
    labels.get(key).map(Cow::Borrowed).into_iter().collect()
}

/// Stands for a list and its filter, the same in every replica.
fn asked(list: &[&str], filter: &str) -> String {
    let mut digest = Sha256::new();
    for part in list.iter().chain([&filter]) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
