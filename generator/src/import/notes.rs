//! Remarks about the files that were read.

use std::fmt::Display;

/// How many lines that could not be read are named before the rest is only counted.
const NAMED: u64 = 5;

/// How many remarks of other kinds are kept.
const REMARKS: usize = 100;

/// A remark about what was read, a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The file that it is about; empty if it is about all of them.
    pub file: String,
    /// The line, from 1, if it is about one.
    pub line: Option<u64>,
    /// What is to be said. What comes from the file is on one line.
    pub text: String,
}

impl Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.file.as_str(), self.line) {
            ("", _) => f.write_str(&self.text),
            (file, Some(line)) => write!(f, "{file}, line {line}: {}", self.text),
            (file, None) => write!(f, "{file}: {}", self.text),
        }
    }
}

/// Remarks, and how many lines could not be read.
#[derive(Default)]
pub(super) struct Notes {
    pub remarks: Vec<Remark>,
    /// Lines that could not be read.
    pub unread: u64,
    /// The file that is being read.
    pub file: String,
}

impl Notes {
    /// Counts a line that could not be read, and names it if it is one of the first.
    pub fn unread(&mut self, line: u64, why: impl Display) {
        self.unread = self.unread.saturating_add(1);
        if self.unread <= NAMED {
            self.push(Some(line), why.to_string());
        }
    }

    /// Counts lines that were read, and turned out to say nothing that a recording can hold.
    pub fn lost(&mut self, lines: u64, why: impl Display) {
        self.unread = self.unread.saturating_add(lines);
        self.say(why);
    }

    /// A remark about the file that is being read.
    pub fn say(&mut self, text: impl Display) {
        self.push(None, text.to_string());
    }

    fn push(&mut self, line: Option<u64>, text: String) {
        let remark = Remark { file: self.file.clone(), line, text };
        if self.remarks.len() < REMARKS && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }
}
