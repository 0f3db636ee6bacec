//! Text into JSON, in which no field may come twice.
//!
//! A field that does means something else to each reader: the last one counts for those in Go, of whose
//! lists parts of the first one stay, and the first one for crun.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::finding::Listed;
use super::{Finding, ParseError};
use crate::limits;

/// Path of a field of what is at a path; `$` is the whole.
pub(super) fn child(path: &str, field: &str) -> String {
    if path == "$" { field.to_owned() } else { format!("{path}.{field}") }
}

/// Whether a value says nothing, as Docker writes fields that do not apply.
pub(super) fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_void),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The items of a list, which may be missing. `None`: it is no list.
pub(super) fn items(value: Option<&Value>) -> Option<&[Value]> {
    match value {
        None | Some(Value::Null) => Some(&[]),
        Some(value) => value.as_array().map(Vec::as_slice),
    }
}

/// Reads JSON that may or may not be a profile.
///
/// # Errors
///
/// [`ParseError`] if it is empty, not JSON, larger than a profile may be, or has a field twice.
pub fn json(text: &str) -> Result<Value, ParseError> {
    let without_mark = text.trim_start_matches('\u{feff}');
    // An empty file may hold a newline.
    if without_mark.trim().is_empty() {
        return Err(ParseError::Empty);
    }
    if without_mark.len() < text.len() {
        return Err(ParseError::ByteOrderMark);
    }
    limits::check(text, "a profile", limits::PROFILE_BYTES)?;
    let mut twice = Listed::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let whole = Part { at: &Place::Whole, twice: &mut twice };
    let value = whole.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    let value = value.map_err(ParseError::Malformed)?;
    if twice.is_empty() { Ok(value) } else { Err(ParseError::Invalid(twice.into())) }
}

/// A place in a file. Its path is written only where there is something to say: of a field with a long name
/// and many parts the paths together are far longer than the file.
enum Place<'a> {
    Whole,
    Item(&'a Place<'a>, usize),
    Field(&'a Place<'a>, &'a str),
}

impl Place<'_> {
    fn path(&self) -> String {
        match self {
            Self::Whole => "$".to_owned(),
            Self::Item(list, nth) => format!("{}[{nth}]", list.path()),
            Self::Field(object, name) => child(&object.path(), name),
        }
    }
}

/// A part of a file that is to be read.
struct Part<'a> {
    at: &'a Place<'a>,
    /// What was found so far.
    twice: &'a mut Listed,
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let at = Place::Item(self.at, list.len());
            match items.next_element_seed(Part { at: &at, twice: &mut *self.twice })? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let at = Place::Field(self.at, &name);
            if object.contains_key(&name) {
                let message = "occurs twice, and readers differ in which one counts: remove one";
                self.twice.note(|| Finding::error(at.path(), message));
            }
            let value = fields.next_value_seed(Part { at: &at, twice: &mut *self.twice })?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_once_is_read_as_it_is() {
        let text = r#"{"a": [null, true, -1, 18446744073709551615, 0.5, "x", {"a": {"a": []}}]}"#;
        assert_eq!(json(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn every_field_that_comes_twice_is_named_with_its_path() {
        let text = r#"{"a": 1, "syscalls": [{}, {"args": [{"op": 1, "op": 1}]}], "a": 2}"#;
        let error = json(text).unwrap_err().to_string();
        assert!(error.contains("syscalls[1].args[0].op: occurs twice"), "{error}");
        assert!(error.contains("\na: occurs twice"), "{error}");
    }

    #[test]
    fn what_is_no_json_says_where() {
        for (text, why) in
            [("{", "line 1 column 1"), ("{} x", "trailing"), ("\u{feff}{}", "byte order mark")]
        {
            let error = json(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(json(&"[".repeat(100_000)).is_err());
    }
}
