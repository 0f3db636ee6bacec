//! The bounds on untrusted files.
//!
//! A profile, a list of exceptions, a manifest or a recording may come from anyone. What is larger than here
//! is refused at once, with the bound in the message, so that no input can keep a job busy for hours. Each
//! bound is far above what is of use; where another program sets it, that is named.

/// Most bytes of a profile. Kubernetes takes 1 MiB from a registry, and etcd holds 1.5 MiB.
pub const PROFILE_BYTES: usize = 8 << 20;

/// Most rules of a profile: a rule is one name with one condition, or with none.
pub const RULES: usize = 1 << 16;

/// Most of these that have a condition. A filter has at most 4,096 instructions (`BPF_MAXINSNS`), and a
/// condition takes one at least.
pub const CONDITIONS: usize = 4096;

/// Most exceptions in a list: each of them is for a person to review.
pub const EXCEPTIONS: usize = 4096;

/// Most bytes of such a list.
pub const EXCEPTIONS_BYTES: usize = 8 << 20;

/// Most bytes of a file with manifests.
pub const MANIFEST_BYTES: usize = 16 << 20;

/// Most items in such a file for its containers to look at: for each container one, and one for each port, mount
/// and capability of its own and each volume, field of a volume, annotation and sysctl of its pod.
pub const MANIFEST_ITEMS: usize = 1 << 20;

/// Most bytes of any other file, such as a recording.
pub const FILE_BYTES: usize = 256 << 20;

/// Most bytes of a log, such as one of strace, all its lines together: they are read one by one, and are not kept.
pub const LOG_BYTES: u64 = 16 << 30;

/// Most bytes of a line of a log. strace and auditd write shorter ones unless they are told to show large buffers.
pub const LOG_LINE_BYTES: usize = 4 << 20;

/// How many different calls of a log are kept apart, by program and call; and how many tasks.
pub(crate) const LOG_CALLS: usize = 1 << 20;

/// How many of them are kept apart by arguments too. A filter has room for far fewer, so that arguments beyond that are
/// as good as not known.
pub(crate) const LOG_VALUES: usize = 1 << 16;

/// How many programs of a log are told apart.
pub(crate) const LOG_PROGRAMS: usize = 1 << 16;

/// How many findings of one kind are listed before the rest is counted.
pub(crate) const LISTED: usize = 100;

/// A file is too large to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has more than {limit} bytes, the most that Strait reads of {what}")]
pub struct TooLarge {
    /// What the file is, such as `a profile`.
    pub what: &'static str,
    /// The bound.
    pub limit: usize,
}

/// Checks a text against a bound.
///
/// # Errors
///
/// [`TooLarge`] if it is longer.
pub fn check(text: &str, what: &'static str, limit: usize) -> Result<(), TooLarge> {
    if text.len() > limit { Err(TooLarge { what, limit }) } else { Ok(()) }
}
