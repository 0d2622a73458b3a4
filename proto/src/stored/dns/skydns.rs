//! The value of a key that another program stored in the way of SkyDNS: an object of JSON. It is no record of the view, and nobody here
//! writes one into the store.
//!
//! It is read as the programs read it that such values were made for: fields in any letters, unknown ones and `null` say nothing, of two
//! with one name the last counts.

use polder_core::dns::skydns::{Entry, Fields, MOST_KEY, MOST_VALUE, Unusable, Why};
use serde_json::{Map, Value, json};

/// Reads an entry: its whole key, which begins with `prefix`, and its value.
///
/// # Errors
/// [`Unusable`] with the first reason.
pub fn decode(prefix: &str, key: &[u8], value: &[u8]) -> Result<Entry, Unusable> {
    if key.len() > MOST_KEY || value.len() > MOST_VALUE {
        let text = format!("{} and {} bytes are too many: at most {MOST_KEY} and {MOST_VALUE}", key.len(), value.len());
        return Err(Unusable::new(Why::Long, text));
    }
    let path = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(prefix));
    let path = path.ok_or_else(|| Unusable::new(Why::Key, "the key is no text".to_owned()))?;
    Entry::read(path, &fields(value)?)
}

/// The value of an entry: [`decode`] makes the same of it.
#[must_use]
pub fn encode(entry: &Entry) -> Vec<u8> {
    let Fields { host, port, priority, weight, text, ttl, mail, targetstrip } = entry.fields();
    let value = json!({
        "host": host, "port": port, "priority": priority, "weight": weight, "text": text, "ttl": ttl, "mail": mail,
        "targetstrip": targetstrip,
    });
    value.to_string().into_bytes()
}

fn fields(value: &[u8]) -> Result<Fields, Unusable> {
    let bad = |text: String| Unusable::new(Why::Json, text);
    let object: Map<String, Value> =
        serde_json::from_slice(value).map_err(|error| bad(format!("the value is no object of JSON: {error}")))?;
    let mut fields = Fields::default();
    for (name, value) in object {
        let wrong = |wanted: &str| bad(format!("`{name}` has to be {wanted}"));
        let text = |into: &mut String| value.as_str().map(|text| into.push_str(text)).ok_or_else(|| wrong("a text"));
        let number = |into: &mut i64| value.as_i64().map(|number| *into = number).ok_or_else(|| wrong("a whole number"));
        if value.is_null() {
            continue;
        }
        match name.to_ascii_lowercase().as_str() {
            "host" => text(cleared(&mut fields.host)),
            "text" => text(cleared(&mut fields.text)),
            "port" => number(&mut fields.port),
            "priority" => number(&mut fields.priority),
            "weight" => number(&mut fields.weight),
            "ttl" => number(&mut fields.ttl),
            "targetstrip" => number(&mut fields.targetstrip),
            "mail" => value.as_bool().map(|mail| fields.mail = mail).ok_or_else(|| wrong("true or false")),
            _ => Ok(()),
        }?;
    }
    Ok(fields)
}

fn cleared(text: &mut String) -> &mut String {
    text.clear();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Entry, Unusable> {
        decode("/skydns", b"/skydns/org/example/www", value.as_bytes())
    }

    #[test]
    fn a_value_is_read_and_comes_back() {
        let full = r#"{"Host":"192.0.2.7","port":80,"priority":5,"weight":7,"text":"t","ttl":60,"mail":true,"targetstrip":1,
            "group":"g","setIdentifier":"x","key":null}"#;
        for value in [full, r#"{"host":"x","host":"www.example.net."}"#, r#"{"text":"\u00e4"}"#, r#"{"host":"::1","port":null}"#] {
            let entry = read(value).unwrap();
            assert_eq!(decode("/skydns", b"/skydns/org/example/www", &encode(&entry)).unwrap(), entry, "{value}");
        }
        assert_eq!(read(full).unwrap().fields().weight, 7);
    }

    #[test]
    fn what_is_no_value_says_why() {
        for value in
            ["", "{", "[]", "\"x\"", "null", r#"{"host":7}"#, r#"{"port":"80"}"#, r#"{"port":1.5}"#, r#"{"mail":1}"#, "{} x"]
        {
            assert_eq!(read(value).unwrap_err().why, Why::Json, "{value}");
        }
        assert_eq!(read(r#"{"host":7}"#).unwrap_err().to_string(), "`host` has to be a text");
        assert_eq!(read("{}").unwrap_err().why, Why::Empty);
        assert_eq!(read(&"[".repeat(9000)).unwrap_err().why, Why::Long);
        assert_eq!(read(&"[".repeat(8000)).unwrap_err().why, Why::Json);
        assert_eq!(decode("/skydns", b"/skydns/\xff", b"{}").unwrap_err().why, Why::Key);
        assert_eq!(decode("/skydns", &[b'x'; 2000], b"{}").unwrap_err().why, Why::Long);
    }
}
