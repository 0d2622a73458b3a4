//! Requests that are known by their descriptors, and single fields of them set to any value at all.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MethodDescriptor, ReflectMessage, Value};
use serde_json::{Value as Json, json};

/// What a field is set to: right or wrong, but of the type that the wire can carry there.
#[derive(Debug, Clone)]
pub enum To {
    /// A text.
    Text(String),
    /// A number, or the number of an enum.
    Number(u64),
    /// Items of a list, or the paths of a mask.
    List(Vec<Self>),
    /// Pairs of a map whose keys are texts.
    Map(Vec<(String, Self)>),
    /// Seconds and nanoseconds of a duration or a point in time.
    Time(i64, i32),
    /// The first item of the list as it is, so many times.
    Times(usize),
    /// Not there.
    Absent,
    /// What the JSON form says; null is not there.
    Json(Json),
}

impl<T: Into<Json>> From<T> for To {
    fn from(json: T) -> Self {
        Self::Json(json.into())
    }
}

/// A text.
pub fn text(text: impl Into<String>) -> To {
    To::Text(text.into())
}

/// A number, or the number of an enum.
#[must_use]
pub const fn number(number: u64) -> To {
    To::Number(number)
}

/// A list of texts.
pub fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> To {
    To::List(items.into_iter().map(text).collect())
}

/// A list of so many texts.
pub fn many(count: usize, item: impl Fn(usize) -> String) -> To {
    To::List((0..count).map(|at| text(item(at))).collect())
}

/// A map.
pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, To)>) -> To {
    To::Map(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A map of so many pairs.
#[must_use]
pub fn pairs(count: usize, value: &To) -> To {
    To::Map((0..count).map(|at| (format!("k{at}"), value.clone())).collect())
}

/// A request from its JSON form.
pub(super) fn request(method: &MethodDescriptor, json: &Json) -> DynamicMessage {
    DynamicMessage::deserialize(method.input(), json).unwrap_or_else(|error| panic!("{}: {error}: {json}", method.full_name()))
}

/// The request with one field set.
pub(super) fn with(request: &DynamicMessage, path: &str, to: &To) -> DynamicMessage {
    let mut changed = request.clone();
    set(&mut changed, path, to);
    changed
}

/// A path without the places in lists: `pool.ranges[1]` is `pool.ranges`.
pub(super) fn without_places(path: &str) -> String {
    path.split('.').map(|step| step.split('[').next().unwrap_or(step)).collect::<Vec<_>>().join(".")
}

fn set(message: &mut DynamicMessage, path: &str, to: &To) {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let (name, place) = step.split_once('[').map_or((step, None), |(name, place)| (name, place.strip_suffix(']')));
    let place = place.map(|place| place.parse::<usize>().unwrap());
    let field = message.descriptor().get_field_by_name(name).unwrap_or_else(|| panic!("no field {path}"));
    match (rest, place) {
        (None, None) => set_field(message, &field, to),
        (None, Some(place)) => items(message, &field)[place] = item(&field, to),
        (Some(rest), None) => set(message.get_field_mut(&field).as_message_mut().unwrap(), rest, to),
        (Some(rest), Some(place)) => set(items(message, &field)[place].as_message_mut().unwrap(), rest, to),
    }
}

fn items<'a>(message: &'a mut DynamicMessage, field: &FieldDescriptor) -> &'a mut Vec<Value> {
    let items = message.get_field_mut(field).as_list_mut().unwrap();
    assert!(!items.is_empty(), "the request has nothing in {}", field.full_name());
    items
}

fn set_field(message: &mut DynamicMessage, field: &FieldDescriptor, to: &To) {
    let to = match to {
        To::Absent => return message.clear_field(field),
        To::Json(json) => match parsed(field, json) {
            Some(value) => value,
            None => return message.clear_field(field),
        },
        To::Times(count) => Value::List(vec![items(message, field)[0].clone(); *count]),
        To::List(items) if field.is_list() => Value::List(items.iter().map(|item| value(&field.kind(), item)).collect()),
        To::Map(pairs) => {
            let kind = field.kind();
            let kind = kind.as_message().unwrap().map_entry_value_field().kind();
            Value::Map(pairs.iter().map(|(key, to)| (MapKey::String(key.clone()), value(&kind, to))).collect())
        }
        to => value(&field.kind(), to),
    };
    message.set_field(field, to);
}

/// One item of a list.
fn item(field: &FieldDescriptor, to: &To) -> Value {
    let To::Json(json) = to else { return value(&field.kind(), to) };
    let list = parsed(field, &json!([json]));
    list.as_ref().and_then(Value::as_list).unwrap()[0].clone()
}

/// What the JSON form of a field says, if that is not that it is not there.
fn parsed(field: &FieldDescriptor, json: &Json) -> Option<Value> {
    let whole = json!({ field.json_name(): json });
    let message = DynamicMessage::deserialize(field.parent_message().clone(), &whole);
    let message = message.unwrap_or_else(|error| panic!("{}: {error}: {json}", field.full_name()));
    message.has_field(field).then(|| message.get_field(field).into_owned())
}

fn value(kind: &Kind, to: &To) -> Value {
    match (to, kind) {
        (To::Text(text), Kind::String) => Value::String(text.clone()),
        (To::Number(number), Kind::Uint32) => Value::U32(u32::try_from(*number).unwrap()),
        (To::Number(number), Kind::Uint64) => Value::U64(*number),
        (To::Number(number), Kind::Bool) => Value::Bool(*number != 0),
        (To::Number(number), Kind::Enum(_)) => Value::EnumNumber(i32::try_from(*number).unwrap()),
        (To::Time(seconds, nanos), Kind::Message(message)) => {
            let mut time = DynamicMessage::new(message.clone());
            time.set_field_by_name("seconds", Value::I64(*seconds));
            time.set_field_by_name("nanos", Value::I32(*nanos));
            Value::Message(time)
        }
        // What a mask names.
        (To::List(_), Kind::Message(message)) => {
            let mut mask = DynamicMessage::new(message.clone());
            let paths = message.get_field_by_name("paths").unwrap();
            set_field(&mut mask, &paths, to);
            Value::Message(mask)
        }
        _ => panic!("{to:?} is no {kind:?}"),
    }
}
