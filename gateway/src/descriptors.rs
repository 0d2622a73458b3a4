//! The API as its descriptors tell it: types, RPCs, and the comments on them.

use std::collections::HashMap;

use prost_reflect::{DescriptorError, DescriptorPool, EnumDescriptor, FieldDescriptor, MessageDescriptor, MethodDescriptor};
use prost_reflect::{ServiceDescriptor, prost_types::FileDescriptorProto};

/// How the comment of a field begins that only answers carry.
const OUTPUT_ONLY: &str = "Output only.";

/// The API's types and RPCs with their comments.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pool: DescriptorPool,
    /// By the name of the file and the path inside it.
    comments: HashMap<(String, Vec<i32>), String>,
}

impl Api {
    /// Reads an encoded `FileDescriptorSet` that carries source information.
    ///
    /// # Errors
    /// The set is not well formed.
    pub(crate) fn decode(descriptors: &[u8]) -> Result<Self, DescriptorError> {
        let pool = DescriptorPool::decode(descriptors)?;
        let comments = pool.file_descriptor_protos().flat_map(comments_of).collect();
        Ok(Self { pool, comments })
    }

    /// The types and RPCs.
    pub(crate) fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The services that Polder itself serves.
    pub(crate) fn services(&self) -> impl Iterator<Item = ServiceDescriptor> {
        self.pool.services().filter(|service| service.package_name().starts_with("polder."))
    }

    /// Whether only answers carry the field.
    pub(crate) fn is_output_only(&self, field: &FieldDescriptor) -> bool {
        self.of_field(field).is_some_and(|text| text.starts_with(OUTPUT_ONLY))
    }

    /// The comment on a service.
    pub(crate) fn of_service(&self, service: &ServiceDescriptor) -> Option<&str> {
        self.comment(service.parent_file().name(), service.path())
    }

    /// The comment on an RPC.
    pub(crate) fn of_method(&self, method: &MethodDescriptor) -> Option<&str> {
        self.comment(method.parent_service().parent_file().name(), method.path())
    }

    /// The comment on a message.
    pub(crate) fn of_message(&self, message: &MessageDescriptor) -> Option<&str> {
        self.comment(message.parent_file().name(), message.path())
    }

    /// The comment on a field.
    pub(crate) fn of_field(&self, field: &FieldDescriptor) -> Option<&str> {
        self.comment(field.parent_message().parent_file().name(), field.path())
    }

    /// The comment on an enum.
    pub(crate) fn of_enum(&self, kind: &EnumDescriptor) -> Option<&str> {
        self.comment(kind.parent_file().name(), kind.path())
    }

    /// The comment on the enum value that stands at `path`.
    pub(crate) fn of_enum_value(&self, kind: &EnumDescriptor, path: &[i32]) -> Option<&str> {
        self.comment(kind.parent_file().name(), path)
    }

    fn comment(&self, file: &str, path: &[i32]) -> Option<&str> {
        self.comments.get(&(file.to_owned(), path.to_vec())).map(String::as_str)
    }
}

fn comments_of(file: &FileDescriptorProto) -> impl Iterator<Item = ((String, Vec<i32>), String)> {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    locations.filter_map(|location| {
        let lines = location.leading_comments().lines().map(str::trim).collect::<Vec<_>>().join("\n");
        let text = lines.trim();
        (!text.is_empty()).then(|| ((file.name().to_owned(), location.path.clone()), text.to_owned()))
    })
}
