//! Tables of what was measured: aligned for a terminal, and in Markdown.

use std::fmt::Write;

/// Rows of cells; the first row is the head, and the first column is text.
pub struct Table(pub Vec<Vec<String>>);

impl Table {
    /// In columns, for a terminal.
    pub fn aligned(&self) -> String {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> =
            (0..columns).map(|column| width(column).unwrap_or_default()).collect();
        let mut text = String::new();
        for row in &self.0 {
            let mut line = String::new();
            for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = if index == 0 {
                    write!(line, "{cell:<width$}")
                } else {
                    write!(line, "  {cell:>width$}")
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (index, row) in self.0.iter().enumerate() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if index == 0 {
                let rule = |column: usize| if column == 0 { "---" } else { "---:" };
                let rules: Vec<&str> = (0..row.len()).map(rule).collect();
                let _ = writeln!(text, "| {} |", rules.join(" | "));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_end_in_the_same_column() {
        let rows = [["", "figure"], ["a long name", "7"], ["b", "1000"]];
        let table = Table(rows.map(|row| row.map(str::to_owned).to_vec()).to_vec());
        let ends: Vec<usize> = table.aligned().lines().map(|line| line.chars().count()).collect();
        assert_eq!(ends, [19, 19, 19]);
        assert!(table.markdown().starts_with("|  | figure |\n| --- | ---: |\n| a long name | 7 |"));
    }
}
