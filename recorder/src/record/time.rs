//! The clocks of the kernel: that of the probe, and that by which `/proc` tells when a process started.

use crate::files;

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock that the probe uses.
pub fn monotonic() -> u64 {
    nanoseconds(libc::CLOCK_MONOTONIC)
}

fn nanoseconds(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills in the structure.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    u64::try_from(now.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(now.tv_nsec).unwrap_or_default()
}

/// Whether the process with this number started before this moment, in nanoseconds of `CLOCK_MONOTONIC`. If not,
/// it is another one than the process that had the number then.
pub fn started_before(pid: u32, moment: u64) -> bool {
    /// `USER_HZ`, in which `/proc` counts on all of Linux' architectures that Strait knows.
    const TICK: u64 = 1_000_000_000 / 100;
    let Some(started) = started(pid) else { return false };
    // proc_pid_stat(5), field 22: since the machine's start, sleep included.
    let asleep = nanoseconds(libc::CLOCK_BOOTTIME).saturating_sub(monotonic());
    (started * TICK).saturating_sub(asleep) <= moment
}

/// When a task was started, in ticks since the machine's start: field 22, of which the second field is a name in
/// parentheses that may hold any. With its number it tells a task from all others.
pub fn started(pid: u32) -> Option<u64> {
    let stat = files::of_proc(&format!("/proc/{pid}/stat"))?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_started_before_now_and_not_at_the_machines_start() {
        let own = std::process::id();
        assert!(started_before(own, monotonic()));
        assert!(!started_before(own, 1));
        assert!(!started_before(u32::MAX, monotonic()));
    }
}
