//! The catalogue of reasons: what each means and what to do, from the comments of `polder.type.v1.ErrorReason`.

use std::fmt;

use polder_core::reason::Reason;
use prost_reflect::EnumValueDescriptor;

use crate::dynamic::descriptors;

/// What a reason means, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The reason.
    pub reason: Reason,
    /// One sentence: what is the matter.
    pub cause: String,
    /// What to do.
    pub fix: String,
    /// The gRPC code of a call that is refused for it, in the specification's spelling: `NOT_FOUND`.
    pub code: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})\n  {}\n  Fix: {}", self.reason, self.code, self.cause, self.fix)
    }
}

/// The entry of one reason. `None` when the catalogue has none, which a test rules out.
#[must_use]
pub fn explain(reason: Reason) -> Option<Explanation> {
    let catalogue = descriptors().get_enum_by_name("polder.type.v1.ErrorReason")?;
    let comment = comment_of(&catalogue.get_value(reason.number())?)?;
    let mut entry = Explanation { reason, cause: String::new(), fix: String::new(), code: String::new() };
    for line in comment.lines().map(str::trim) {
        if let Some(fix) = line.strip_prefix("Fix: ") {
            fix.clone_into(&mut entry.fix);
        } else if let Some(code) = line.strip_prefix("Code: ") {
            code.trim_end_matches('.').clone_into(&mut entry.code);
        } else {
            line.clone_into(&mut entry.cause);
        }
    }
    Some(entry)
}

/// Every entry, in the order of the reasons' numbers.
pub fn catalogue() -> impl Iterator<Item = Explanation> {
    Reason::ALL.iter().copied().filter_map(explain)
}

fn comment_of(value: &EnumValueDescriptor) -> Option<String> {
    let file = value.parent_enum().parent_file();
    let locations = &file.file_descriptor_proto().source_code_info.as_ref()?.location;
    locations.iter().find(|location| location.path == value.path())?.leading_comments.clone()
}

#[cfg(test)]
mod tests {
    use polder_core::reason::Kind;

    use super::*;
    use crate::types::v1::ErrorReason;

    const PREFIX: &str = "ERROR_REASON_";

    #[test]
    fn core_and_proto_have_the_same_reasons() {
        for reason in Reason::ALL {
            let twin = ErrorReason::try_from(reason.number());
            assert!(twin.is_ok(), "ErrorReason lacks {reason} = {}", reason.number());
            assert_eq!(twin.unwrap().as_str_name(), format!("{PREFIX}{reason}"));
        }
        let catalogue = descriptors().get_enum_by_name("polder.type.v1.ErrorReason").unwrap();
        for value in catalogue.values().filter(|value| value.number() != 0) {
            let reason: Reason = value.name().strip_prefix(PREFIX).unwrap().parse().unwrap();
            assert_eq!(reason.number(), value.number(), "{reason}");
        }
    }

    #[test]
    fn every_reason_has_cause_fix_and_the_code_of_its_kind() {
        assert_eq!(catalogue().count(), Reason::ALL.len());
        for entry in catalogue() {
            assert!(entry.cause.ends_with('.') && entry.fix.ends_with('.'), "{entry:?}");
            assert_eq!(entry.code, code(entry.reason.kind()), "{}", entry.reason);
        }
    }

    #[test]
    fn an_entry_reads_well() {
        let text = explain(Reason::PoolExhausted).unwrap().to_string();
        assert!(text.starts_with("POOL_EXHAUSTED (RESOURCE_EXHAUSTED)\n  Every eligible pool is full.\n  Fix: Extend"), "{text}");
    }

    /// The codes written out once more: the comments are what people read.
    const fn code(kind: Kind) -> &'static str {
        match kind {
            Kind::Invalid => "INVALID_ARGUMENT",
            Kind::NotFound => "NOT_FOUND",
            Kind::Exists => "ALREADY_EXISTS",
            Kind::Precondition => "FAILED_PRECONDITION",
            Kind::Exhausted => "RESOURCE_EXHAUSTED",
            Kind::Aborted => "ABORTED",
            Kind::Denied => "PERMISSION_DENIED",
            Kind::OutOfRange => "OUT_OF_RANGE",
            Kind::Unavailable => "UNAVAILABLE",
            Kind::Deadline => "DEADLINE_EXCEEDED",
            Kind::Unimplemented => "UNIMPLEMENTED",
            Kind::Internal => "INTERNAL",
        }
    }
}
