//! What commands print: tables for people, proto3 JSON and YAML for programs.

pub mod age;
pub mod columns;
pub mod table;

use clap::ValueEnum;
use serde_json::Value;

use crate::failure::Failure;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// A table.
    #[default]
    Table,
    /// A table with more columns.
    Wide,
    /// Proto3 JSON of the API's messages.
    Json,
    /// The same as YAML.
    Yaml,
    /// `kind/name`, one a line.
    Name,
}

/// A value as text in a form for programs.
///
/// # Errors
/// [`Failure::Local`] when it cannot be written in that form.
pub fn data(value: &Value, format: Format) -> Result<String, Failure> {
    let text = match format {
        Format::Yaml => serde_yaml_ng::to_string(value).map_err(|error| error.to_string()),
        Format::Json | Format::Table | Format::Wide | Format::Name => {
            serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| error.to_string())
        }
    };
    text.map_err(Failure::Local)
}
