//! Arguments as strace writes them, read back: as far as the rules for arguments need them.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::decode;
use crate::policy::argument::ArgumentRule;
use crate::policy::data::{embedded, words};

#[derive(Deserialize)]
struct File {
    names: BTreeMap<String, HashMap<String, u64>>,
    uses: BTreeMap<String, BTreeMap<usize, Vec<String>>>,
}

static FILE: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::STRACE));

/// By call and argument, the sets of names that strace prints there.
type Names = HashMap<(&'static str, usize), Vec<&'static HashMap<String, u64>>>;

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut all = Names::new();
    for (calls, uses) in &FILE.uses {
        for call in words(calls) {
            for (index, sets) in uses {
                let sets = sets.iter().filter_map(|set| FILE.names.get(set)).collect();
                all.insert((call, *index), sets);
            }
        }
    }
    all
});

/// What the rule of a call keeps of its arguments; `None` if they cannot be read for certain.
pub fn reduced(call: &str, rule: &ArgumentRule, args: &[&str]) -> Option<Vec<u64>> {
    let mut values = [0; 6];
    for index in rule.indexes().map(usize::from) {
        let text = argument(call, index, args)?;
        *values.get_mut(index)? = value(call, index, text)?;
    }
    Some(rule.reduce(&values))
}

/// An argument by its index. strace shows those of clone by name and in another order (`src/clone.c`), unless they
/// are raw.
fn argument<'a>(call: &str, index: usize, args: &[&'a str]) -> Option<&'a str> {
    if call == "clone" && index == 0 {
        let flags = args.iter().find_map(|arg| arg.strip_prefix("flags="));
        return flags.or_else(|| args.first().copied().filter(|first| !first.contains('=')));
    }
    args.get(index).copied()
}

/// A value: numbers and names joined by bars. Of several names for one value (`TCGETS or SNDCTL_TMR_TIMEBASE`) one
/// that is known is enough.
fn value(call: &str, index: usize, text: &str) -> Option<u64> {
    let text = without_comments(text);
    let text = text.trim();
    if text.contains(" or ") {
        return text.split(" or ").find_map(|name| part(call, index, name.trim()));
    }
    if let Some(request) = text.strip_prefix("_IOC(").and_then(|rest| rest.strip_suffix(')')) {
        return ioctl_request(request);
    }
    text.split('|').try_fold(0, |sum, one| Some(sum | part(call, index, one.trim())?))
}

/// `0x2 /* AF_INET */` (`-X verbose`) and `0x3001 /* ARCH_??? */` without what is in the comment.
fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}

fn part(call: &str, index: usize, text: &str) -> Option<u64> {
    if let Some(number) = number(text) {
        return Some(number);
    }
    if let Some((low, name)) = text.split_once("<<") {
        let shift = u32::try_from(constant(call, index, name)?).ok()?;
        return number(low)?.checked_shl(shift);
    }
    // As AF_PACKET's protocols are shown: bytes in the network's order.
    if let Some(name) = text.strip_prefix("htons(").and_then(|rest| rest.strip_suffix(')')) {
        let host = number(name).or_else(|| constant(call, index, name))?;
        return u16::try_from(host).ok().map(|host| u64::from(host.swap_bytes()));
    }
    constant(call, index, text)
}

fn constant(call: &str, index: usize, name: &str) -> Option<u64> {
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name || name.is_empty() {
        return None;
    }
    let known = decode::constants(call, index, name).next();
    known.or_else(|| NAMES.get(&(call, index))?.iter().find_map(|set| set.get(name)).copied())
}

/// Decimal, hexadecimal and octal numbers, `NULL`, and numbers with what `-y` and `-Y` put after them.
pub fn number(text: &str) -> Option<u64> {
    let text = match text.split_once('<') {
        Some((number, decoration)) if !decoration.starts_with('<') => number,
        _ => text,
    };
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = match digits {
        "NULL" => 0,
        "0" => 0,
        _ if !digits.starts_with(|c: char| c.is_ascii_digit()) => return None,
        _ => match (digits.strip_prefix("0x"), digits.strip_prefix('0')) {
            (Some(digits), _) => u64::from_str_radix(digits, 16).ok()?,
            (None, Some(digits)) => u64::from_str_radix(digits, 8).ok()?,
            (None, None) => digits.parse().ok()?,
        },
    };
    Some(if is_negative { value.wrapping_neg() } else { value })
}

/// `_IOC(_IOC_READ|_IOC_WRITE, 0x54, 0x2, 0x10)`: direction, type, number and size
/// (`include/uapi/asm-generic/ioctl.h`).
fn ioctl_request(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let [direction, kind, request, size] = parts.as_slice() else { return None };
    let direction = direction.split('|').try_fold(0, |sum, one| {
        Some(
            sum | match one.trim() {
                "_IOC_NONE" => 0,
                "_IOC_WRITE" => 1,
                "_IOC_READ" => 2,
                other => number(other)?,
            },
        )
    })?;
    let field = |text: &str, bits: u32| number(text).filter(|value| *value < 1 << bits);
    let (kind, request, size) = (field(kind, 8)?, field(request, 8)?, field(size, 14)?);
    (direction < 4).then_some(direction << 30 | size << 16 | kind << 8 | request)
}

/// A string in quotes with C's escapes, read back; `None` if it is cut (`"abc"...`) or not UTF-8.
pub fn text(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let escaped = match rest.next()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'v' => 11,
            b'f' => 12,
            b'x' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            digit @ b'0'..=b'7' => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    if let Some(digit) = rest.next_if(|next| (b'0'..=b'7').contains(next)) {
                        value = value * 8 + u32::from(digit - b'0');
                    }
                }
                u8::try_from(value).ok()?
            }
            other => other,
        };
        bytes.push(escaped);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::super::split::split;
    use super::*;

    /// What is kept of a call as strace shows it.
    fn of(line: &str) -> Option<Vec<u64>> {
        let (call, rest) = line.split_once('(').unwrap();
        reduced(call, ArgumentRule::for_call(call).unwrap(), &split(rest).args)
    }

    #[test]
    fn arguments_of_every_form_are_read() {
        for (line, expected) in [
            ("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 3", vec![2, 1, 6]),
            (
                "socket(0x2 /* AF_INET */, 0x1 /* SOCK_STREAM */, 0x6 /* IPPROTO_TCP */) = 3",
                vec![2, 1, 6],
            ),
            ("socket(0x2, 0x80001, 0x6) = 3", vec![2, 1, 6]),
            ("socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT) = 3", vec![16, 3, 9]),
            ("socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) = 3", vec![17, 3, 0x300]),
            (
                "clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7) = 9",
                vec![0x0100_0011],
            ),
            ("clone(0x1200011, 0, 0, 0x7f, 0) = 9", vec![0x0120_0011]),
            ("unshare(CLONE_NEWUSER|CLONE_NEWNS) = 0", vec![0x1002_0000]),
            ("setns(3</proc/1/ns/net>, CLONE_NEWNET) = 0", vec![0x4000_0000]),
            ("prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0", vec![38]),
            ("ioctl(0</dev/pts/0<char 136:0>>, TCGETS, {c_iflag=ICRNL, ...}) = 0", vec![0x5401]),
            ("ioctl(1, TCGETS or SNDCTL_TMR_TIMEBASE, 0x7f) = -1", vec![0x5401]),
            ("ioctl(1, SNDCTL_NO_SUCH or TCGETS, 0x7f) = -1", vec![0x5401]),
            ("ioctl(1, _IOC(_IOC_READ|_IOC_WRITE, 0x54, 0x2, 0x10), 0x7f) = -1", vec![0xc010_5402]),
            ("ioctl(3, KVM_CREATE_VM, 0) = 4", vec![0xae01]),
            ("mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE, -1, 0) = 0x7f", vec![0]),
            ("mprotect(0x7f, 4096, PROT_READ|PROT_WRITE|PROT_EXEC) = 0", vec![1]),
            ("prlimit64(0, RLIMIT_NOFILE, NULL, {rlim_cur=1}) = 0", vec![0, 7]),
            ("prlimit64(77<sh>, RLIMIT_NOFILE, NULL, NULL) = 0", vec![1, 7]),
            ("personality(PER_LINUX|ADDR_NO_RANDOMIZE) = 0", vec![0x0004_0000]),
            ("personality(0xffffffff) = 0", vec![0xffff_ffff]),
            (
                "seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, {len=1}) = 3",
                vec![1, 1],
            ),
            ("seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=1}) = 0", vec![1, 0]),
            ("memfd_create(\"a, b\", MFD_CLOEXEC) = 3", vec![1]),
            ("memfd_create(\"x\", MFD_HUGETLB|21<<MFD_HUGE_SHIFT) = 3", vec![4 | 21 << 26]),
            ("memfd_create(\"x\", MFD_HUGETLB|MFD_HUGE_2MB) = 3", vec![4 | 21 << 26]),
            ("arch_prctl(ARCH_SET_FS, 0x7f) = 0", vec![0x1002]),
            ("arch_prctl(0x3001 /* ARCH_??? */, 0x7f) = -1", vec![0x3001]),
            ("kill(-7, SIGTERM) = 0", vec![15]),
            ("tgkill(7, 7, SIGRT_1) = 0", vec![33]),
            ("fcntl(3, F_DUPFD_CLOEXEC, 10) = 10", vec![1030]),
            ("fcntl64(3, F_SETFD, FD_CLOEXEC) = 0", vec![2]),
            ("setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = 0", vec![6, 1]),
            ("syslog(SYSLOG_ACTION_READ_ALL, \"\", 1) = 0", vec![3]),
            ("bpf(BPF_PROG_LOAD, {prog_type=1}, 48) = 3", vec![5]),
            ("keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) = 1", vec![0]),
            ("ptrace(PTRACE_TRACEME) = 0", vec![0]),
            ("madvise(0x7f, 4096, MADV_DONTNEED) = 0", vec![4]),
        ] {
            assert_eq!(of(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_for_certain_is_not_guessed() {
        for line in [
            "socket(AF_INET, SOCK_STREAM, IPPROTO_NEWEST) = 3",
            "socket(AF_INET) = 3",
            "clone(child_stack=NULL) = 3",
            "clone(child_stack=0x7f, tls=0x1) = 3",
            "ioctl(3, _IOC(_IOC_READ, 0x54), 0) = 0",
            "ioctl(3, _IOC(_IOC_READ, 0x5454, 0x2, 0x10), 0) = 0",
            "ioctl(3, {a=1}, 0) = 0",
            "unshare(CLONE_NEWUSER|CLONE_NEWEST) = 0",
            "unshare() = 0",
            "prctl(99999999999999999999, 1) = 0",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn strings_are_read_back() {
        assert_eq!(text(r#""/bin/a\"b\\\t\303\251\0""#).unwrap(), "/bin/a\"b\\\té\0");
        assert_eq!(text(r#""\x2f\x62""#).unwrap(), "/b");
        for wrong in ["", "\"", "abc", "\"abc\"...", r#""\377""#, r#""\""#, r#""\xzz""#] {
            assert_eq!(text(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_use_names_a_call_with_a_rule_and_values_that_there_are() {
        for (calls, uses) in &FILE.uses {
            for call in words(calls) {
                let rule = ArgumentRule::for_call(call).unwrap();
                for (index, sets) in uses {
                    assert!(rule.indexes().any(|kept| usize::from(kept) == *index), "{call}");
                    assert!(sets.iter().all(|set| FILE.names.contains_key(set)), "{call}");
                }
            }
        }
    }
}
