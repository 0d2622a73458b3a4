//! Values that all packages share.

use std::collections::BTreeMap;

use polder_core::id::RequestId;
use polder_core::net::labels::Requirement;
use polder_core::net::{Family, Labels, Selector};
use polder_core::reason::{Malformed, Reason, Violations, shown};
use polder_core::time::Timestamp;

use crate::types::v1 as pb;

/// The most labels of one object, and the most requirements of one selector, and the most values of one of them.
pub const MOST_LABELS: usize = 100;
/// The most bytes of a selector's text.
const MOST_EXPRESSION: usize = 4096;

/// A point in time as protobuf has it.
#[must_use]
pub fn show_time(time: Timestamp) -> prost_types::Timestamp {
    let nanos = (time.0 % 1_000_000) * 1000;
    prost_types::Timestamp {
        seconds: i64::try_from(time.seconds()).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}

/// Labels as a map.
#[must_use]
pub fn show_labels(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A family as the API names it.
#[must_use]
pub const fn show_family(family: Family) -> pb::AddressFamily {
    match family {
        Family::V4 => pb::AddressFamily::Ipv4,
        Family::V6 => pb::AddressFamily::Ipv6,
    }
}

/// A reference to an object.
#[must_use]
pub fn object(kind: &str, namespace: &str, name: &str, uid: &str) -> pb::ObjectRef {
    pb::ObjectRef { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned(), uid: uid.to_owned() }
}

/// Labels, or why not.
pub fn labels(map: BTreeMap<String, String>, field: &str, bad: &mut Violations) -> Labels {
    if map.len() > MOST_LABELS {
        bad.add(field, Reason::CountOutOfBounds, format!("{} labels are too many; at most {MOST_LABELS} are taken", map.len()));
        return Labels::default();
    }
    bad.take(field, Labels::new(map)).unwrap_or_default()
}

/// A label selector in all its forms; every part that is given must match.
pub fn selector(selector: Option<&pb::LabelSelector>, field: &str, bad: &mut Violations) -> Selector {
    let Some(selector) = selector else { return Selector::default() };
    let mut all = Vec::new();
    let (labels, expressions) = (format!("{field}.match_labels"), format!("{field}.match_expressions"));
    if few_requirements(selector.match_labels.len(), &labels, bad) {
        for (key, value) in &selector.match_labels {
            all.extend(bad.take(labels.as_str(), Requirement::new(key, "In", std::slice::from_ref(value))));
        }
    }
    if few_requirements(selector.match_expressions.len(), &expressions, bad) {
        for (at, given) in selector.match_expressions.iter().enumerate() {
            let field = format!("{expressions}[{at}]");
            if few_requirements(given.values.len(), &field, bad) {
                all.extend(bad.take(field, requirement(given)));
            }
        }
    }
    let field = format!("{field}.expression");
    if selector.expression.len() > MOST_EXPRESSION {
        let why = format!("{} bytes are too many; at most {MOST_EXPRESSION} are taken", selector.expression.len());
        bad.add(field, Reason::FieldTooLong, why);
        return Selector::default();
    }
    let text: Option<Selector> = bad.take(field.as_str(), selector.expression.parse());
    let text = text.unwrap_or_default();
    few_requirements(text.requirements().len(), &field, bad);
    Selector::new(all.into_iter().chain(text.requirements().iter().cloned()))
}

fn few_requirements(count: usize, field: &str, bad: &mut Violations) -> bool {
    if count > MOST_LABELS {
        bad.add(field, Reason::CountOutOfBounds, format!("{count} are too many; at most {MOST_LABELS} are taken"));
    }
    count <= MOST_LABELS
}

fn requirement(requirement: &pb::LabelRequirement) -> Result<Requirement, Malformed> {
    let operator = match pb::LabelOperator::try_from(requirement.operator) {
        Ok(pb::LabelOperator::In) => "In",
        Ok(pb::LabelOperator::NotIn) => "NotIn",
        Ok(pb::LabelOperator::Exists) => "Exists",
        Ok(pb::LabelOperator::DoesNotExist) => "DoesNotExist",
        Ok(pb::LabelOperator::Unspecified) | Err(_) => "",
    };
    Requirement::new(&requirement.key, operator, &requirement.values)
}

/// The caller's id of a mutation; empty is none.
pub fn request_id(text: &str, bad: &mut Violations) -> Option<RequestId> {
    match text {
        "" => None,
        text => bad.take("request_id", text.parse()),
    }
}

/// How a change is to be made, apart from what changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    /// The caller's id for it.
    pub request_id: Option<RequestId>,
    /// Plan only.
    pub validate_only: bool,
}

impl Manner {
    /// Reads what requests say of it.
    pub fn read(id: &str, validate_only: bool, bad: &mut Violations) -> Self {
        Self { request_id: request_id(id, bad), validate_only }
    }
}

/// The value of an enum, or a complaint about a number that has no name.
pub fn known<T: TryFrom<i32> + Default>(number: i32, field: &str, bad: &mut Violations) -> T {
    T::try_from(number).unwrap_or_else(|_| {
        bad.add(field, Reason::InvalidArgument, format!("{number} is no value that this version knows"));
        T::default()
    })
}

/// Text that parses, or why not.
pub fn parsed<T: std::str::FromStr<Err = Malformed>>(text: &str, field: impl Into<String>, bad: &mut Violations) -> Option<T> {
    bad.take(field, text.parse())
}

/// As [`parsed`], where empty is absent.
pub fn optional<T: std::str::FromStr<Err = Malformed>>(text: &str, field: impl Into<String>, bad: &mut Violations) -> Option<T> {
    if text.is_empty() { None } else { parsed(text, field, bad) }
}

/// A port number, 1 to 65535.
pub fn port(number: u32, field: impl Into<String>, bad: &mut Violations) -> Option<u16> {
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    if port.is_none() {
        bad.add(field, Reason::PortMalformed, format!("`{}` is not a port: 1 to 65535", shown(&number.to_string())));
    }
    port
}
