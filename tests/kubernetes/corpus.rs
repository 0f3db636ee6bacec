//! Manifests as people write them: the same objects in every way of writing YAML that is in use, from a seed.

use std::fmt::Write as _;

/// A small generator of numbers (xorshift64*), so that a file depends on its number only.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % sides
    }

    /// True one time in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }
}

/// What is written.
#[derive(Clone)]
enum Value {
    Text(String),
    /// As it is: a number, a boolean, a null, an alias.
    Raw(&'static str),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    Anchored(&'static str, Box<Value>),
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

const TEXTS: [&str; 18] = [
    "nginx",
    "registry.example.org:5000/shop/web:1.27@sha256:0123abcd",
    "--listen=:8080",
    "a b  c",
    "Grüße, 世界 🦀",
    "it's",
    "say \"hi\"",
    "C:\\temp",
    "{{ .Values.image }}",
    "# no comment",
    "key: value",
    "- item",
    "true",
    "1e3",
    "",
    "set -e\necho 'a: b' # c\n\tindented by a tab\nexec \"$@\"\n",
    "worker_processes 1;\n\nhttp {\n  server { listen 80; }\n}\n\n\n",
    "one line that is much longer than any line that a person writes by hand, and that goes on and on, so that \
     writers that fold lines at eighty columns have to fold it more than once, wherever they like",
];

fn container(dice: &mut Dice, name: &str) -> Value {
    let mut entries = vec![
        ("name".to_owned(), text(name)),
        ("image".to_owned(), text(&format!("registry.example.org/shop/{name}:1.27"))),
    ];
    let mut may = |key: &str, value: Value, dice: &mut Dice| {
        if dice.once_in(2) {
            entries.push((key.to_owned(), value));
        }
    };
    let args = (0..=dice.roll(4)).map(|_| text(dice.pick(&TEXTS))).collect();
    may("args", Value::List(args), dice);
    let port = map([("containerPort", Value::Raw("8080")), ("name", text("http"))]);
    may("ports", Value::List(vec![port]), dice);
    let limits = map([("cpu", text("500m")), ("memory", text("64Mi"))]);
    may("resources", map([("limits", limits.clone()), ("requests", limits)]), dice);
    let env = map([("name", text("GREETING")), ("value", text(dice.pick(&TEXTS)))]);
    may("env", Value::List(vec![env.clone(), env]), dice);
    let context = match dice.roll(6) {
        0 => map([("readOnlyRootFilesystem", Value::Raw("true"))]),
        1 => map([("seccompProfile", map([("type", text("RuntimeDefault"))]))]),
        2 => Value::Raw(dice.pick(&["", "~", "null", "{}"])),
        3 => map([
            ("allowPrivilegeEscalation", Value::Raw("true")),
            ("runAsUser", Value::Raw("1000")),
        ]),
        4 => map([("seccompProfile", Value::Raw(dice.pick(&["", "~", "null", "{}"])))]),
        _ => map([("capabilities", map([("drop", Value::List(vec![text("ALL")]))]))]),
    };
    may("securityContext", context, dice);
    let at = dice.roll(entries.len());
    entries.swap(0, at);
    Value::Map(entries)
}

fn pod_spec(dice: &mut Dice) -> Value {
    let names = ["web", "exporter", "proxy"];
    let containers = names[..=dice.roll(3)].iter().map(|name| container(dice, name)).collect();
    let mut entries = vec![("containers".to_owned(), Value::List(containers))];
    if dice.once_in(3) {
        entries.push(("initContainers".into(), Value::List(vec![container(dice, "setup")])));
    }
    if dice.once_in(3) {
        let volume = map([("name", text("tmp")), ("emptyDir", Value::Raw("{}"))]);
        entries.insert(0, ("volumes".into(), Value::List(vec![volume])));
    }
    if dice.once_in(3) {
        entries.push(("terminationGracePeriodSeconds".into(), Value::Raw("30")));
    }
    Value::Map(entries)
}

fn metadata(dice: &mut Dice) -> Value {
    let labels = map([("app.kubernetes.io/name", text("web")), ("tier", text(dice.pick(&TEXTS)))]);
    let mut entries = vec![("name".to_owned(), text("web"))];
    match dice.roll(4) {
        0 => entries.push(("labels".into(), Value::Anchored("labels", Box::new(labels)))),
        1 => {
            entries.push(("labels".into(), Value::Anchored("labels", Box::new(labels))));
            entries.push((
                "annotations".into(),
                map([("<<", Value::Raw("*labels")), ("a/b", text("c"))]),
            ));
        }
        _ => entries.push(("labels".into(), labels)),
    }
    if dice.once_in(3) {
        let key = "a.key/that-is-long".repeat(1 + dice.roll(12));
        entries.push(("annotations".into(), Value::Map(vec![(key, text(dice.pick(&TEXTS)))])));
    }
    Value::Map(entries)
}

fn object(dice: &mut Dice) -> Value {
    let meta = metadata(dice);
    let template = map([("metadata", metadata(dice)), ("spec", pod_spec(dice))]);
    let head = |api: &str, kind: &str, spec: Value| {
        map([
            ("apiVersion", text(api)),
            ("kind", text(kind)),
            ("metadata", meta.clone()),
            ("spec", spec),
        ])
    };
    match dice.roll(7) {
        0 => head("v1", "Pod", pod_spec(dice)),
        1 => {
            let job = map([("spec", map([("template", template)]))]);
            head(
                "batch/v1",
                "CronJob",
                map([("schedule", text("*/5 * * * *")), ("jobTemplate", job)]),
            )
        }
        2 => {
            let files = map([("run.sh", text(TEXTS[15])), ("nginx.conf", text(TEXTS[16]))]);
            map([
                ("apiVersion", text("v1")),
                ("kind", text("ConfigMap")),
                ("metadata", meta),
                ("data", files),
            ])
        }
        3 => {
            let pod = head("v1", "Pod", pod_spec(dice));
            map([
                ("apiVersion", text("v1")),
                ("kind", text("List")),
                ("items", Value::List(vec![pod])),
            ])
        }
        4 => head(
            "apps/v1",
            "StatefulSet",
            map([("template", template), ("serviceName", text("web"))]),
        ),
        _ => head(
            "apps/v1",
            "Deployment",
            map([("replicas", Value::Raw("2")), ("template", template)]),
        ),
    }
}

/// How a file is written.
struct Hand {
    dice: Dice,
    step: usize,
    /// By how many columns lists are indented below their key.
    list: usize,
    comments: usize,
    blanks: usize,
    flow: usize,
    quotes: usize,
    explicit: usize,
    /// Whether a tab may come next: libyaml takes none where a key may begin.
    tabs: bool,
    out: String,
}

/// The file of a number.
pub fn file(number: u64) -> String {
    let mut dice = Dice::new(number + 1);
    if dice.once_in(12) {
        return json(
            &object(&mut dice),
            if dice.once_in(2) { Some(2 + dice.roll(3)) } else { None },
        );
    }
    let step = [2, 2, 2, 4, 3, 8, 1][dice.roll(7)];
    let list = if dice.once_in(2) { 0 } else { step };
    let rare = |dice: &mut Dice| [3, 6, 1000][dice.roll(3)];
    let mut hand = Hand {
        step,
        list,
        comments: rare(&mut dice),
        blanks: rare(&mut dice),
        flow: [4, 10, 1000][dice.roll(3)],
        quotes: [1, 3, 1000][dice.roll(3)],
        explicit: [12, 1000, 1000][dice.roll(3)],
        tabs: true,
        out: String::new(),
        dice,
    };
    let documents = 1 + hand.dice.roll(3);
    hand.start(documents > 1);
    for nth in 0..documents {
        if nth > 0 {
            hand.between();
        }
        let object = object(&mut hand.dice);
        match hand.dice.roll(12) {
            0 => {
                hand.flow(&object, 1, true);
                hand.end_line();
            }
            _ => hand.block(&object, 0),
        }
    }
    let tail = hand.dice.pick(&[
        "",
        "",
        "\n\n",
        "...\n",
        "---\n",
        "# end\n",
        "---\n# nothing\n",
        "\n  \n",
        "... # end\n",
    ]);
    hand.out.push_str(tail);
    finish(hand)
}

fn finish(mut hand: Hand) -> String {
    let mut text = std::mem::take(&mut hand.out);
    if hand.dice.once_in(5) {
        text.truncate(text.trim_end_matches('\n').len());
    }
    if hand.dice.once_in(5) {
        text = text.replace('\n', "\r\n");
    }
    if hand.dice.once_in(8) {
        text.insert(0, '\u{feff}');
    }
    text
}

fn json(value: &Value, indent: Option<usize>) -> String {
    fn write(value: &Value, depth: usize, indent: Option<usize>, out: &mut String) {
        let newline = |depth: usize, out: &mut String| {
            if let Some(indent) = indent {
                let _ = write!(out, "\n{}", " ".repeat(depth * indent));
            }
        };
        let colon = if indent.is_some() { ": " } else { ":" };
        let string = |text: &str| serde_json::to_string(text).unwrap();
        match value {
            Value::Text(text) => out.push_str(&string(text)),
            Value::Raw("" | "~") => out.push_str("null"),
            Value::Raw(raw) if raw.starts_with('*') => out.push_str("\"web\""),
            Value::Raw(raw) => out.push_str(raw),
            Value::Anchored(_, value) => write(value, depth, indent, out),
            Value::List(items) => {
                out.push('[');
                for (nth, item) in items.iter().enumerate() {
                    out.push_str(if nth > 0 { "," } else { "" });
                    newline(depth + 1, out);
                    write(item, depth + 1, indent, out);
                }
                newline(depth, out);
                out.push(']');
            }
            Value::Map(entries) => {
                out.push('{');
                for (nth, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if nth > 0 { "," } else { "" });
                    newline(depth + 1, out);
                    let _ = write!(out, "{}{colon}", string(key));
                    write(value, depth + 1, indent, out);
                }
                newline(depth, out);
                out.push('}');
            }
        }
    }
    let mut out = String::new();
    write(value, 0, indent, &mut out);
    out.push('\n');
    out
}

impl Hand {
    fn start(&mut self, several: bool) {
        if self.dice.once_in(6) {
            // A licence, or a block of settings that are commented out.
            let lines = [1, 12, 120, 700][self.dice.roll(4)];
            for line in 0..lines {
                let _ = writeln!(self.out, "# line {line} of a long comment: it's \"{{}}\" [");
            }
        }
        let directive = self.dice.once_in(15);
        if directive {
            self.out.push_str("%YAML 1.1\n");
        }
        if directive || several || self.dice.once_in(3) {
            self.out.push_str(self.dice.pick(&[
                "---\n",
                "--- # Source: web.yaml\n",
                "---   \n",
                "---\n\n",
            ]));
        }
    }

    fn between(&mut self) {
        let between = [
            "---\n",
            "---\n# Source: shop/templates/web.yaml\n",
            "---\n---\n",
            "...\n---\n",
            "--- # next\n",
            "\n---\n\n",
            "---\n# nothing here\n---\n",
            "...\n# between\n---\n",
        ];
        self.out.push_str(self.dice.pick(&between));
    }

    fn spaces(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
    }

    /// Comments and blank lines before an entry.
    fn aside(&mut self, indent: usize) {
        if self.dice.once_in(self.blanks) {
            let blank = self.dice.pick(&["\n", "\n\n", "   \n"]);
            self.out.push_str(blank);
        }
        if self.dice.once_in(self.comments) {
            let lines = [1, 1, 2, 5, 130][self.dice.roll(5)];
            for _ in 0..lines {
                // Comments may stand anywhere.
                let column =
                    [indent, indent, 0, indent + 2, indent.saturating_sub(2)][self.dice.roll(5)];
                self.spaces(column);
                let comment = self.dice.pick(&[
                    "# why\n",
                    "#\n",
                    "#replicas: 3\n",
                    "# tab\there, it's \"odd\"\n",
                    "# ä: 世界\n",
                    "#- name: old\n",
                ]);
                self.out.push_str(comment);
            }
        }
    }

    fn end_line(&mut self) {
        let tail = match self.dice.roll(self.comments * 2) {
            0 => self.dice.pick(&["  # why", " #", "\t# tab", " # it's: {\"x\"]"]),
            1 => self.dice.pick(&[" ", "   ", "\t"]),
            _ => "",
        };
        let tail = if self.tabs { tail.to_owned() } else { tail.replacen('\t', " ", 1) };
        self.out.push_str(&tail);
        self.out.push('\n');
    }

    /// A collection that begins on this line, or any other value behind a colon or dash.
    fn block(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Map(entries) => {
                for (key, value) in entries {
                    self.aside(indent);
                    self.spaces(indent);
                    self.entry(key, value, indent);
                }
            }
            Value::List(items) => {
                for item in items {
                    self.aside(indent);
                    self.spaces(indent);
                    self.item(item, indent);
                }
            }
            _ => self.scalar(value, indent),
        }
    }

    fn key(&mut self, key: &str) {
        let plain = key != "<<" && self.dice.once_in(self.quotes * 4);
        match (plain, self.dice.roll(2)) {
            (true, 0) => {
                let _ = write!(self.out, "'{key}'");
            }
            (true, _) => {
                let _ = write!(self.out, "\"{key}\"");
            }
            _ => self.out.push_str(key),
        }
    }

    fn entry(&mut self, key: &str, value: &Value, indent: usize) {
        if self.dice.once_in(self.explicit) {
            self.out.push_str("? ");
            self.key(key);
            self.end_line();
            self.spaces(indent);
            self.tabs = false;
        } else {
            self.key(key);
            if self.dice.once_in(40) {
                self.out.push(' ');
            }
        }
        self.out.push(':');
        self.after_colon(value, indent);
        self.tabs = true;
    }

    fn after_colon(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Anchored(name, value) => {
                let _ = write!(self.out, " &{name}");
                self.after_colon(value, indent);
            }
            Value::Map(entries) if entries.is_empty() => self.out.push_str(" {}\n"),
            Value::Map(_) | Value::List(_) if self.dice.once_in(self.flow) => {
                self.out.push(' ');
                let lines = self.dice.once_in(2);
                self.flow(value, indent + self.step, lines);
                self.end_line();
            }
            Value::Map(_) => {
                self.end_line();
                self.block(value, indent + self.step);
            }
            Value::List(_) => {
                self.end_line();
                self.block(value, indent + self.list);
            }
            Value::Raw("") => self.end_line(),
            _ => {
                let gap = self.dice.pick(&[" ", " ", " ", " ", "  ", "     ", "\t"]);
                self.out.push_str(if self.tabs { gap } else { " " });
                self.scalar(value, indent);
            }
        }
    }

    fn item(&mut self, value: &Value, indent: usize) {
        self.out.push('-');
        match value {
            Value::Map(entries) if !self.dice.once_in(self.flow) => match self.dice.roll(8) {
                0 => {
                    self.tabs = false;
                    self.end_line();
                    self.tabs = true;
                    self.block(value, indent + self.step);
                }
                wide => {
                    // `-   name:` is as common as `- name:`.
                    let gap = if wide == 1 { 3 } else { 1 };
                    self.spaces(gap);
                    let (first, rest) = (&entries[0], entries[1..].to_vec());
                    self.entry(&first.0, &first.1, indent + 1 + gap);
                    self.block(&Value::Map(rest), indent + 1 + gap);
                }
            },
            Value::Map(_) | Value::List(_) => {
                self.out.push(' ');
                let lines = self.dice.once_in(2);
                self.flow(value, indent + 2, lines);
                self.end_line();
            }
            _ => {
                self.out.push(' ');
                self.scalar(value, indent);
            }
        }
    }

    /// A scalar and the end of its line.
    fn scalar(&mut self, value: &Value, indent: usize) {
        let text = match value {
            Value::Raw(raw) => {
                self.out.push_str(raw);
                return self.end_line();
            }
            Value::Text(text) => text.clone(),
            _ => unreachable!("only scalars"),
        };
        let inner = indent + self.step;
        if text.contains('\n') || (self.dice.once_in(12) && is_blockable(&text)) {
            return self.block_scalar(&text, inner);
        }
        if is_plain(&text) && !self.dice.once_in(self.quotes) {
            if text.contains(' ') && !text.contains("  ") && self.dice.once_in(2) {
                self.folded_words(&text, inner);
            } else {
                self.out.push_str(&text);
            }
        } else if self.dice.once_in(2) {
            let single = text.replace('\'', "''");
            self.out.push('\'');
            if single.contains(' ') && !single.contains("  ") && self.dice.once_in(3) {
                self.folded_words(&single, inner);
            } else {
                self.out.push_str(&single);
            }
            self.out.push('\'');
        } else {
            self.double(&text, inner);
        }
        self.end_line();
    }

    /// Words on several lines, which are one line to a parser.
    fn folded_words(&mut self, text: &str, indent: usize) {
        for (nth, word) in text.split(' ').enumerate() {
            if nth > 0 && self.dice.once_in(3) && !word.starts_with(['#', '-', '?']) {
                let trailing = self.dice.pick(&["", "", " "]);
                self.out.push_str(trailing);
                self.out.push('\n');
                let column = indent + self.dice.roll(4);
                self.spaces(column);
            } else if nth > 0 {
                self.out.push(' ');
            }
            self.out.push_str(word);
        }
    }

    fn double(&mut self, text: &str, indent: usize) {
        self.out.push('"');
        for one in text.chars() {
            match one {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str("\\t"),
                ' ' if self.dice.once_in(30) => {
                    self.out.push_str("\\\n");
                    self.spaces(indent);
                    self.out.push_str("\\ ");
                }
                one if !one.is_ascii() && self.dice.once_in(2) => {
                    let _ = write!(self.out, "\\U{:08x}", u32::from(one));
                }
                'e' if self.dice.once_in(20) => self.out.push_str("\\x65"),
                one => self.out.push(one),
            }
        }
        self.out.push('"');
    }

    fn block_scalar(&mut self, text: &str, indent: usize) {
        let body = text.trim_end_matches('\n');
        let (chomp, ends) = match text.len() - body.len() {
            0 => ("-", ""),
            1 => ("", ""),
            _ => ("+", "\n\n"),
        };
        let indicator =
            if body.starts_with([' ', '\n']) || self.dice.once_in(6) { self.step } else { 0 };
        // The indicator counts from the parent's column.
        let indicator = if indicator > 0 { indicator.to_string() } else { String::new() };
        let style = if body.contains('\n') { "|" } else { self.dice.pick(&["|", ">"]) };
        let comment = self.dice.pick(&["", "", "", " # a script", "  "]);
        let _ = writeln!(self.out, "{style}{indicator}{chomp}{comment}");
        for line in body.split('\n') {
            if !line.is_empty() {
                self.spaces(indent);
            }
            let _ = writeln!(self.out, "{line}");
        }
        self.out.push_str(ends);
        if self.dice.once_in(10) && !ends.is_empty() {
            self.out.push_str("# behind it\n");
        }
    }

    fn flow(&mut self, value: &Value, indent: usize, lines: bool) {
        let quoted = self.dice.once_in(3);
        self.flow_value(value, indent, lines, quoted);
    }

    fn flow_break(&mut self, indent: usize, lines: bool) {
        if lines {
            if self.dice.once_in(self.comments * 2) {
                self.out.push_str(" # why");
            }
            self.out.push('\n');
            self.spaces(indent);
        } else if self.dice.once_in(3) {
            self.out.push(' ');
        }
    }

    fn flow_value(&mut self, value: &Value, indent: usize, lines: bool, quoted: bool) {
        match value {
            Value::Raw(raw) => self.out.push_str(raw),
            Value::Text(text) if is_flow_plain(text) && !quoted => self.out.push_str(text),
            Value::Text(text) if self.dice.once_in(2) && !text.contains('\n') => {
                let _ = write!(self.out, "'{}'", text.replace('\'', "''"));
            }
            Value::Text(text) => {
                let _ = write!(self.out, "{}", serde_json::to_string(text).unwrap());
            }
            Value::Anchored(name, value) => {
                let _ = write!(self.out, "&{name} ");
                self.flow_value(value, indent, lines, quoted);
            }
            Value::List(items) => {
                self.out.push('[');
                for (nth, item) in items.iter().enumerate() {
                    self.out.push_str(if nth > 0 { "," } else { "" });
                    self.flow_break(indent + 2, lines);
                    self.flow_value(item, indent + 2, lines, quoted);
                }
                self.flow_close(indent, lines, "]");
            }
            Value::Map(entries) => {
                self.out.push('{');
                for (nth, (key, value)) in entries.iter().enumerate() {
                    self.out.push_str(if nth > 0 { "," } else { "" });
                    self.flow_break(indent + 2, lines);
                    if quoted && key != "<<" {
                        let colon = if matches!(value, Value::Raw(_)) {
                            " "
                        } else {
                            self.dice.pick(&["", " "])
                        };
                        let _ = write!(self.out, "\"{key}\":{colon}");
                    } else {
                        let _ = write!(self.out, "{key}: ");
                    }
                    self.flow_value(value, indent + 2, lines, quoted);
                }
                self.flow_close(indent, lines, "}");
            }
        }
    }

    fn flow_close(&mut self, indent: usize, lines: bool, bracket: &str) {
        if self.dice.once_in(4) {
            self.out.push(',');
        }
        self.flow_break(indent, lines);
        self.out.push_str(bracket);
    }
}

fn is_blockable(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(' ')
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text
            .starts_with(['#', '-', '{', '"', '\'', '*', '&', '%', '@', '`', '[', '|', '>', '!'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains('\n')
        && text != "true"
        && text != "1e3"
}

fn is_flow_plain(text: &str) -> bool {
    is_plain(text) && !text.contains([',', '{', '}', '[', ']', ':'])
}

/// The same with a few slips of the hand.
pub fn with_slips(text: &str, number: u64) -> String {
    let mut dice = Dice::new(number ^ 0x5eed);
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..1 + dice.roll(3) {
        if chars.is_empty() {
            break;
        }
        let at = dice.roll(chars.len());
        let bits = [
            " ", "\t", "\n", "  ", "#", " # x", ":", ": ", "- ", ",", "'", "\"", "!!str ", "&a ",
            "*a", "? ", "|\n", "\u{feff}", "\u{85}", "\u{2028}", "\r", "\n---\n", "\n...\n", "{}",
            "[]", "%", "~", "null", "<<: ", "!x ", "\n\n", "\u{a0}", ">-\n", "@", "0", "\\",
        ];
        match dice.roll(4) {
            0 => {
                chars.remove(at);
            }
            _ => {
                let bit: Vec<char> = dice.pick(&bits).chars().collect();
                // Where a token begins is where it matters.
                let at = if dice.once_in(2) {
                    let near = chars[at..].iter().position(|one| [' ', '\n', ':'].contains(one));
                    near.map_or(at, |near| at + near)
                } else {
                    at
                };
                chars.splice(at..at, bit);
            }
        }
    }
    chars.into_iter().collect()
}
