//! Names of zones and of what is in them, in the letters that keys of the store and paths of the API can have.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use super::super::name::{DomainName, MOST_LABEL};
use super::super::record::RecordType;
use crate::net::Label;
use crate::reason::{Malformed, Reason, shown};

/// The apex of a zone, as a name in it.
const APEX: &str = "@";
/// What stands between the apex of a zone and the view that it is in.
const VIEW: char = '@';

/// The most bytes of a name without its final dot.
const MOST_NAME: usize = 253;

/// Letters as host names have them, and `_` as names of services have it.
fn is_label(label: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MOST_LABEL).contains(&label.len()) && label.bytes().all(legal)
}

/// The name of a zone: letters, digits, `-` and `_` in labels joined by dots; lower case, without the final dot. A zone that only the
/// clients of a [view](super::super::views) see has the view's name behind it: `corp.example@branch`.
#[derive(Clone)]
pub struct ZoneName {
    text: Arc<str>,
    domain: DomainName,
    view: Option<Label>,
}

impl ZoneName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The apex.
    #[must_use]
    pub const fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// The apex, without its final dot.
    #[must_use]
    pub fn apex(&self) -> &str {
        self.text.split_once(VIEW).map_or(&*self.text, |(apex, _)| apex)
    }

    /// The view whose clients see it; `None`: all do, unless there is one with the same apex in their view.
    #[must_use]
    pub const fn view(&self) -> Option<&Label> {
        self.view.as_ref()
    }

    /// The zone with this apex in a view, or in none, as text.
    pub(super) fn text(apex: &str, view: Option<&Label>) -> String {
        view.map_or_else(|| apex.to_owned(), |view| format!("{apex}{VIEW}{view}"))
    }
}

impl FromStr for ZoneName {
    type Err = Malformed;

    /// A final dot and capitals are taken, and say nothing.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() {
            return Err(Malformed::new(Reason::FieldRequired, "the name of a zone is required, such as `site-12.example`"));
        }
        let (apex, view) = text.split_once(VIEW).map_or((text, None), |(apex, view)| (apex, Some(view)));
        let view: Result<Option<Label>, Malformed> = view.map(str::parse).transpose();
        let inner = apex.strip_suffix('.').unwrap_or(apex);
        let legal = inner.len() <= MOST_NAME && inner.split('.').all(is_label);
        let domain = legal.then(|| inner.parse::<DomainName>().ok()).flatten();
        match (domain, view) {
            (Some(domain), Ok(view)) => {
                Ok(Self { text: Self::text(&inner.to_ascii_lowercase(), view.as_ref()).into(), domain, view })
            }
            _ => {
                let description = format!(
                    "`{}` is not the name of a zone: letters, digits, `-` and `_` in parts of at most {MOST_LABEL} joined by `.`, at \
                     most {MOST_NAME} in all; `@` and the name of a view may follow",
                    shown(text)
                );
                Err(Malformed::new(Reason::NameMalformed, description))
            }
        }
    }
}

// The text says it all: the other form follows from it.
impl PartialEq for ZoneName {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ZoneName {}

impl PartialOrd for ZoneName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ZoneName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for ZoneName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Borrow<str> for ZoneName {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A name in a zone: `www`, `_sip._tcp`, `*.app`, or `@` for the zone's own. Lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The zone's own name.
    #[must_use]
    pub fn apex() -> Self {
        Self(APEX.into())
    }

    /// The name that a whole name has in the zone.
    ///
    /// # Errors
    /// [`Reason::NameMalformed`] when it lies elsewhere, or has letters that names here cannot have.
    pub fn of(name: &DomainName, zone: &ZoneName) -> Result<Self, Malformed> {
        if name == zone.domain() {
            return Ok(Self::apex());
        }
        if !name.is_under(zone.domain()) {
            return Err(Malformed::new(Reason::NameMalformed, format!("`{name}` does not lie in zone `{zone}`")));
        }
        let whole = name.to_string();
        let text = whole.strip_suffix(&format!(".{}.", zone.apex())).unwrap_or(&whole);
        text.parse()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the zone's own name.
    #[must_use]
    pub fn is_apex(&self) -> bool {
        &*self.0 == APEX
    }

    /// Whether it stands for all names that are not there.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        &*self.0 == "*" || self.0.starts_with("*.")
    }

    /// The name itself, then each name above it, down to the one below the apex; of the apex none.
    pub(in crate::dns) fn with_above(&self) -> impl Iterator<Item = Self> + use<> {
        let first = Some(self.clone()).filter(|name| !name.is_apex());
        std::iter::successors(first, |name| name.0.split_once('.').map(|(_, above)| Self(above.into())))
    }

    /// Whether it is `other` or lies below it. Everything lies below the apex.
    pub(super) fn is_under(&self, other: &Self) -> bool {
        other.is_apex() || self.with_above().any(|name| name == *other)
    }
}

impl FromStr for Owner {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() {
            return Err(Malformed::new(Reason::FieldRequired, "the name of a record set is required; `@` is the zone's own name"));
        }
        let plain = text.strip_prefix("*.").unwrap_or(text);
        if text == APEX || text == "*" || (text.len() <= MOST_NAME && plain.split('.').all(is_label)) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        let description = format!(
            "`{}` is not a name in a zone: letters, digits, `-` and `_` in parts of at most {MOST_LABEL} joined by `.`, without the \
             zone's name; `@` is the zone's own name, and a first part `*` stands for every name that is not there",
            shown(text)
        );
        Err(Malformed::new(Reason::NameMalformed, description))
    }
}

impl Borrow<str> for Owner {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which record set: the zone, the name in it, the type.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordSetKey {
    zone: ZoneName,
    owner: Owner,
    rtype: RecordType,
    domain: DomainName,
}

impl RecordSetKey {
    /// The set of this type at this name.
    ///
    /// # Errors
    /// [`Reason::NameMalformed`] when the name is too long together with the zone's.
    pub fn new(zone: ZoneName, owner: Owner, rtype: RecordType) -> Result<Self, Malformed> {
        let domain = DomainName::relative(owner.as_str(), zone.domain())?;
        Ok(Self { zone, owner, rtype, domain })
    }

    /// The zone.
    #[must_use]
    pub const fn zone(&self) -> &ZoneName {
        &self.zone
    }

    /// The name in the zone.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The type.
    #[must_use]
    pub const fn rtype(&self) -> RecordType {
        self.rtype
    }

    /// The whole name.
    #[must_use]
    pub const fn domain(&self) -> &DomainName {
        &self.domain
    }
}

impl fmt::Display for RecordSetKey {
    /// `site-12.example/www/A`, as in keys and paths.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.zone, self.owner, self.rtype)
    }
}

impl fmt::Debug for RecordSetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names_of_plain_letters() {
        let name = |text: &str| text.parse::<ZoneName>();
        assert_eq!(name("Site-12.Example.").unwrap().as_str(), "site-12.example");
        assert_eq!(name("0-26.2.0.192.in-addr.arpa").unwrap().domain().to_string(), "0-26.2.0.192.in-addr.arpa.");
        for bad in [".", "a..b", "*.example", "a/b", "a b", "ä.example", "a\\.b", &"x".repeat(64), &"x.".repeat(128)] {
            assert_eq!(name(bad).unwrap_err().reason, Reason::NameMalformed, "{bad}");
        }
        assert_eq!(name("").unwrap_err().reason, Reason::FieldRequired);
    }

    #[test]
    fn a_zone_may_be_in_a_view() {
        let name: ZoneName = "Corp.Example.@branch".parse().unwrap();
        assert_eq!((name.as_str(), name.apex()), ("corp.example@branch", "corp.example"));
        assert_eq!((name.domain().to_string().as_str(), name.view().unwrap().as_str()), ("corp.example.", "branch"));
        assert_eq!("corp.example".parse::<ZoneName>().unwrap().view(), None);
        for bad in ["corp.example@", "corp.example@Branch", "corp.example@a@b", "@branch"] {
            assert_eq!(bad.parse::<ZoneName>().unwrap_err().reason, Reason::NameMalformed, "{bad}");
        }
        let key = RecordSetKey::new(name.clone(), "www".parse().unwrap(), RecordType::A).unwrap();
        assert_eq!(
            (key.to_string().as_str(), key.domain().to_string().as_str()),
            ("corp.example@branch/www/A", "www.corp.example.")
        );
        assert_eq!(&Owner::of(key.domain(), &name).unwrap(), key.owner());
    }

    #[test]
    fn names_in_zones_have_a_wildcard_only_at_the_front() {
        let name = |text: &str| text.parse::<Owner>();
        for good in ["@", "*", "*.app", "WWW", "_sip._tcp", "a.b.c"] {
            assert_eq!(name(good).unwrap().as_str(), good.to_lowercase());
        }
        for bad in ["a.*", "*.*", "*a", "www.", ".", "@.a", "a/b", "a b"] {
            assert_eq!(name(bad).unwrap_err().reason, Reason::NameMalformed, "{bad}");
        }
        assert!(name("*.app").unwrap().is_wildcard() && !name("app").unwrap().is_wildcard());
        assert_eq!(name("a.b.c").unwrap().with_above().map(|name| name.to_string()).collect::<Vec<_>>(), ["a.b.c", "b.c", "c"]);
        assert_eq!(Owner::apex().with_above().count(), 0);
    }

    #[test]
    fn whole_names_and_names_in_zones_agree() {
        let zone: ZoneName = "example.com".parse().unwrap();
        for (owner, whole) in [("@", "example.com."), ("*.app", "*.app.example.com."), ("www", "www.example.com.")] {
            let key = RecordSetKey::new(zone.clone(), owner.parse().unwrap(), RecordType::A).unwrap();
            assert_eq!(key.domain().to_string(), whole);
            assert_eq!(&Owner::of(key.domain(), &zone).unwrap(), key.owner());
            assert_eq!(key.to_string(), format!("example.com/{owner}/A"));
        }
        for outside in ["example.org", "com", "xexample.com", "a\\.b.example.com"] {
            assert_eq!(Owner::of(&outside.parse().unwrap(), &zone).unwrap_err().reason, Reason::NameMalformed);
        }
        let long = ["x".repeat(60), "x".repeat(60), "x".repeat(60), "x".repeat(60)].join(".").parse().unwrap();
        assert_eq!(RecordSetKey::new(zone, long, RecordType::A).unwrap_err().reason, Reason::NameMalformed);
    }
}
