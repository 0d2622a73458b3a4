//! The tables are complete: every field that a caller may set has a row, or a reason why it needs none.

use std::collections::BTreeSet;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::client::method_of;
use super::request::without_places;
use super::table::Table;

/// Fields, and why they need no row.
pub type Why = &'static [(&'static str, &'static str)];

/// Tables, and what they must be about.
#[derive(Debug)]
pub struct Complete {
    /// The package of the API: `polder.ipam.v1`.
    pub package: &'static str,
    /// The methods that the tables are about.
    pub methods: Vec<MethodDescriptor>,
    /// The tables.
    pub tables: Vec<Table>,
    /// Fields of which every value is good, wherever they stand: `polder.ipam.v1.Pool.priority`.
    pub any: Why,
    /// Fields that a method does not read, and what stands below them: `CreatePoolRequest.pool.etag`.
    pub unread: Why,
}

impl Complete {
    /// Fails when a field of the methods, of which there are at least so many, has neither a row nor a reason, or has both.
    pub fn assert(&self, least: usize) {
        let rowed = self.rowed();
        let mut fields = Vec::new();
        for method in &self.methods {
            settable(&method.input(), method.input().name(), 0, &mut fields);
        }
        assert!(fields.len() >= least, "the descriptors have been read: {} fields", fields.len());
        let missing: Vec<&str> = fields
            .iter()
            .filter(|(path, field)| !rowed.contains(path) && !self.any(field) && self.unread(path).is_none())
            .map(|(path, _)| path.as_str())
            .collect();
        assert!(missing.is_empty(), "{} fields have no row:\n{}", missing.len(), missing.join("\n"));
        for (name, _) in self.any {
            let met: Vec<_> = fields.iter().filter(|(_, field)| field.full_name() == *name).collect();
            assert!(!met.is_empty(), "{name} needs no reason: there is no such field");
            assert!(met.iter().all(|(path, _)| !rowed.contains(path)), "{name} has rows, and a reason why it needs none");
        }
        for (path, _) in self.unread {
            let met = fields.iter().any(|(known, _)| self.unread(known) == Some(path));
            assert!(met, "{path} needs no reason: there is no such field");
            assert!(rowed.iter().all(|row| self.unread(row) != Some(path)), "{path} has rows, and a reason why it needs none");
        }
    }

    /// The fields that a row makes wrong.
    fn rowed(&self) -> BTreeSet<String> {
        let mut rowed = BTreeSet::new();
        for table in &self.tables {
            let input = method_of(self.package, table.method).input();
            let wrong = table.rows.iter().filter(|row| row.is_wrong());
            rowed.extend(wrong.map(|row| format!("{}.{}", input.name(), without_places(&row.field))));
        }
        rowed
    }

    fn any(&self, field: &FieldDescriptor) -> bool {
        // Both values of a flag mean something.
        field.kind() == Kind::Bool || self.any.iter().any(|(name, _)| *name == field.full_name())
    }

    fn unread(&self, path: &str) -> Option<&'static str> {
        let below = |unread: &str| path.strip_prefix(unread).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.unread.iter().map(|(unread, _)| *unread).find(|unread| below(unread))
    }
}

/// Every field that a caller may set in a message: values, lists, maps, and what stands in messages below it.
fn settable(message: &MessageDescriptor, above: &str, depth: usize, found: &mut Vec<(String, FieldDescriptor)>) {
    assert!(depth < 10, "{above} goes round in circles");
    for field in message.fields().filter(|field| !is_output_only(field)) {
        let path = format!("{above}.{}", field.name());
        let below = match field.kind() {
            Kind::Message(below) if !field.is_map() && below.package_name().starts_with("polder.") => Some(below),
            _ => None,
        };
        if below.is_none() || field.is_list() {
            found.push((path.clone(), field.clone()));
        }
        if let Some(below) = below {
            settable(&below, &path, depth + 1, found);
        }
    }
}

/// Whether the field's comment says that only answers carry it.
fn is_output_only(field: &FieldDescriptor) -> bool {
    let file = field.parent_message().parent_file();
    let comments = file.file_descriptor_proto().source_code_info.as_ref().unwrap();
    let comment = comments.location.iter().find(|location| location.path == field.path()).unwrap();
    comment.leading_comments().trim_start().starts_with("Output only.")
}
