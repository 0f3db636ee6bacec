//! JSON as Go's `encoding/json` reads it into a structure.
//!
//! Go takes a field's name in any case, and letters that Unicode folds to one of ASCII for that letter. A
//! name may come several times: a later text or list takes the place of an earlier one, and objects are
//! read one after the other into the same structure. `serde_json::Value` drops all but the last of them
//! without a word, so bodies are read into a tree that keeps every member, in its order.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

/// The members of an object, in their order; names may come several times.
pub type Members = Vec<(String, Json)>;

/// A JSON value that has kept every member.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(Members),
}

impl Json {
    /// Whether it says nothing: what clients send for a field that they do not use.
    pub fn is_void(&self) -> bool {
        match self {
            Self::Null | Self::Bool(false) => true,
            Self::Bool(true) => false,
            Self::Number(number) => number.as_f64() == Some(0.0),
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Object(members) => members.is_empty(),
        }
    }
}

/// Whether a member of this name is read into the field `field`, which is written in ASCII.
///
/// Go `encoding/json`, `foldName` (before 1.21 `foldFunc`): simple folding of Unicode, by which the Kelvin
/// sign is a `k` and the long s an `s`. There is no other letter that folds to one of ASCII.
pub fn is_field(name: &str, field: &str) -> bool {
    let fold = |char: char| match char {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(field.chars().map(fold))
}

/// Why a field has no meaning that is the same for every engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Takes all members out that Go reads into a field, and puts `value` in the place of the first.
pub fn replace(members: &mut Members, field: &'static str, value: Json) {
    let place = members.iter().position(|(name, _)| is_field(name, field));
    members.retain(|(name, _)| !is_field(name, field));
    members.insert(place.unwrap_or(members.len()).min(members.len()), (field.to_owned(), value));
}

fn all<'a>(members: &'a Members, field: &'static str) -> impl Iterator<Item = &'a Json> {
    members.iter().filter(move |(name, _)| is_field(name, field)).map(|(_, value)| value)
}

/// A field that is a structure, or a pointer to one: its members, of all objects one after the other.
pub fn structure(members: &Members, field: &'static str) -> Result<Option<Members>, Ambiguous> {
    let mut objects = Vec::new();
    let mut nulls = 0;
    for value in all(members, field) {
        match value {
            Json::Object(object) => objects.extend(object.iter().cloned()),
            Json::Null => nulls += 1,
            _ => return Err(Ambiguous { field, why: "is not an object" }),
        }
    }
    let count = all(members, field).count();
    match count - nulls {
        0 => Ok(None),
        // A pointer is set to nothing by null, and a structure left as it is.
        _ if nulls > 0 => Err(Ambiguous { field, why: "is both an object and null" }),
        _ => Ok(Some(objects)),
    }
}

/// A field that is a string: the last one; null leaves it as it is.
pub fn text(members: &Members, field: &'static str) -> Result<Option<String>, Ambiguous> {
    let mut last = None;
    for value in all(members, field) {
        match value {
            Json::Text(text) => last = Some(text.clone()),
            Json::Null => {}
            _ => return Err(Ambiguous { field, why: "is not a string" }),
        }
    }
    Ok(last)
}

/// A field that is a list of strings: the last one.
pub fn texts(members: &Members, field: &'static str) -> Result<Vec<String>, Ambiguous> {
    let mut last = Vec::new();
    for value in all(members, field) {
        last = match value {
            Json::Null => Vec::new(),
            Json::List(items) => items
                .iter()
                .map(|item| match item {
                    Json::Text(text) => Ok(text.clone()),
                    // Null leaves what an earlier list had in its place.
                    _ => Err(Ambiguous { field, why: "has an item that is not a string" }),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(Ambiguous { field, why: "is not a list" }),
        };
    }
    Ok(last)
}

/// A field that is a map of strings: the entries of all; null empties it.
pub fn map(members: &Members, field: &'static str) -> Result<BTreeMap<String, String>, Ambiguous> {
    let mut entries = BTreeMap::new();
    for value in all(members, field) {
        match value {
            Json::Null => entries.clear(),
            Json::Object(object) => {
                for (key, value) in object {
                    let value = match value {
                        Json::Text(text) => text.clone(),
                        Json::Null => String::new(),
                        _ => {
                            return Err(Ambiguous {
                                field,
                                why: "has a value that is not a string",
                            });
                        }
                    };
                    entries.insert(key.clone(), value);
                }
            }
            _ => return Err(Ambiguous { field, why: "is not an object" }),
        }
    }
    Ok(entries)
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Members {
        match serde_json::from_str(text).unwrap() {
            Json::Object(members) => members,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_member_is_kept() {
        let text =
            r#"{"a":1,"b":[null,true,-2,1.5],"a":{"c":"d","c":""},"A":18446744073709551615}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
    }

    #[test]
    fn names_fold_as_in_go() {
        for name in ["SecurityOpt", "securityopt", "SECURITYOPT", "\u{17f}ecurityOpt"] {
            assert!(is_field(name, "SecurityOpt"), "{name}");
        }
        assert!(is_field("\u{212a}ernelMemory", "KernelMemory"));
        for name in ["SecurityOpts", "Security_Opt", "SecurityOp\u{2c75}", ""] {
            assert!(!is_field(name, "SecurityOpt"), "{name}");
        }
    }

    #[test]
    fn structures_are_read_into_the_same_one() {
        let host = |text: &str| structure(&members(text), "HostConfig");
        let found = host(r#"{"HostConfig": {"a": 1}, "hostconfig": {"A": 2}}"#).unwrap().unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(host(r#"{"HostConfig": null}"#), Ok(None));
        assert_eq!(host("{}"), Ok(None));
        for text in [r#"{"HostConfig": null, "hostconfig": {}}"#, r#"{"HostConfig": []}"#] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_text_and_list_count_and_maps_are_put_together() {
        let of = members(
            r#"{"t": "a", "T": "b", "t": null, "l": ["a", "b"], "L": ["c"],
                "m": {"a": "1", "b": "2"}, "M": {"a": "3", "c": null}}"#,
        );
        assert_eq!(text(&of, "t"), Ok(Some("b".to_owned())));
        assert_eq!(texts(&of, "l"), Ok(vec!["c".to_owned()]));
        let expected = [("a", "3"), ("b", "2"), ("c", "")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(map(&of, "m"), Ok(expected.into()));
        assert_eq!(texts(&members(r#"{"l": ["a"], "L": null}"#), "l"), Ok(Vec::new()));
        assert!(texts(&members(r#"{"l": ["a"], "L": [null]}"#), "l").is_err());
        assert!(text(&members(r#"{"t": 1}"#), "t").is_err());
        assert!(map(&members(r#"{"m": {"a": 1}}"#), "m").is_err());
    }

    #[test]
    fn a_field_is_replaced_once() {
        let mut of = members(r#"{"a": 1, "L": 2, "b": 3, "l": 4}"#);
        replace(&mut of, "l", Json::Bool(true));
        replace(&mut of, "n", Json::Null);
        assert_eq!(of, members(r#"{"a": 1, "l": true, "b": 3, "n": null}"#));
    }
}
