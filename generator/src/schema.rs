//! What a JSON file says it is, found out without building the rest of it in memory.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The `schema` of a JSON text; `None` if it is no object or has none that is a string.
///
/// # Errors
///
/// What is wrong with the JSON.
pub fn schema(text: &str) -> Result<Option<String>, serde_json::Error> {
    serde_json::from_str::<Head>(text).map(|head| head.0)
}

/// The string under `schema` of an object; of anything else, nothing.
struct Head(Option<String>);

/// A string, or anything else.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader { object: true }).map(Self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader { object: false }).map(Self)
    }
}

struct Reader {
    /// Whether it is the whole file, and not the value of the field.
    object: bool,
}

impl<'de> Visitor<'de> for Reader {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok((!self.object).then(|| text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = fields.next_key::<String>()? {
            if self.object && name == "schema" {
                found = fields.next_value::<Text>()?.0;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_string_of_the_whole_is_a_schema() {
        let of = |text: &str| schema(text).unwrap();
        let found = of(r#"{"a": {"schema": "b"}, "schema": "strait.allow/v1", "c": [1, null]}"#);
        assert_eq!(found.as_deref(), Some("strait.allow/v1"));
        for none in ["[]", "1", "-1", "0.5", "null", "true", "\"schema\"", "{\"schema\": 1}"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(of(r#"{"schema": {"schema": "a"}}"#), None);
        assert!(schema("{").is_err() && schema("{} x").is_err());
        assert!(schema(&"[".repeat(100_000)).is_err());
    }
}
