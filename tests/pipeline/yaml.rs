//! Random manifests in random styles.

use std::fmt::Write;

use proptest::prelude::*;
use proptest::sample::select;

/// How a file is written.
#[derive(Clone, Debug)]
pub struct Style {
    step: usize,
    deeper_sequences: bool,
    crlf: bool,
    final_newline: bool,
    comments: bool,
    bom: bool,
    marker: bool,
}

/// What a container's `securityContext` is.
#[derive(Clone, Debug)]
pub enum Security {
    /// Not there.
    Absent,
    /// A key with one of the ways to say nothing.
    Empty(&'static str),
    /// Entries in block style.
    Block(Vec<(&'static str, &'static str)>),
    /// In flow style, as it is.
    Flow(&'static str),
    /// Block style with a profile of which these are the lines.
    Profile(Vec<&'static str>),
}

/// A container.
#[derive(Clone, Debug)]
pub struct Container {
    name: &'static str,
    /// Other entries, each of some lines.
    entries: Vec<&'static str>,
    /// The place of the security context among them.
    place: usize,
    /// Its security context.
    pub security: Security,
}

/// A manifest.
#[derive(Clone, Debug)]
pub struct Pod {
    style: Style,
    kind: usize,
    /// Its containers.
    pub containers: Vec<Container>,
}

/// Entries of a container. `~~` is a level of indentation, `%` a comment if the style has some.
const ENTRIES: &[&str] = &[
    "image: example.org/app:1%",
    "tty: true",
    "stdin: !!bool false%",
    "\"workingDir\": '/it''s'%",
    "command: [\"a\", b, 'c#d']%",
    "command:\n- a\n- \"b \\\n  c\"%",
    "args:\n- |\n  one\n\n    two\n\n- >-\n  three%\n",
    "args:\n- |+\n  kept\n\n",
    "args: [\n~~a,\n~~{b: c}%\n~~]",
    "env:%\n- name: A\n  value: \"ü\\t😀\"%\n- {name: B, value: x}",
    "env:\n-\n  name: LAST\n  value:%",
    "resources: {}%",
    "resources: {limits: {cpu: 1, memory: \"1Gi\"}, }",
    "resources:\n~~limits:%\n~~~~cpu: 100m",
    "terminationMessagePath: /a\n~~b c%",
    "livenessProbe: &probe {exec: {command: [x]}}",
    "ports: # none\n",
    "lifecycle: ~%",
];

fn style() -> impl Strategy<Value = Style> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (select(vec![2_usize, 3, 4]), flags, any::<bool>()).prop_map(|(step, flags, marker)| {
        let (deeper_sequences, crlf, final_newline, comments, bom) = flags;
        Style { step, deeper_sequences, crlf, final_newline, comments, bom, marker }
    })
}

fn security() -> impl Strategy<Value = Security> {
    prop_oneof![
        3 => Just(Security::Absent),
        1 => select(vec!["", "~", "null", "{}", "{ }"]).prop_map(Security::Empty),
        1 => prop::sample::subsequence(
            vec![("runAsUser", "5%"), ("privileged", "false"), ("capabilities", "{drop: [ALL]}%")],
            1..=3,
        )
        .prop_map(Security::Block),
        1 => select(vec![
            "{runAsUser: 5}",
            "{\"runAsUser\": 5,\"privileged\":false}%",
            "{seccompProfile: {type: RuntimeDefault}}",
            "{ seccompProfile: , runAsUser: 1 }",
            "{\n~~runAsUser: 5,%\n~~privileged: false%\n~~}",
            "{seccompProfile: {\"type\": \"Localhost\", \"localhostProfile\": 'old.json'}}",
        ])
        .prop_map(Security::Flow),
        1 => select(vec![
            vec!["type: RuntimeDefault%"],
            vec!["type: 'Localhost'%", "localhostProfile: \"old.json\"%"],
            vec!["localhostProfile: old.json", "type: Localhost"],
            vec!["type: Localhost", "localhostProfile: x/web-1.json%"],
        ])
        .prop_map(Security::Profile),
    ]
}

fn container() -> impl Strategy<Value = Container> {
    let entries = prop::sample::subsequence(ENTRIES.to_vec(), 0..=4).prop_shuffle();
    (select(vec!["web", "web", "other"]), entries, 0_usize..6, security()).prop_map(
        |(name, mut entries, place, security)| {
            let key =
                |entry: &str| entry.trim_matches('"').split([':', '"']).next().map(str::to_owned);
            let mut seen = vec![Some("image".to_owned())];
            entries.retain(|entry| {
                let new = !seen.contains(&key(entry));
                seen.push(key(entry));
                new
            });
            entries.insert(place.min(entries.len()), ENTRIES[0]);
            Container { name, entries, place, security }
        },
    )
}

/// Any manifest.
pub fn pods() -> impl Strategy<Value = Pod> {
    (style(), 0_usize..4, prop::collection::vec(container(), 1..4))
        .prop_map(|(style, kind, containers)| Pod { style, kind, containers })
}

impl Pod {
    /// The manifest as a file.
    pub fn print(&self) -> String {
        let mut out = Out { style: &self.style, text: String::new() };
        if self.style.marker {
            out.text += "# before\n--- # start\n";
        }
        let (head, depth) = match self.kind {
            0 => ("apiVersion: v1\nkind: Pod%\nmetadata: {name: x}\nspec:%\n", 1),
            1 => ("apiVersion: apps/v1\nkind: Deployment\nspec:\n~~template:%\n~~~~spec:\n", 3),
            2 => (
                "kind: CronJob\napiVersion: batch/v1%\nspec:\n~~jobTemplate:\n~~~~spec:\n~~~~~~template:\n\
                 ~~~~~~~~spec:\n",
                5,
            ),
            _ => ("apiVersion: v1\nkind: PodTemplate\ntemplate:\n~~spec:%\n", 2),
        };
        for line in head.lines() {
            out.line(0, line);
        }
        let indent = depth * self.style.step;
        out.line(indent, "containers:%");
        let dash = indent + if self.style.deeper_sequences { self.style.step } else { 0 };
        for container in &self.containers {
            container.print(dash, &mut out);
        }
        out.finish()
    }
}

impl Container {
    fn print(&self, dash: usize, out: &mut Out<'_>) {
        out.line(dash, &format!("- name: {}%", self.name));
        let column = dash + 2;
        for (nth, entry) in self.entries.iter().enumerate() {
            if nth == self.place {
                self.print_security(column, out);
            }
            for line in entry.lines() {
                out.line(column, line);
            }
        }
        if self.place >= self.entries.len() {
            self.print_security(column, out);
        }
    }

    fn print_security(&self, column: usize, out: &mut Out<'_>) {
        let lines: Vec<String> = match &self.security {
            Security::Absent => Vec::new(),
            Security::Empty(text) => vec![format!("securityContext: {text}%")],
            Security::Flow(text) => {
                format!("securityContext: {text}").lines().map(str::to_owned).collect()
            }
            Security::Block(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("~~{key}: {value}"));
                std::iter::once("securityContext:%".to_owned()).chain(entries).collect()
            }
            Security::Profile(lines) => {
                let head = ["securityContext:".to_owned(), "~~seccompProfile:%".to_owned()];
                head.into_iter().chain(lines.iter().map(|line| format!("~~~~{line}"))).collect()
            }
        };
        for line in lines {
            out.line(column, &line);
        }
    }
}

struct Out<'a> {
    style: &'a Style,
    text: String,
}

impl Out<'_> {
    fn line(&mut self, indent: usize, line: &str) {
        let line = line.replace("~~", &" ".repeat(self.style.step));
        let line = line.replace('%', if self.style.comments { "   # why: \"it's\"" } else { "" });
        let indent = if line.is_empty() { 0 } else { indent };
        let _ = writeln!(self.text, "{:indent$}{}", "", line.trim_end());
        if self.style.comments && line.contains('#') && !line.contains('|') {
            let _ = writeln!(self.text, "{:indent$}# a line of its own", "");
        }
    }

    fn finish(self) -> String {
        let mut text = self.text;
        if !self.style.final_newline {
            text.truncate(text.trim_end_matches('\n').len());
        }
        if self.style.crlf {
            text = text.replace('\n', "\r\n");
        }
        if self.style.bom { format!("\u{feff}{text}") } else { text }
    }
}
