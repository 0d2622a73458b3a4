//! Findings of checks.

use polder_core::ipam::{Finding, Severity};

use crate::convert::common::object;
use crate::types::v1 as types;

/// A finding.
#[must_use]
pub fn show(finding: &Finding) -> types::Finding {
    let severity = match finding.severity {
        Severity::Error => types::Severity::Error,
        Severity::Warning => types::Severity::Warning,
        Severity::Info => types::Severity::Info,
    };
    let refer = |subject: &String| {
        let (kind, name) = subject.split_once('/').unwrap_or(("", subject));
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        object(kind.strip_suffix('s').unwrap_or(kind), namespace, name, "")
    };
    types::Finding {
        severity: severity.into(),
        reason: finding.reason.as_str().to_owned(),
        field: finding.field.clone(),
        message: finding.message.clone(),
        suggestion: finding.suggestion.clone(),
        objects: finding.objects.iter().map(refer).collect(),
    }
}
