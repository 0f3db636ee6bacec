//! Every snippet was written by strace 6.1 on Linux 6.18.

use super::*;

fn counts(log: &str) -> Vec<(Abi, u32, u64)> {
    parse(log)
        .unwrap()
        .made
        .into_iter()
        .map(|((abi, number), count)| (abi, number, count))
        .collect()
}

#[test]
fn a_call_that_is_interrupted_by_another_task_counts_once() {
    let log = r#"9524  [   1] write(1, "a\n", 2 <unfinished ...>
9525  [   0] <... read resumed>"a\n", 131072) = 2
9524  [   1] <... write resumed>)       = 2
9524  [ 231] exit_group(0 <unfinished ...>
9526  [   0] read(0,  <unfinished ...>
9526  [   0] <... read resumed>"", 1)   = 0
9524  [ 231] <... exit_group resumed>)  = ?
9524  [ 231] +++ exited with 0 +++
"#;
    assert_eq!(counts(log), [(Abi::X86_64, 0, 1), (Abi::X86_64, 1, 1), (Abi::X86_64, 231, 1)]);
}

#[test]
fn a_64_bit_program_can_call_through_the_32_bit_gate() {
    let log = "\
11752 [  11] munmap(0x7f02ea47b000, 34839) = 0
11752 [  11] [ Process PID=11752 runs in 32 bit mode. ]
11752 [  20] getpid()                   = 11752
11752 [  24] getuid()                   = 0
11752 [  24] [ Process PID=11752 runs in 64 bit mode. ]
11752 [ 500] syscall_0x1f4(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)
";
    assert_eq!(
        counts(log),
        [(Abi::X86_64, 11, 1), (Abi::X86_64, 500, 1), (Abi::X86, 20, 1), (Abi::X86, 24, 1)]
    );
}

#[test]
fn a_task_that_is_killed_before_its_call_did_not_make_it() {
    let log = "\
20499 [ 110] getppid()                  = 20493
20499 [ 110] ???( <unfinished ...>
20493 [  61] wait4(20499,  <unfinished ...>
20499 [ 110] <... ??? resumed>)         = ?
20493 [  61] <... wait4 resumed>NULL, 0, NULL) = 20499
";
    assert_eq!(counts(log), [(Abi::X86_64, 61, 1), (Abi::X86_64, 110, 1)]);
    let goes_on = format!("{log}20499 [ 110] getppid() = 20493\n");
    assert!(parse(&goes_on).unwrap_err().starts_with("goes on after"));
}

#[test]
fn the_last_call_of_a_task_that_is_killed_is_doubtful() {
    // What it had returned before is taken for the number of another one.
    let log = "\
30947 [ 110] getppid( <unfinished ...>
30782 [  35] clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=0, tv_nsec=1000},  <unfinished ...>
30947 [ 110] <... getppid resumed>)     = 30782
30947 [30782] syscall_0x783e(0x7800, 0x9, 0, 0, 0, 0x7faae96766d0 <unfinished ...>
30782 [  35] <... clock_nanosleep resumed>NULL) = 0
30947 [30782] <... syscall_0x783e resumed>) = ?
30782 [ 231] exit_group(0)              = ?
";
    let calls = parse(log).unwrap();
    assert_eq!(calls.doubtful, [((Abi::X86_64, 30782), 1)].into());
    // So it is if that is the last that strace saw of it.
    let calls = parse(
        "15494 [18446744073709551612] syscall_0xfffffffffffffffc(0x3c01, 0x9 <unfinished ...>\n",
    );
    assert_eq!(calls.unwrap().doubtful, [((Abi::X86_64, 0xffff_fffc), 1)].into());
    assert_eq!(counts(log), [(Abi::X86_64, 35, 1), (Abi::X86_64, 110, 1), (Abi::X86_64, 231, 1)]);
}

#[test]
fn an_x32_call_has_its_number_without_the_bit() {
    let log = "\
11752 [1000] syscall_0x3e8(0x2, 0x3, 0xffffffffffffff80, 0x5, 0x6, 0) = -1 ENOSYS (Function not implemented)
11752 [1000] [ Process PID=11752 runs in x32 mode. ]
11752 [1073741863] getpid()             = -1 ENOSYS (Function not implemented)
11752 [1073742338] ioctl(1, FIGETBSZ, 0x3) = -1 ENOSYS (Function not implemented)
11752 [1073742324] syscall_0x400001f4(0x2, 0x3, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)
";
    assert_eq!(
        counts(log),
        [(Abi::X86_64, 1000, 1), (Abi::X32, 39, 1), (Abi::X32, 500, 1), (Abi::X32, 514, 1)]
    );
}

#[test]
fn numbers_beyond_every_table_are_taken_as_the_kernel_takes_them() {
    let log = "\
11752 [???] syscall_0xffffffffffffffff(0x3, 0, 0, 0x6, 0, 0) = -1 ENOSYS (Function not implemented)
11752 [18446744071562067969] syscall_0xffffffff80000001(0, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)
11752 [1048576] syscall_0x100000(0, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)
";
    assert_eq!(
        counts(log),
        [(Abi::X86_64, 1 << 20, 1), (Abi::X86_64, 0x8000_0001, 1), (Abi::X86_64, u32::MAX, 1)]
    );
}

#[test]
fn an_exec_from_a_thread_counts_once_though_the_pid_changes() {
    let log = r#"11788 [  59] execve("/bin/true", ["true"], 0x7fffafc944f8 /* 35 vars */ <unfinished ...>
11787 [  34] <... pause resumed>)       = ?
11787 [  59] +++ superseded by execve in pid 11788 +++
11787 [  59] <... execve resumed>)      = 0
11787 [  11] munmap(0x7fce230f8000, 34839) = 0
"#;
    assert_eq!(counts(log), [(Abi::X86_64, 11, 1), (Abi::X86_64, 59, 1)]);
}

#[test]
fn a_restart_by_the_kernel_is_a_call_of_its_own() {
    let log = "\
11800 [ 230] clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=1, tv_nsec=0},  <unfinished ...>
11800 [ 230] <... clock_nanosleep resumed>NULL) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)
11806 [ 230] --- SIGSTOP {si_signo=SIGSTOP, si_code=SI_USER, si_pid=11807, si_uid=0} ---
11806 [ 230] --- stopped by SIGSTOP ---
11800 [ 219] restart_syscall(<... resuming interrupted clock_nanosleep ...> <unfinished ...>
11800 [ 219] <... restart_syscall resumed>) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)
11800 [ 219] restart_syscall(<... resuming interrupted restart_syscall ...>) = 0
";
    assert_eq!(counts(log), [(Abi::X86_64, 219, 2), (Abi::X86_64, 230, 1)]);
}

#[test]
fn a_log_that_got_lost_between_abis_is_an_error() {
    let log = "11752 [  20] getpid()                   = 11752\n";
    let error = parse(log).unwrap_err();
    assert!(error.contains("getpid is x86's"), "{error}");
}

#[test]
fn a_line_of_no_known_kind_is_an_error() {
    parse("11752 [  20] ????( <unfinished ...>\n").unwrap_err();
    parse("strace: Process 11788 attached\n").unwrap_err();
}
