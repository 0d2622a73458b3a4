//! Pages of lists: bounded, filtered, and resumed after the last key of the page before.

use std::borrow::Cow;
use std::str::FromStr;

use polder_core::filter::Filter;
use polder_core::reason::{Malformed, Reason, Refusal, Violations};
use polder_proto::convert::page;

/// What a List request says about its page.
pub(crate) struct Page<K> {
    size: usize,
    /// The key of the last object of the page before.
    pub(crate) after: Option<K>,
    /// What an object must satisfy to be on it.
    pub(crate) filter: Filter,
}

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
    pub(crate) fn read<F: Fields>(size: u32, token: &str, filter: &str) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let size = page::size(size, &mut bad);
        let after = page::after::<1>(token, &mut bad).and_then(|[key]| {
            let foreign = |_| Malformed::new(Reason::PageTokenMalformed, "this is a token of another list");
            bad.take("page_token", key.parse().map_err(foreign))
        });
        let filter = bad.take("filter", Filter::parse(filter, F::KNOWN));
        bad.finish(filter).map(|filter| Self { size, after, filter })
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
        let token = passing.next().and(last).map(|key| page::token(&[&key.to_string()])).unwrap_or_default();
        (found, token)
    }
}

/// The values of a label, or of all labels for a filter over them.
pub(crate) fn label<'a>(labels: &'a polder_core::net::Labels, field: &str) -> Vec<Cow<'a, str>> {
    let key = field.strip_prefix("labels.").unwrap_or_default();
    labels.get(key).map(Cow::Borrowed).into_iter().collect()
}
