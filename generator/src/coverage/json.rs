//! `strait.coverage/v1`, what the tests did not show as JSON. A public contract: JSON Schema in
//! `profiles/schema/coverage-v1.json`.

use serde::Serialize;

use super::{
    Coverage, CrossCheck, Estimate, Event, FEWEST, Interval, Known, ProgramReach, TooFew, Unseen,
    UnseenValues,
};

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.coverage/v1";

#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    tool: ToolV1,
    required: Option<f64>,
    is_reached: Option<bool>,
    targets: Vec<TargetV1<'a>>,
}

#[derive(Serialize)]
struct ToolV1 {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct TargetV1<'a> {
    target: &'a str,
    recordings: usize,
    complete: bool,
    seen: usize,
    programs: Vec<ProgramV1<'a>>,
    unseen: Vec<UnseenV1<'a>>,
    outside: Vec<&'static str>,
    next: Vec<NextV1<'a>>,
    estimate: Option<EstimateV1>,
    cross_check: Option<CrossCheckV1<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    too_few: Option<TooFewV1>,
}

#[derive(Serialize)]
struct ProgramV1<'a> {
    path: &'a str,
    known: &'static str,
    calls: usize,
    starts_others: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open: Vec<&'a str>,
}

#[derive(Serialize)]
struct UnseenV1<'a> {
    abi: &'static str,
    number: u32,
    syscall: String,
    status: &'static str,
    why: &'a str,
    risk: &'static str,
    class: &'static str,
    reach: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    programs: Vec<ReachV1<'a>>,
    events: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<ValuesV1<'a>>,
}

#[derive(Serialize)]
struct ReachV1<'a> {
    path: &'a str,
    how: &'a str,
}

#[derive(Serialize)]
struct ValuesV1<'a> {
    values: &'a [u64],
    decoded: &'a str,
    risk: &'static str,
    events: Vec<&'static str>,
}

#[derive(Serialize)]
struct NextV1<'a> {
    event: &'a str,
    test: &'a str,
    refused: Vec<String>,
    refused_values: Vec<&'a str>,
}

#[derive(Serialize)]
struct EstimateV1 {
    unit: &'static str,
    samples: usize,
    seen: usize,
    once: usize,
    total: IntervalV1,
    coverage: IntervalV1,
    new: IntervalV1,
    curve: Vec<PointV1>,
}

#[derive(Serialize)]
struct IntervalV1 {
    estimate: f64,
    low: f64,
    high: f64,
}

#[derive(Serialize)]
struct PointV1 {
    samples: usize,
    seen: f64,
}

#[derive(Serialize)]
struct CrossCheckV1<'a> {
    tests: usize,
    refused: Vec<HeldOutV1<'a>>,
    share: IntervalV1,
}

#[derive(Serialize)]
struct HeldOutV1<'a> {
    test: &'a str,
    refused: &'a [String],
}

#[derive(Serialize)]
struct TooFewV1 {
    unit: &'static str,
    samples: usize,
    needed: usize,
}

/// Six digits behind the point: what machines calculate in the last ones differs.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

impl From<&Interval> for IntervalV1 {
    fn from(Interval { estimate, low, high }: &Interval) -> Self {
        Self { estimate: rounded(*estimate), low: rounded(*low), high: rounded(*high) }
    }
}

impl From<&Estimate> for EstimateV1 {
    fn from(estimate: &Estimate) -> Self {
        let point =
            |(samples, seen): &(usize, f64)| PointV1 { samples: *samples, seen: rounded(*seen) };
        Self {
            unit: estimate.unit.name(),
            samples: estimate.samples,
            seen: estimate.seen,
            once: estimate.once,
            total: (&estimate.total).into(),
            coverage: (&estimate.coverage).into(),
            new: (&estimate.new).into(),
            curve: estimate.curve.iter().map(point).collect(),
        }
    }
}

impl<'a> From<&'a CrossCheck> for CrossCheckV1<'a> {
    fn from(check: &'a CrossCheck) -> Self {
        let held = check.refused.iter();
        let held = held.map(|one| HeldOutV1 { test: &one.test, refused: &one.refused });
        Self { tests: check.tests, refused: held.collect(), share: (&check.share).into() }
    }
}

impl From<&TooFew> for TooFewV1 {
    fn from(few: &TooFew) -> Self {
        Self { unit: few.unit.name(), samples: few.samples, needed: FEWEST }
    }
}

impl<'a> From<&'a ProgramReach> for ProgramV1<'a> {
    fn from(program: &'a ProgramReach) -> Self {
        let (known, open) = match &program.known {
            Known::All => ("all", Vec::new()),
            Known::Some(reasons) => ("some", reasons.iter().map(String::as_str).collect()),
            Known::Nothing => ("nothing", Vec::new()),
        };
        let ProgramReach { path, calls, starts_others, .. } = program;
        Self { path, known, calls: *calls, starts_others: *starts_others, open }
    }
}

fn names(events: &[&'static Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

impl<'a> From<&'a UnseenValues> for ValuesV1<'a> {
    fn from(values: &'a UnseenValues) -> Self {
        Self {
            values: &values.values,
            decoded: &values.decoded,
            risk: values.risk.level.name(),
            events: names(&values.events),
        }
    }
}

impl<'a> From<&'a Unseen> for UnseenV1<'a> {
    fn from(unseen: &'a Unseen) -> Self {
        Self {
            abi: unseen.abi.name(),
            number: unseen.number,
            syscall: unseen.call(),
            status: unseen.status.name(),
            why: &unseen.why,
            risk: unseen.risk.level.name(),
            class: unseen.risk.class,
            reach: if unseen.reach.is_empty() { "possible" } else { "known" },
            programs: unseen.reach.iter().map(|(path, how)| ReachV1 { path, how }).collect(),
            events: names(&unseen.events),
            values: unseen.values.iter().map(Into::into).collect(),
        }
    }
}

impl<'a> From<&'a Coverage> for TargetV1<'a> {
    fn from(coverage: &'a Coverage) -> Self {
        let next = coverage.advice().into_iter().map(|advice| NextV1 {
            event: &advice.event.name,
            test: &advice.event.test,
            refused: advice.calls.iter().map(|unseen| unseen.call()).collect(),
            refused_values: advice.values.iter().map(|values| values.decoded.as_str()).collect(),
        });
        Self {
            target: &coverage.target,
            recordings: coverage.recordings,
            complete: coverage.losses.is_empty(),
            seen: coverage.seen,
            programs: coverage.programs.iter().map(Into::into).collect(),
            unseen: coverage.unseen.iter().map(Into::into).collect(),
            outside: coverage.outside.iter().copied().collect(),
            next: next.collect(),
            estimate: coverage.estimate.as_ref().ok().map(Into::into),
            cross_check: coverage.cross_check.as_ref().map(Into::into),
            too_few: coverage.estimate.as_ref().err().map(Into::into),
        }
    }
}

/// Writes the coverage of some targets, as indented JSON that ends in a newline.
///
/// # Errors
///
/// None in practice: every field of the model can be written as JSON.
pub fn print(targets: &[Coverage], required: Option<f64>) -> Result<String, serde_json::Error> {
    let file = File {
        schema: SCHEMA,
        tool: ToolV1 { name: crate::tool::NAME, version: crate::tool::VERSION },
        required,
        is_reached: required
            .map(|required| targets.iter().all(|coverage| coverage.reaches(required))),
        targets: targets.iter().map(Into::into).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}
