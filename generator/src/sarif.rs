//! SARIF 2.1.0 (OASIS standard, 2020): as much of it as findings with a rule, a level and a place need.

use crate::digest::sha256;
use crate::untrusted::one_line;
use serde::Serialize;

/// Text of a message. GitHub and other readers show it as text in which `[text](target)` is a link (SARIF 2.1.0,
/// section 3.11.6), so that it must not have one that a name brought along; nor what is invisible or another line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(String);

impl Message {
    /// A message of this text, names that others chose included.
    pub fn new(text: impl std::fmt::Display) -> Self {
        Self(one_line(&text.to_string()).replace("](", "]\\("))
    }
}

/// A log with one run of Strait.
#[derive(Clone, Debug)]
pub struct Log {
    rules: Vec<Rule>,
    results: Vec<Result>,
}

/// A kind of finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, which does not change.
    pub id: String,
    /// What it is about, in a sentence.
    pub summary: String,
    /// What to do about it. GitHub does not take a rule without.
    pub help: String,
    /// How bad it is as a rule.
    pub level: Level,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Result {
    /// The [`Rule::id`].
    pub rule: String,
    /// How bad it is.
    pub level: Level,
    /// What is so, and what to do.
    pub message: Message,
    /// What else is known, said after the message. It may be otherwise in the next run, and the finding is
    /// still the same.
    pub detail: Option<Message>,
    /// The file, as it was given.
    pub file: String,
    /// Line, counted from 1.
    pub line: Option<usize>,
    /// Column in characters, counted from 1.
    pub column: Option<usize>,
    /// The place within what the file describes, such as `spec.containers[0]`.
    pub logical: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Something to look at.
    Warning,
    /// Something to repair.
    Error,
}

impl Log {
    /// Of these rules and findings. Each finding's rule has to be among the rules.
    #[must_use]
    pub fn new(rules: Vec<Rule>, results: Vec<Result>) -> Self {
        Self { rules, results }
    }

    /// As indented JSON that ends in a newline.
    ///
    /// # Errors
    ///
    /// None in practice: every field can be written as JSON.
    pub fn print(&self) -> std::result::Result<String, serde_json::Error> {
        let results = self.results.iter().map(|result| self.result(result)).collect();
        let file = file::Log {
            schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            version: "2.1.0",
            runs: [file::Run {
                tool: file::Tool { driver: self.driver() },
                column_kind: "unicodeCodePoints",
                results,
            }],
        };
        let mut text = serde_json::to_string_pretty(&file)?;
        text.push('\n');
        Ok(text)
    }

    fn driver(&self) -> file::Driver {
        let rule = |rule: &'_ Rule| file::Rule {
            id: rule.id.clone(),
            short_description: file::Message { text: rule.summary.clone() },
            full_description: file::Message { text: format!("{}. {}", rule.summary, rule.help) },
            help: file::Message { text: rule.help.clone() },
            default_configuration: file::Configuration { level: rule.level },
        };
        file::Driver {
            name: crate::tool::NAME,
            version: crate::tool::VERSION,
            rules: self.rules.iter().map(rule).collect(),
        }
    }

    fn result(&self, result: &Result) -> file::Result {
        let region =
            result.line.map(|line| file::Region { start_line: line, start_column: result.column });
        let logical = result.logical.iter();
        file::Result {
            rule_index: self.rules.iter().position(|rule| rule.id == result.rule),
            rule_id: result.rule.clone(),
            level: result.level,
            message: file::Message {
                text: match &result.detail {
                    Some(detail) => format!("{} {}", result.message.0, detail.0),
                    None => result.message.0.clone(),
                },
            },
            locations: [file::Location {
                physical_location: file::Physical {
                    artifact_location: file::Artifact { uri: uri(&result.file) },
                    region,
                },
                logical_locations: logical
                    .map(|name| file::Logical { fully_qualified_name: one_line(name) })
                    .collect(),
            }],
            partial_fingerprints: file::Fingerprints { finding: fingerprint(result) },
        }
    }
}

/// The same for a finding that has only moved to another line.
fn fingerprint(result: &Result) -> String {
    let place = result.logical.as_deref().unwrap_or_default();
    let text = [&result.rule, result.file.as_str(), place, &result.message.0].join("\0");
    sha256(text.as_bytes())[..32].to_owned()
}

/// A path as a relative or absolute URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.trim_start_matches("./").bytes() {
        if plain(byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// The shapes of the file.
mod file {
    use serde::Serialize;

    #[derive(Serialize)]
    pub struct Log {
        #[serde(rename = "$schema")]
        pub schema: &'static str,
        pub version: &'static str,
        pub runs: [Run; 1],
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Run {
        pub tool: Tool,
        pub column_kind: &'static str,
        pub results: Vec<Result>,
    }

    #[derive(Serialize)]
    pub struct Tool {
        pub driver: Driver,
    }

    #[derive(Serialize)]
    pub struct Driver {
        pub name: &'static str,
        pub version: &'static str,
        pub rules: Vec<Rule>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Rule {
        pub id: String,
        pub short_description: Message,
        pub full_description: Message,
        pub help: Message,
        pub default_configuration: Configuration,
    }

    #[derive(Serialize)]
    pub struct Configuration {
        pub level: super::Level,
    }

    #[derive(Serialize)]
    pub struct Message {
        pub text: String,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Result {
        pub rule_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub rule_index: Option<usize>,
        pub level: super::Level,
        pub message: Message,
        pub locations: [Location; 1],
        pub partial_fingerprints: Fingerprints,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Location {
        pub physical_location: Physical,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub logical_locations: Vec<Logical>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Physical {
        pub artifact_location: Artifact,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub region: Option<Region>,
    }

    #[derive(Serialize)]
    pub struct Artifact {
        pub uri: String,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Region {
        pub start_line: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub start_column: Option<usize>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Logical {
        pub fully_qualified_name: String,
    }

    #[derive(Serialize)]
    pub struct Fingerprints {
        #[serde(rename = "finding/v1")]
        pub finding: String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri("k8s/web.yaml"), "k8s/web.yaml");
        assert_eq!(uri("./a b/ü.yaml"), "a%20b/%C3%BC.yaml");
        assert_eq!(uri("/srv/x.yaml"), "file:///srv/x.yaml");
    }

    fn finding(detail: Option<&str>) -> Result {
        Result {
            rule: "b".into(),
            level: Level::Error,
            message: Message::new("m"),
            detail: detail.map(Message::new),
            file: "f.yaml".into(),
            line: Some(3),
            column: None,
            logical: None,
        }
    }

    #[test]
    fn how_often_it_was_seen_makes_no_other_finding_of_it() {
        let of = |detail| fingerprint(&finding(detail));
        assert_eq!(of(Some("Made by app 3 times.")), of(Some("Made by app 4 times.")));
        let log = Log::new(Vec::new(), vec![finding(Some("Made once."))]).print().unwrap();
        assert!(log.contains("m Made once."), "{log}");
    }

    #[test]
    fn a_message_has_no_link_and_no_line_break() {
        let Message(text) = Message::new("a [b](http://e)\n[c]: d\u{202e}");
        assert_eq!(text, r"a [b]\(http://e)\n[c]: d\u{202e}");
    }

    #[test]
    fn a_result_points_to_its_rule() {
        let rule = |id: &str| Rule {
            id: id.into(),
            summary: "s".into(),
            help: "h".into(),
            level: Level::Note,
        };
        let result = finding(None);
        let text = Log::new(vec![rule("a"), rule("b")], vec![result]).print().unwrap();
        let log: serde_json::Value = serde_json::from_str(&text).unwrap();
        let run = &log["runs"][0];
        assert_eq!(run["results"][0]["ruleIndex"], 1);
        assert_eq!(run["results"][0]["level"], "error");
        assert_eq!(
            run["results"][0]["locations"][0]["physicalLocation"]["region"],
            serde_json::json!({"startLine": 3})
        );
    }
}
