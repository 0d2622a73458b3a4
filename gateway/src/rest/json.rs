//! proto3 JSON: strict when read, deterministic when written.

use bytes::Bytes;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::Serialize;
use serde_json::Value as Json;

/// What is wrong with a JSON body, and where.
#[derive(Debug)]
pub(crate) struct JsonProblem {
    /// The path inside the body as its writer spelt it: `ranges[1]`. Empty: the body as a whole.
    pub(crate) path: String,
    /// What is wrong, in words.
    pub(crate) problem: String,
}

/// Unknown fields are refused: a misspelt field must not be lost in silence.
fn strict() -> DeserializeOptions {
    DeserializeOptions::new().deny_unknown_fields(true)
}

/// Reads a message from a JSON text.
///
/// # Errors
/// The first problem with it.
pub(crate) fn read(kind: MessageDescriptor, text: &[u8]) -> Result<DynamicMessage, JsonProblem> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
    let message = DynamicMessage::deserialize_with_options(kind, tracked, &strict())
        .and_then(|message| reader.end().map(|()| message))
        .map_err(|error| error.to_string());
    message.map_err(|problem| {
        let path = track.path().to_string();
        JsonProblem { path: if path == "." { String::new() } else { path }, problem }
    })
}

/// Reads a message from a JSON value.
///
/// # Errors
/// The first problem with it, in words.
pub(crate) fn read_value(kind: MessageDescriptor, value: Json) -> Result<DynamicMessage, String> {
    DynamicMessage::deserialize_with_options(kind, value, &strict()).map_err(|error| error.to_string())
}

/// Writes a message. Equal messages give equal bytes, whatever the order of their maps, so that a hash can stand for them.
///
/// # Errors
/// What cannot be written, in words.
pub(crate) fn write(message: &DynamicMessage) -> Result<Bytes, String> {
    let options = SerializeOptions::new().stringify_64_bit_integers(true);
    let mut value = message.serialize_with_options(serde_json::value::Serializer, &options).map_err(|error| error.to_string())?;
    value.sort_all_objects();
    let mut text = Vec::new();
    value.serialize(&mut serde_json::Serializer::new(&mut text)).map_err(|error| error.to_string())?;
    Ok(text.into())
}
