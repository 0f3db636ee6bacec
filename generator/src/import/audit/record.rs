//! Records of the audit in the forms in which they are kept.
//!
//! Sources: the kernel's `kernel/auditsc.c` (`audit_seccomp`, `audit_log_exit`) and `kernel/audit.c`, auditd's log
//! (auditd.conf(5), `log_format`), systemd.journal-fields(7).

use serde::Deserialize;
use serde_json::Value;

/// The kind of a record that says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of a filter: `AUDIT_SECCOMP`, 1326.
    Seccomp,
    /// Of a rule: `AUDIT_SYSCALL`, 1300.
    Syscall,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Milliseconds since the Unix epoch, and the number of the event, which may have several records.
    pub event: Option<(u64, u64)>,
    /// `name=value`, separated by spaces.
    pub fields: &'a str,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Of a call.
    Record(Record<'a>),
    /// The audit says that it has dropped records.
    Dropped(&'a str),
    /// Another record.
    Other,
    /// No record of the audit.
    Foreign,
}

/// Separates what auditd adds to a record in the format `enriched`.
const ENRICHED: char = '\u{1d}';

/// Reads a line of auditd's log, of the kernel's, or of what `ausearch` prints.
pub fn parse(line: &str) -> Line<'_> {
    // Not before it is clear that the line is no record: what a program is called is in one.
    let other = || dropped(line).map_or(Line::Foreign, Line::Dropped);
    // `type=SECCOMP msg=audit(…): …` of auditd, `audit: type=1326 audit(…): …` of the kernel.
    let Some((_, from_type)) = line.split_once("type=") else { return other() };
    let Some((kind, rest)) = from_type.split_once(' ') else { return other() };
    let Some(rest) = rest.trim_start().trim_start_matches("msg=").strip_prefix("audit(") else {
        return other();
    };
    let kind = match kind {
        "SECCOMP" | "1326" | "UNKNOWN[1326]" => Kind::Seccomp,
        "SYSCALL" | "1300" => Kind::Syscall,
        _ => return Line::Other,
    };
    let (stamp, fields) = rest.split_once(')').unwrap_or((rest, ""));
    let fields = fields.trim_start().trim_start_matches(':').trim_start();
    Line::Record(Record { kind, event: event(stamp), fields })
}

/// `1700000000.123:456`.
fn event(stamp: &str) -> Option<(u64, u64)> {
    let (time, serial) = stamp.split_once(':')?;
    let (seconds, millis) = time.split_once('.')?;
    let fits = millis.len() == 3;
    let millis: u64 = millis.parse().ok().filter(|_| fits)?;
    let seconds: u64 = seconds.parse().ok()?;
    Some((seconds.checked_mul(1000)?.checked_add(millis)?, serial.parse().ok()?))
}

/// What the kernel writes when it drops records (`kernel/audit.c`: `audit_log_lost`, `audit_printk_skb`).
fn dropped(line: &str) -> Option<&str> {
    const SAYS: [&str; 5] = [
        "audit_lost=",
        "audit: rate limit exceeded",
        "audit: backlog limit exceeded",
        "audit: kauditd hold queue overflow",
        "kauditd_printk_skb:",
    ];
    SAYS.iter().find_map(|says| line.find(says)).and_then(|at| line.get(at..))
}

/// An entry of the journal, as `journalctl -o json` writes it, one on a line.
#[derive(Debug, Deserialize)]
pub struct Entry {
    #[serde(rename = "MESSAGE", default)]
    message: Value,
    #[serde(rename = "_AUDIT_TYPE", default)]
    kind: Value,
    #[serde(rename = "_AUDIT_ID", default)]
    id: Value,
    #[serde(rename = "_SOURCE_REALTIME_TIMESTAMP", default)]
    time: Value,
    #[serde(rename = "__REALTIME_TIMESTAMP", default)]
    received: Value,
}

impl Entry {
    /// Reads an entry.
    pub fn parse(line: &str) -> Option<Self> {
        let entry: Self = serde_json::from_str(line).ok()?;
        (!entry.received.is_null() || !entry.message.is_null()).then_some(entry)
    }

    /// It as a line. What came from the kernel's log is that line; what came from the audit itself has its kind,
    /// number and time in fields of their own.
    pub fn line(&self) -> Option<String> {
        let message = text(&self.message)?;
        let Some(kind) = text(&self.kind) else { return Some(message) };
        // `SECCOMP auid=1000 …`: the name of the kind is written in front.
        let fields = message.split_once(' ').map_or("", |(_, fields)| fields);
        let stamp = text(&self.id).and_then(|id| {
            let micros: u64 = text(&self.time).or_else(|| text(&self.received))?.parse().ok()?;
            Some(format!("{}.{:03}:{id}", micros / 1_000_000, micros / 1000 % 1000))
        });
        Some(format!("type={kind} audit({}): {fields}", stamp.unwrap_or_default()))
    }
}

/// The text of a field: an array of bytes if it is not printable, and of several values the first.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => {
            let byte = |item: &Value| item.as_u64().and_then(|byte| u8::try_from(byte).ok());
            match items.iter().map(byte).collect::<Option<Vec<u8>>>() {
                Some(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
                None => items.first().and_then(text),
            }
        }
        _ => None,
    }
}

impl<'a> Record<'a> {
    /// The first field of a name, without quotes.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.fields;
        loop {
            rest = rest.trim_start_matches([' ', ENRICHED]);
            let (key, value) = rest.split_once('=')?;
            let (value, after) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => value.split_at(value.find([' ', ENRICHED]).unwrap_or(value.len())),
            };
            if key == name {
                return Some(value);
            }
            rest = after;
        }
    }

    /// A path. Without quotes it is hexadecimal, since something is in it that is not printable.
    pub fn path(&self, name: &str) -> Option<String> {
        let value = self.field(name)?;
        if value.starts_with('/') {
            return Some(value.to_owned());
        }
        let digits = value.as_bytes();
        let byte = |pair: &[u8]| -> Option<u8> {
            let both = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| both)
        };
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
        let path = String::from_utf8_lossy(&bytes).into_owned();
        path.starts_with('/').then_some(path).filter(|path| path.len() <= 4096)
    }

    /// A hexadecimal number.
    pub fn hexadecimal(&self, name: &str) -> Option<u64> {
        let value = self.field(name)?;
        u64::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDITD: &str = "type=SECCOMP msg=audit(1700000000.123:456): auid=1000 uid=0 pid=7 comm=\"a b=c\" \
        exe=\"/usr/bin/a b\" sig=0 arch=c000003e syscall=59 compat=0 ip=0x7f code=0x7ffc0000";

    fn record(line: &str) -> Record<'_> {
        let Line::Record(record) = parse(line) else { panic!("{line}") };
        record
    }

    #[test]
    fn a_record_is_the_same_in_every_log() {
        let of_auditd = record(AUDITD);
        assert_eq!(of_auditd.kind, Kind::Seccomp);
        assert_eq!(of_auditd.event, Some((1_700_000_000_123, 456)));
        assert_eq!(of_auditd.path("exe").unwrap(), "/usr/bin/a b");
        assert_eq!(of_auditd.field("syscall"), Some("59"));
        assert_eq!(of_auditd.field("none"), None);
        let of_kernel = AUDITD.replace("type=SECCOMP msg=", "[   12.345678] audit: type=1326 ");
        assert_eq!(record(&of_kernel), of_auditd);
        assert_eq!(record(&format!("node=host {AUDITD}")), of_auditd);
        let entry = serde_json::json!({
            "__REALTIME_TIMESTAMP": "1700000000123999", "_TRANSPORT": "audit", "_AUDIT_TYPE": "1326",
            "_AUDIT_ID": "456", "MESSAGE": format!("SECCOMP {}", of_auditd.fields),
        });
        let line = Entry::parse(&entry.to_string()).unwrap().line().unwrap();
        assert_eq!(record(&line), of_auditd);
        let entry = serde_json::json!({"MESSAGE": of_kernel.as_bytes(), "PRIORITY": "5"});
        let line = Entry::parse(&entry.to_string()).unwrap().line().unwrap();
        assert_eq!(record(&line), of_auditd);
    }

    #[test]
    fn what_is_added_and_what_is_escaped_is_read() {
        let line = "type=SYSCALL msg=audit(1700000000.123:7): arch=c000003e syscall=257 success=yes exit=3 \
            a0=ffffff9c a1=7f a2=0 a3=0 items=1 exe=2F746D702F0A78 key=(null)\u{1d}ARCH=x86_64 SYSCALL=openat";
        let record = record(line);
        assert_eq!(record.path("exe").unwrap(), "/tmp/\nx");
        assert_eq!(record.hexadecimal("a0"), Some(0xffff_ff9c));
        assert_eq!(record.field("SYSCALL"), Some("openat"));
        for exe in ["(null)", "?", "2F7", "zz", ""] {
            let line = line.replace("2F746D702F0A78", exe);
            assert_eq!(self::record(&line).path("exe"), None, "{exe}");
        }
    }

    #[test]
    fn other_lines_are_recognized() {
        assert_eq!(parse("type=PATH msg=audit(1.123:4): item=0"), Line::Other);
        assert_eq!(parse("[1.0] usb 1-1: new device"), Line::Foreign);
        assert_eq!(parse("type=disk"), Line::Foreign);
        let called = AUDITD.replace("a b=c", "audit_lost=1");
        assert!(matches!(parse(&called), Line::Record(_)));
        let lost = "[1.0] audit: audit_lost=12 audit_rate_limit=0 audit_backlog_limit=64";
        assert!(matches!(parse(lost), Line::Dropped(what) if what.starts_with("audit_lost=12")));
    }
}
