//! Object names: what Kubernetes calls RFC 1123 labels and subdomains, so that names can be DNS names.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::reason::{Malformed, Reason, shown};

/// Whether the text is one RFC 1123 label: 1 to 63 of a-z, 0-9 and `-`, not at an end.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

macro_rules! text_type {
    ($name:ident, $legal:expr, $what:literal) => {
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                let legal: fn(&str) -> bool = $legal;
                if text.is_empty() {
                    return Err(Malformed::new(Reason::FieldRequired, "a name is required"));
                }
                if !legal(text) {
                    return Err(Malformed::new(
                        Reason::NameMalformed,
                        format!(concat!("`{}` is not a name: ", $what), shown(text)),
                    ));
                }
                Ok(Self(Arc::from(text)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

/// An RFC 1123 label: names of namespaces, services, ports and hosts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Arc<str>);

text_type!(Label, is_label, "1 to 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit");

/// An RFC 1123 subdomain: labels joined by dots, at most 253 bytes. Names of pools, nodes and reservations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

text_type!(
    Name,
    |text| text.len() <= 253 && text.split('.').all(is_label),
    "lower-case letters, digits and `-`, in parts of at most 63 joined by `.`, at most 253 in all"
);

impl From<Label> for Name {
    fn from(label: Label) -> Self {
        Self(label.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_names_are_what_kubernetes_takes() {
        for good in ["a", "shop", "web-1", "0", &"x".repeat(63)] {
            assert!(good.parse::<Label>().is_ok(), "{good}");
        }
        for bad in ["Shop", "-a", "a-", "a_b", "a.b", "ä", &"x".repeat(64)] {
            assert_eq!(bad.parse::<Label>().unwrap_err().reason, Reason::NameMalformed, "{bad}");
        }
        assert!("node-a.site-12.example".parse::<Name>().is_ok());
        for bad in ["a..b", ".a", "a.", &"x.".repeat(200)] {
            assert_eq!(bad.parse::<Name>().unwrap_err().reason, Reason::NameMalformed, "{bad}");
        }
        assert_eq!("".parse::<Name>().unwrap_err().reason, Reason::FieldRequired);
    }

    #[test]
    fn a_name_of_ten_megabytes_gives_a_short_message() {
        let error = "n".repeat(10 << 20).parse::<Label>().unwrap_err();
        assert!(error.description.len() < 300);
    }
}
