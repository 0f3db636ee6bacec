//! Reviewed exceptions: changes that may make a profile wider.
//!
//! ```json
//! { "schema": "strait.allow/v1",
//!   "exceptions": [
//!     { "call": "socket(AF_NETLINK)", "reason": "interface names, reviewed by Ada", "expires": "2027-03-31" }
//!   ] }
//! ```

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::abi::Abi;
use crate::decode::{self, Pattern};
use crate::limits::{self, EXCEPTIONS, EXCEPTIONS_BYTES, TooLarge};
use crate::policy::decide::bound::{MOST_NODES, MOST_WORK};
use crate::policy::decide::space::Set;
use crate::policy::{Clause, Predicate, width};
use crate::untrusted::one_line;

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.allow/v1";

/// Why a text has no exceptions in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AllowError {
    /// Not JSON, cut off, or of another shape.
    #[error(
        "this is not a list of exceptions: {0}. Write {{\"schema\": \"strait.allow/v1\", \"exceptions\": \
         [{{\"call\": \"socket(AF_NETLINK)\", \"reason\": \"…\", \"expires\": \"2027-12-31\"}}]}}"
    )]
    Malformed(#[source] serde_json::Error),
    /// More than anyone reviews.
    #[error(
        "{0} exceptions, and Strait accepts {EXCEPTIONS}: write one for each call instead of one for each \
         argument, and remove those that have expired"
    )]
    TooMany(usize),
    /// Larger than a list may be.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Of another schema.
    #[error("expected a file of schema `{SCHEMA}`, but this one is `{0}`")]
    WrongSchema(String),
    /// An exception that names no call.
    #[error("exception {nth}: {source}")]
    Call {
        /// Which one, from 1.
        nth: usize,
        /// What is wrong.
        source: decode::ParseError,
    },
    /// An exception without a reason.
    #[error(
        "exception {nth} for `{call}` has no reason: write why it is acceptable, and who reviewed it"
    )]
    NoReason {
        /// Which one, from 1.
        nth: usize,
        /// Its call.
        call: String,
    },
}

/// A change that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// The call, with the arguments that are meant; without any, whatever they are.
    pub call: String,
    /// For one ABI only; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abi: Option<Abi>,
    /// Why.
    pub reason: String,
    /// The last day on which it counts; `None`: it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "schema")]
    _schema: String,
    exceptions: Vec<Exception>,
}

/// Exceptions, in the order of their file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions(Vec<Exception>);

impl Exceptions {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`AllowError`] says which exception is wrong.
    pub fn parse(text: &str) -> Result<Self, AllowError> {
        limits::check(text, "a list of exceptions", EXCEPTIONS_BYTES)?;
        let value: serde_json::Value = serde_json::from_str(text).map_err(AllowError::Malformed)?;
        if let Some(schema) = value.get("schema").and_then(serde_json::Value::as_str)
            && schema != SCHEMA
        {
            return Err(AllowError::WrongSchema(one_line(schema)));
        }
        let File { exceptions, .. } =
            serde_json::from_value(value).map_err(AllowError::Malformed)?;
        if exceptions.len() > EXCEPTIONS {
            return Err(AllowError::TooMany(exceptions.len()));
        }
        for (nth, exception) in exceptions.iter().enumerate() {
            exception.check().map_err(|source| AllowError::Call { nth: nth + 1, source })?;
            if exception.reason.trim().is_empty() {
                return Err(AllowError::NoReason { nth: nth + 1, call: exception.call.clone() });
            }
        }
        Ok(Self(exceptions))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Exception> {
        self.0.iter()
    }
}

impl Exception {
    /// Whether it no longer counts on this day.
    #[must_use]
    pub fn has_expired(&self, today: Date) -> bool {
        self.expires.is_some_and(|expires| expires < today)
    }

    /// That it names a call of one ABI at least.
    fn check(&self) -> Result<(), decode::ParseError> {
        let abis = self.abi.map_or(Abi::ALL.to_vec(), |abi| vec![abi]);
        let mut first = None;
        for abi in abis {
            match decode::pattern(abi, &self.call) {
                Ok(_) => return Ok(()),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(()), Err)
    }
}

/// Exceptions by the calls that they are about, so that they are read once and not for each change.
#[derive(Debug, Default)]
pub(crate) struct ByCall(BTreeMap<(Abi, u32), Vec<(usize, Clause)>>);

impl ByCall {
    /// Puts them in order. What they are about is given back by their place in this list.
    pub fn new(exceptions: &[&Exception]) -> Self {
        let mut calls: BTreeMap<(Abi, u32), Vec<(usize, Clause)>> = BTreeMap::new();
        for (nth, exception) in exceptions.iter().enumerate() {
            for abi in Abi::ALL {
                if exception.abi.is_none_or(|only| only == abi)
                    && let Ok(pattern) = decode::pattern(abi, &exception.call)
                {
                    let clause = arguments(&pattern);
                    calls.entry((abi, pattern.number)).or_default().push((nth, clause));
                }
            }
        }
        Self(calls)
    }

    /// Each condition under which an exception covers a call.
    pub fn clauses(&self) -> impl Iterator<Item = (Abi, u32, &Clause)> {
        self.0.iter().flat_map(|((abi, number), about)| {
            about.iter().map(|(_, clause)| (*abi, *number, clause))
        })
    }

    /// The exceptions that cover some of these arguments which none before them does, by their places, and
    /// whether they cover all of them together.
    pub fn touching(&self, gained: &Set, abi: Abi, number: u32) -> (Vec<usize>, bool) {
        let about = self.0.get(&(abi, number)).map_or(&[][..], Vec::as_slice);
        // What cannot be decided about excuses nothing.
        let (mut work, clauses) = (MOST_WORK, about.iter().map(|(_, clause)| clause));
        if Set::any_within(clauses, width(abi), MOST_NODES, &mut work).is_none() {
            return (Vec::new(), false);
        }
        let mut touching = Vec::new();
        let left = left(gained.clone(), about, abi, &mut touching);
        (touching, left.is_empty())
    }
}

/// What is left of some arguments without those that exceptions cover. By halves, each of which sees only its
/// own arguments: to take them off one by one would copy all of the rest each time.
fn left(
    arguments: Set,
    exceptions: &[(usize, Clause)],
    abi: Abi,
    touching: &mut Vec<usize>,
) -> Set {
    if arguments.is_empty() {
        return arguments;
    }
    match exceptions {
        [] => arguments,
        [(nth, clause)] => {
            let rest = arguments.minus(&Set::from_clause(clause, width(abi)));
            if !rest.equals(&arguments) {
                touching.push(*nth);
            }
            rest
        }
        _ => {
            let (one, other) = exceptions.split_at(exceptions.len() / 2);
            let covered = Set::any(exceptions.iter().map(|(_, clause)| clause), width(abi));
            let within = left(arguments.and(&covered), one, abi, touching);
            left(within, other, abi, touching);
            arguments.minus(&covered)
        }
    }
}

/// The condition for the arguments that a pattern means. Of a 32-bit argument the upper half may be anything.
fn arguments(pattern: &Pattern) -> Clause {
    let call = pattern.abi.syscall_name(pattern.number).unwrap_or_default();
    let mut predicates = [None; 6];
    for (index, (slot, value)) in predicates.iter_mut().zip(pattern.args).enumerate() {
        *slot = value.map(|value| match decode::is_32_bit(call, index) {
            true => Predicate::MaskedEqual { mask: 0xffff_ffff, value },
            false => Predicate::Equal(value),
        });
    }
    Clause::new(predicates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(exceptions: &str) -> Result<Exceptions, AllowError> {
        Exceptions::parse(&format!(
            "{{\"schema\": \"strait.allow/v1\", \"exceptions\": [{exceptions}]}}"
        ))
    }

    #[test]
    fn an_exception_counts_up_to_its_last_day() {
        let exceptions =
            parse(r#"{"call": "bpf", "reason": "r", "expires": "2026-11-23"}"#).unwrap();
        let exception = exceptions.iter().next().unwrap();
        assert!(!exception.has_expired("2026-11-23".parse().unwrap()));
        assert!(exception.has_expired("2026-11-24".parse().unwrap()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let says = |text: &str, words: &[&str]| {
            let error = parse(text).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        says(r#"{"call": "sockt", "reason": "r"}"#, &["exception 1", "sockt"]);
        says(r#"{"call": "bpf", "reason": " "}"#, &["no reason"]);
        says(r#"{"call": "bpf", "reason": "r", "until": "x"}"#, &["until"]);
        says(r#"{"call": "bpf", "reason": "r", "expires": "soon"}"#, &["not a list of exceptions"]);
        assert!(Exceptions::parse("{").is_err());
        assert!(Exceptions::parse(r#"{"exceptions": []}"#).is_err());
        let other = Exceptions::parse(r#"{"schema": "strait.allow/v2", "exceptions": []}"#);
        assert!(other.unwrap_err().to_string().contains("strait.allow/v2"));
    }
}
