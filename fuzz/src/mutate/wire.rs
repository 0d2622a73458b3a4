//! Mutations of protobuf messages that keep them messages: whole fields come, go and change, and lengths stay right.

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use super::{Random, bytes, text};

/// One field as it lies on the wire.
#[derive(Clone)]
struct Field {
    tag: u32,
    value: Value,
}

#[derive(Clone)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

/// The fields of a message; `None` for what is none.
fn read(mut message: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let (tag, kind) = decode_key(&mut message).ok()?;
        let value = match kind {
            WireType::Varint => Value::Number(decode_varint(&mut message).ok()?),
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
                let (inner, rest) = message.split_at_checked(length)?;
                message = rest;
                Value::Bytes(inner.to_vec())
            }
            _ => return None,
        };
        fields.push(Field { tag, value });
    }
    Some(fields)
}

fn write(fields: &[Field]) -> Vec<u8> {
    let mut message = Vec::new();
    for field in fields {
        match &field.value {
            Value::Number(number) => {
                encode_key(field.tag, WireType::Varint, &mut message);
                encode_varint(*number, &mut message);
            }
            Value::Bytes(inner) => {
                encode_key(field.tag, WireType::LengthDelimited, &mut message);
                encode_varint(inner.len() as u64, &mut message);
                message.extend(inner);
            }
        }
    }
    message
}

/// Changes a message; what is none is changed as bytes.
pub(super) fn mutate(message: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut Random) {
    let (Some(mut fields), theirs) = (read(message), read(other).unwrap_or_default()) else {
        return bytes(message, other, random);
    };
    let at = random.below(fields.len() + 1);
    match random.below(6) {
        0 if at < fields.len() => drop(fields.remove(at)),
        1 if at < fields.len() => fields.insert(at, fields[at].clone()),
        2 if !theirs.is_empty() => fields.insert(at, theirs[random.below(theirs.len())].clone()),
        3 => {
            let tag = u32::try_from(1 + random.below(28)).unwrap_or(1);
            fields.insert(at, Field { tag, value: Value::Number(edge(random)) });
        }
        _ => {
            if let Some(field) = fields.get_mut(at) {
                value(&mut field.value, words, random);
            }
        }
    }
    *message = write(&fields);
}

fn value(value: &mut Value, words: &[&str], random: &mut Random) {
    match value {
        Value::Number(number) => *number = edge(random),
        // Bytes may be a message, text or an address: what reads as a message is mostly taken for one.
        Value::Bytes(inner) if read(inner).is_some() && random.below(4) > 0 => mutate(inner, b"", words, random),
        Value::Bytes(inner) if random.below(2) == 0 => text(inner, b"", words, random),
        Value::Bytes(inner) => match random.below(3) {
            0 => inner.clear(),
            1 => inner.extend_from_within(..),
            _ => bytes(inner, b"", random),
        },
    }
}

fn edge(random: &mut Random) -> u64 {
    let edges = [0, 1, 2, 3, 32, 33, 64, 128, 129, 255, 256, 65535, 65536, u64::from(u32::MAX), 1 << 32, u64::MAX];
    edges[random.below(edges.len())]
}
