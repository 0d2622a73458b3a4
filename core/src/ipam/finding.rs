//! What a check has to say: about a network that is to be applied, or about the stored state.

use std::fmt;

use crate::reason::{Obstacle, Reason};

/// How bad a finding is; the worst sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It forbids the change, or breaks a promise.
    Error,
    /// It may be meant so.
    Warning,
    /// Good to know.
    Info,
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The stable reason.
    pub reason: Reason,
    /// The field of the request it is about, in proto field names; empty for stored state.
    pub field: String,
    /// What was found, with the values.
    pub message: String,
    /// What to do about it; may be empty.
    pub suggestion: String,
    /// The objects concerned: `pools/external`.
    pub objects: Vec<String>,
}

impl Finding {
    /// A finding about a field.
    #[must_use]
    pub fn new(severity: Severity, reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        let objects = Vec::new();
        Self { severity, reason, field: field.into(), message: message.into(), suggestion: String::new(), objects }
    }

    /// Adds what to do.
    #[must_use]
    pub fn advise(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = suggestion.into();
        self
    }

    /// Adds an object concerned.
    #[must_use]
    pub fn about(mut self, kind: &str, name: impl fmt::Display) -> Self {
        self.objects.push(format!("{kind}/{name}"));
        self
    }

    /// The finding as what stands in the way of a change.
    #[must_use]
    pub fn obstacle(&self) -> Obstacle {
        let subject = if self.field.is_empty() { self.objects.join(", ") } else { self.field.clone() };
        Obstacle { reason: self.reason, subject, description: self.message.clone() }
    }
}
