//! `strait inspect` on processes under filters that were installed for the purpose.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use strait_generator::abi::Abi;
use strait_generator::policy::decide::{Comparison, Meaning};
use strait_generator::profile;
use strait_recorder::enforce::{self, NoNewPrivs};

use crate::privilege::as_nobody;
use crate::support::{scratch, strait};

const PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ALLOW",
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": [
    {"names": ["mount", "ptrace"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
    {"names": ["unshare"], "action": "SCMP_ACT_KILL_PROCESS"},
    {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
     "args": [{"index": 0, "value": 255, "valueTwo": 8, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#;
const SECOND: &str = r#"{"defaultAction": "SCMP_ACT_ALLOW",
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": [
    {"names": ["mount", "chroot"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}"#;

/// A process that ends with the test.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that waits under these profiles, the first of them installed first.
fn under(profiles: &[&str]) -> Sleeper {
    let programs: Vec<_> = profiles
        .iter()
        .map(|text| enforce::compile(&profile::parse(text).unwrap()).unwrap().program)
        .collect();
    let mut command = Command::new("/bin/sleep");
    command.arg("1000");
    // SAFETY: installing a filter makes two system calls and nothing else.
    unsafe {
        command.pre_exec(move || {
            programs.iter().try_for_each(|program| enforce::install(program, NoNewPrivs::Leave))
        });
    }
    // The standard library returns when the exec has succeeded.
    Sleeper(command.spawn().unwrap())
}

fn meant(text: &str) -> Meaning {
    Meaning::from(&profile::parse(text).unwrap().policy(strait_recorder::host::MACHINE).unwrap())
}

#[test]
fn what_was_installed_is_what_is_read_back() {
    let dir = scratch();
    let mut sleeper = under(&[PROFILE]);
    let pid = sleeper.0.id().to_string();
    let read = strait_recorder::inspect::read(sleeper.0.id().cast_signed()).unwrap();
    assert_eq!(read.filters.len(), 1);
    let comparison = Comparison::new(&meant(PROFILE), &read.meaning().unwrap());
    assert!(comparison.is_equal(), "{:?}", comparison.changes().next());

    let json = strait().args(["inspect", &pid, "--format", "json", "-o", "live.json"]);
    json.in_dir(dir.path()).run();
    let profile = strait().args(["inspect", &pid, "--format", "profile", "-o", "p.json"]);
    profile.in_dir(dir.path()).run();
    let text = std::fs::read_to_string(dir.path().join("p.json")).unwrap();
    assert!(Comparison::new(&meant(&text), &meant(PROFILE)).is_equal(), "{text}");
    let check = strait().args(["check", "live.json", "--within", "p.json"]).in_dir(dir.path());
    check.run().says(&[]);
    let stdout = strait().args(["inspect", &pid]).run().stdout;
    assert!(stdout.contains("1 filter") && stdout.contains("personality"), "{stdout}");
    assert!(sleeper.0.try_wait().unwrap().is_none(), "it goes on as before");
}

#[test]
fn a_live_filter_is_a_baseline() {
    let dir = scratch();
    let sleeper = under(&[PROFILE]);
    let pid = sleeper.0.id().to_string();
    let inspect = strait().args(["inspect", &pid, "--format", "json", "-o", "live.json"]);
    inspect.in_dir(dir.path()).run();
    let check = |name: &str, code| {
        let text = format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
                {{"names": ["exit", "exit_group", "execve", "{name}"], "action": "SCMP_ACT_ALLOW"}}]}}"#
        );
        std::fs::write(dir.path().join("p.json"), text).unwrap();
        let run = strait().args(["check", "p.json", "--within", "live.json"]).in_dir(dir.path());
        run.expect_exit(code).run().stdout
    };
    check("chroot", 0);
    assert!(check("mount", 10).contains("mount("));
    // Only values that end in 8 are refused.
    let shown = check("personality", 10);
    assert!(shown.contains("personality("), "{shown}");
}

#[test]
fn stacked_filters_do_what_the_strictest_does() {
    let sleeper = under(&[PROFILE, SECOND]);
    let read = strait_recorder::inspect::read(sleeper.0.id().cast_signed()).unwrap();
    assert_eq!(read.filters.len(), 2);
    let meaning = read.meaning().unwrap();
    let action = |name: &str| {
        let number = Abi::X86_64.syscall_number(name).unwrap();
        meaning.evaluate(Abi::X86_64, number, &[0; 6]).to_string()
    };
    assert_eq!(action("mount"), "refuse with EPERM");
    assert_eq!(action("ptrace"), "refuse with ENOSYS");
    assert_eq!(action("chroot"), "refuse with EPERM");
    assert_eq!(action("unshare"), "kill the process");
    assert_eq!(action("read"), "allow");
}

#[test]
fn without_a_filter_or_a_process_it_says_so() {
    let own = std::process::id().to_string();
    strait().args(["inspect", &own]).expect_exit(1).run().says(&["no seccomp filter"]);
    strait().args(["inspect", "2147483646"]).expect_exit(1).run().says(&["no process"]);
}

#[test]
fn a_process_of_another_user_is_not_for_an_ordinary_user() {
    let sleeper = under(&[PROFILE]);
    let pid = sleeper.0.id().to_string();
    let run = strait().through(as_nobody("")).args(["inspect", &pid]).expect_exit(1).run();
    run.says_one_paragraph().says(&[&pid, "CAP_SYS_ADMIN", "sudo"]);
}
