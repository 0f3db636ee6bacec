//! The table that strace prints for `-c`: names of calls, and how often each was made.

use std::collections::BTreeMap;

use super::line::Mode;
use crate::limits::LOG_CALLS;
use crate::untrusted::short;

/// Reads the lines of summaries.
#[derive(Debug, Default)]
pub struct Summary {
    /// Where the columns are of the table that the lines are in.
    table: Option<Columns>,
    mode: Option<Mode>,
    /// Calls, with how often they were made.
    pub calls: BTreeMap<(Option<Mode>, String), u64>,
}

#[derive(Clone, Copy, Debug)]
struct Columns {
    /// From the left.
    calls: usize,
    /// Whether there are so many columns that none before the calls can be empty.
    count: usize,
}

/// Whether a line is the head of a table.
pub fn is_head(line: &str) -> bool {
    columns(line).is_some()
}

/// `% time     seconds  usecs/call     calls    errors syscall`, and others by `-U`.
fn columns(line: &str) -> Option<Columns> {
    let line = line.trim().replace("% time", "%time");
    let names: Vec<&str> = line.split_whitespace().collect();
    let is_last = names.last() == Some(&"syscall");
    let calls = names.iter().position(|name| *name == "calls")?;
    // Only the column of errors may be empty.
    let errors = names.iter().position(|name| *name == "errors");
    let fits = is_last && errors.is_none_or(|errors| errors > calls);
    fits.then_some(Columns { calls, count: names.len() })
}

impl Summary {
    /// Begins another file.
    pub fn next_file(&mut self) {
        (self.table, self.mode) = (None, None);
    }

    /// Reads a line, if it is one of a table.
    pub fn read(&mut self, line: &str) -> bool {
        // Source: strace 6.1 `src/count.c`.
        if let Some(mode) = line.strip_prefix("System call usage summary for ") {
            self.mode = match mode.split(' ').next() {
                Some("64") => Some(Mode::Native),
                Some("32") => Some(Mode::Bits32),
                Some("x32") => Some(Mode::X32),
                _ => return false,
            };
            return true;
        }
        if let Some(columns) = columns(line) {
            self.table = Some(columns);
            return true;
        }
        let Some(columns) = self.table else { return false };
        if line.starts_with("---") {
            return true;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(count), Some(name)) = (fields.get(columns.calls), fields.last()) else {
            return false;
        };
        let fits = fields.len() <= columns.count && fields.len() + 1 >= columns.count;
        let Some(count) = count.parse::<u64>().ok().filter(|_| fits) else { return false };
        if *name == "total" {
            self.table = None;
        } else {
            if self.calls.len() < LOG_CALLS {
                let sum = self.calls.entry((self.mode, short(name))).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_names_and_counts() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 69.36    0.001098         549         2         1 wait4
  5.69    0.000090           2        38           mmap
------ ----------- ----------- --------- --------- ----------------
100.00    0.001583           7       216        29 total
System call usage summary for 32 bit mode:
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
  0.00    0.000000           0         1           exit
";
        let mut summary = Summary::default();
        assert!(text.lines().all(|line| summary.read(line)));
        let call = |mode, name: &str, count| ((mode, name.to_owned()), count);
        assert_eq!(
            summary.calls,
            [call(None, "wait4", 2), call(None, "mmap", 38), call(Some(Mode::Bits32), "exit", 1)]
                .into()
        );
        assert!(!summary.read("hello"));
        assert!(!Summary::default().read(" 1 2 3 read"));
    }
}
