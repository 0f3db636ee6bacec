//! How many instructions of a filter a call takes, and whether the kernel needs to run it at all.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use strait_generator::abi::Abi;
use strait_generator::bpf::{self, Call, Filter, Instruction, Run};
use strait_generator::policy::Action;

use super::Layout;
use crate::run::Tool;
use crate::table::Table;

/// Calls that programs make often, or that have rules about arguments, with the arguments that are usual.
const CALLS: [(&str, &str, [u64; 6]); 24] = [
    ("read", "read", [3, 0, 4096, 0, 0, 0]),
    ("write", "write", [3, 0, 4096, 0, 0, 0]),
    ("futex", "futex", [0, 0x81, 1, 0, 0, 0]),
    ("epoll_wait", "epoll_wait", [3, 0, 512, 100, 0, 0]),
    ("fcntl(F_GETFL)", "fcntl", [3, 3, 0, 0, 0, 0]),
    ("mmap(READ, WRITE)", "mmap", [0, 4096, 3, 0x22, u64::MAX, 0]),
    ("mmap(READ, EXEC)", "mmap", [0, 4096, 5, 2, 3, 0]),
    ("mprotect(READ)", "mprotect", [0, 4096, 1, 0, 0, 0]),
    ("mprotect(READ, WRITE)", "mprotect", [0, 4096, 3, 0, 0, 0]),
    ("mprotect(READ, EXEC)", "mprotect", [0, 4096, 5, 0, 0, 0]),
    ("ioctl(TCGETS)", "ioctl", [1, 0x5401, 0, 0, 0, 0]),
    ("ioctl(TIOCGWINSZ)", "ioctl", [1, 0x5413, 0, 0, 0, 0]),
    ("ioctl(FIONREAD)", "ioctl", [1, 0x541b, 0, 0, 0, 0]),
    ("ioctl(FIONBIO)", "ioctl", [1, 0x5421, 0, 0, 0, 0]),
    ("ioctl(FIOASYNC)", "ioctl", [1, 0x5452, 0, 0, 0, 0]),
    ("socket(INET, STREAM)", "socket", [2, 0x80001, 0, 0, 0, 0]),
    ("socket(INET6, STREAM)", "socket", [10, 0x80001, 0, 0, 0, 0]),
    ("socket(UNIX, STREAM)", "socket", [1, 0x80001, 0, 0, 0, 0]),
    ("clone, a thread", "clone", [0x003d_0f00, 0, 0, 0, 0, 0]),
    ("clone, a process", "clone", [0x0120_0011, 0, 0, 0, 0, 0]),
    ("prctl(PR_SET_NAME)", "prctl", [15, 0, 0, 0, 0, 0]),
    ("prctl(PR_SET_DUMPABLE)", "prctl", [4, 1, 0, 0, 0, 0]),
    ("prlimit64, asking", "prlimit64", [0, 7, 0, 0, 0, 0]),
    ("fchmod(0644)", "fchmod", [3, 0o644, 0, 0, 0, 0]),
];

/// The columns of the table: a profile in a layout, and what each call takes there.
pub struct Counts(Vec<Column>);

struct Column {
    title: String,
    /// Instructions of the whole filter.
    length: usize,
    runs: Vec<Option<Run>>,
}

impl Counts {
    /// Of these profiles, compiled by the example `filter`.
    pub fn of(tool: &Path, profiles: &[(&str, &Path)]) -> Result<Self> {
        let mut columns = Vec::new();
        for layout in Layout::ALL {
            for (name, profile) in profiles {
                let text = Tool::new(tool)
                    .args(["print", layout.word()])
                    .arg(profile)
                    .stdout("compiling a profile")?;
                let title = format!("{name}, {}", layout.word());
                columns.push(Column::of(title, &parse(&text)?));
            }
        }
        Ok(Self(columns))
    }

    /// A row for each call.
    pub fn table(&self) -> Table {
        let mut head = vec!["Call".to_owned()];
        head.extend(self.0.iter().map(|column| column.title.clone()));
        let mut rows = vec![head];
        for (index, (title, ..)) in CALLS.iter().enumerate() {
            let mut row = vec![(*title).to_owned()];
            row.extend(self.0.iter().map(|column| cell(column.runs[index])));
            rows.push(row);
        }
        let mut last = vec!["the whole filter".to_owned()];
        last.extend(self.0.iter().map(|column| column.length.to_string()));
        rows.push(last);
        Table(rows)
    }
}

impl Column {
    fn of(title: String, filter: &Filter) -> Self {
        let native = native();
        let run = |(_, name, args): &(&str, &str, [u64; 6])| {
            let native = native?;
            Some(filter.trace(&Call::new(native, native.syscall_number(name)?, *args)))
        };
        Self { title, length: filter.instructions().len(), runs: CALLS.iter().map(run).collect() }
    }
}

/// The instructions that each call takes; nothing if the kernel remembers the answer.
fn cell(run: Option<Run>) -> String {
    match run {
        // This machine has no such call.
        None => String::new(),
        Some(run) if bpf::action(run.verdict) != Some(Action::Allow) => {
            format!("{} (refused)", run.instructions)
        }
        Some(run) if run.by_number => "0".to_owned(),
        Some(run) => run.instructions.to_string(),
    }
}

/// The share of a recording's calls for which the kernel runs the filter of a profile: those that it does not remember.
pub fn share(tool: &Path, recording: &Path, profile: &Path) -> Result<f64> {
    let text =
        std::fs::read(recording).with_context(|| format!("cannot read {}", recording.display()))?;
    let recording = serde_json::from_slice(&text).context("a recording is not JSON")?;
    let layout = Layout::Tree.word();
    let printed =
        Tool::new(tool).args(["print", layout]).arg(profile).stdout("compiling a profile")?;
    share_of(&recording, &parse(&printed)?).context("a recording without calls")
}

fn share_of(recording: &Value, filter: &Filter) -> Option<f64> {
    let native = native()?;
    let (mut all, mut run) = (0.0, 0.0);
    for call in recording["abis"][native.name()]["syscalls"].as_object()?.values() {
        let (number, count) = (call["number"].as_u64()?, call["count"].as_f64()?);
        let number = u32::try_from(number).ok()?;
        all += count;
        if !filter.trace(&Call::new(native, number, [0; 6])).by_number {
            run += count;
        }
    }
    (all > 0.0).then_some(run / all)
}

/// The ABI of this machine's programs.
fn native() -> Option<Abi> {
    Abi::ALL.into_iter().find(|abi| abi.name() == std::env::consts::ARCH)
}

/// The program that the tool prints.
fn parse(text: &str) -> Result<Filter> {
    let instruction = |line: &str| -> Option<Instruction> {
        let mut words = line.split(' ');
        let instruction = Instruction {
            code: words.next()?.parse().ok()?,
            jt: words.next()?.parse().ok()?,
            jf: words.next()?.parse().ok()?,
            k: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(instruction)
    };
    let instructions: Option<Vec<Instruction>> = text.lines().map(instruction).collect();
    let instructions = instructions.context("the tool printed something else than a filter")?;
    ensure!(!instructions.is_empty(), "the tool printed nothing");
    Filter::new(instructions).context("the kernel would not take the filter")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Allows all calls, but one by its number only if its second argument is 3.
    fn filter() -> Filter {
        let number = native().and_then(|abi| abi.syscall_number("fcntl")).unwrap();
        let text = format!(
            "32 0 0 0\n21 0 3 {number}\n32 0 0 24\n21 1 0 3\n6 0 0 327681\n6 0 0 2147418112\n"
        );
        parse(&text).unwrap()
    }

    #[test]
    fn the_share_of_calls_that_run_the_filter_is_by_their_counts() {
        let abi = native().unwrap();
        let call = |name, count: u64| json!({"number": abi.syscall_number(name), "count": count});
        let calls = json!({"fcntl": call("fcntl", 1), "read": call("read", 3)});
        let recording = json!({"abis": {abi.name(): {"syscalls": calls}}});
        assert_eq!(share_of(&recording, &filter()), Some(0.25));
        assert_eq!(share_of(&json!({}), &filter()), None);
    }

    #[test]
    fn what_the_kernel_remembers_takes_no_instruction() {
        let column = Column::of("x".to_owned(), &filter());
        let of = |title: &str| {
            let index = CALLS.iter().position(|(name, ..)| *name == title).unwrap();
            cell(column.runs[index])
        };
        assert_eq!(of("read"), "0");
        assert_eq!(of("fcntl(F_GETFL)"), "5");
        assert_eq!(column.length, 6);
        assert!(parse("").is_err() && parse("6 0 0\n").is_err() && parse("21 9 9 0\n").is_err());
    }
}
