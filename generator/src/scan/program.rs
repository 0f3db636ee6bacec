//! What is known of a program that was scanned, for people and programs.

use serde::Serialize;

use super::reachable::{How, Reachable};
use crate::abi::Abi;
use crate::diff::{Level, assess_risk_of_all};
use crate::tool;
use crate::untrusted::{Json, Text};

/// The value of the `schema` field of [`json`].
pub const SCHEMA: &str = "strait.scan/v1";

/// A program that was scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// As it was named.
    pub path: String,
    /// The program that runs it, if it is a script.
    pub executable: Option<String>,
    /// The ABI of its machine's and its own.
    pub abi: Abi,
    /// Whether a dynamic loader loads libraries for it.
    pub is_dynamic: bool,
    /// The libraries that were found.
    pub libraries: Vec<String>,
    /// What it can call.
    pub reachable: Reachable,
}

#[derive(Serialize)]
struct FileV1<'a> {
    schema: &'static str,
    tool: ToolV1,
    programs: Vec<ProgramV1<'a>>,
}

#[derive(Serialize)]
struct ToolV1 {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct ProgramV1<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    executable: Option<&'a str>,
    abi: &'static str,
    linkage: &'static str,
    libraries: &'a [String],
    closed: bool,
    calls: Vec<CallV1<'a>>,
    open: Vec<&'a str>,
}

#[derive(Serialize)]
struct CallV1<'a> {
    abi: &'static str,
    syscall: Option<&'static str>,
    number: u32,
    risk: &'static str,
    class: &'static str,
    known_by: Vec<HowV1<'a>>,
}

#[derive(Serialize)]
struct HowV1<'a> {
    kind: &'static str,
    file: &'a str,
    function: &'a str,
}

/// The report for programs.
///
/// # Errors
///
/// None in practice.
pub fn json(programs: &[Program]) -> Result<Json, serde_json::Error> {
    let file = FileV1 {
        schema: SCHEMA,
        tool: ToolV1 { name: tool::NAME, version: tool::VERSION },
        programs: programs.iter().map(program_v1).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(Json::new(&text))
}

fn program_v1(program: &Program) -> ProgramV1<'_> {
    let calls = by_risk(&program.reachable).into_iter().map(|row| CallV1 {
        abi: row.abi.name(),
        syscall: row.abi.syscall_name(row.number),
        number: row.number,
        risk: row.level.name(),
        class: row.class,
        known_by: row.ways.iter().map(|how| how_v1(how)).collect(),
    });
    ProgramV1 {
        path: &program.path,
        executable: program.executable.as_deref(),
        abi: program.abi.name(),
        linkage: linkage(program),
        libraries: &program.libraries,
        closed: program.reachable.is_closed(),
        calls: calls.collect(),
        open: program.reachable.open.iter().map(String::as_str).collect(),
    }
}

fn how_v1(how: &How) -> HowV1<'_> {
    HowV1 { kind: how.kind.name(), file: &how.file, function: &how.symbol }
}

const fn linkage(program: &Program) -> &'static str {
    if program.is_dynamic { "dynamic" } else { "static" }
}

struct Row<'a> {
    level: Level,
    class: &'static str,
    abi: Abi,
    number: u32,
    ways: Vec<&'a How>,
}

impl Row<'_> {
    fn name(&self) -> String {
        let name = self.abi.syscall_name(self.number);
        let name = name.map_or_else(|| self.number.to_string(), str::to_owned);
        if self.abi.is_native() { name } else { format!("{name} ({})", self.abi) }
    }
}

/// All calls, those of the highest risk first.
fn by_risk(reachable: &Reachable) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = reachable
        .iter()
        .map(|(abi, number, ways)| {
            let risk = assess_risk_of_all(abi, number);
            Row { level: risk.level, class: risk.class, abi, number, ways: ways.iter().collect() }
        })
        .collect();
    rows.sort_by_cached_key(|row| (std::cmp::Reverse(row.level), row.abi, row.name()));
    rows
}

/// The report for people.
pub fn text(programs: &[Program]) -> Text {
    let mut text = Text::new();
    for (at, program) in programs.iter().enumerate() {
        if at > 0 {
            text.blank();
        }
        one(program, &mut text);
    }
    text
}

fn one(program: &Program, text: &mut Text) {
    let rows = by_risk(&program.reachable);
    let through = match &program.executable {
        Some(executable) => format!(", a script for {executable}"),
        None => String::new(),
    };
    let libraries = match program.libraries.len() {
        0 => String::new(),
        1 => " with 1 library".to_owned(),
        count => format!(" with {count} libraries"),
    };
    let Program { path, abi, .. } = program;
    text.line(format_args!("{path}{through}: {abi}, {}{libraries}", linkage(program)));
    let more = if program.reachable.is_closed() { "" } else { ", or more" };
    text.line(format_args!("can make {} system calls{more}", rows.len()));
    for reason in &program.reachable.open {
        text.line(format_args!("  open: {reason}"));
    }
    for level in [Level::High, Level::Medium, Level::Low] {
        let of_level: Vec<_> = rows.iter().filter(|row| row.level == level).collect();
        if of_level.is_empty() {
            continue;
        }
        text.blank();
        text.line(format_args!("{} risk: {}", level.name(), of_level.len()));
        let names: Vec<String> = of_level.iter().map(|row| row.name()).collect();
        let width = names.iter().map(String::len).max().unwrap_or_default();
        for (row, name) in of_level.iter().zip(names) {
            let how = row.ways.first().map(|how| known_by(how)).unwrap_or_default();
            text.line(format_args!("  {name:<width$}  {how}"));
        }
    }
}

fn known_by(how: &How) -> String {
    let How { kind, file, symbol } = how;
    match (symbol.is_empty(), file.is_empty()) {
        (true, _) => format!("{kind} in {file}"),
        (false, true) => format!("{kind} {symbol}"),
        (false, false) => format!("{kind} {symbol} in {file}"),
    }
}
