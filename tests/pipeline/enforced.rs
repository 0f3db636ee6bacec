//! A generated profile in the real kernel.

use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use strait_generator::generate::{Generalize, Options, RefuseWith, generate};
use strait_generator::policy::Action;
use strait_generator::profile::{Entry, Profile};
use strait_recorder::enforce::{NoNewPrivs, Program, compile, install};
use strait_recorder::host::MACHINE;

use crate::support::recording;

/// Makes a call with no arguments that would succeed; what it returns, as an error number, or 0.
fn errno_of(number: libc::c_long) -> i32 {
    // SAFETY: the calls of these tests take numbers or null pointers, and change nothing.
    let result = unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) };
    if result >= 0 {
        0
    } else {
        // SAFETY: points to this thread's errno.
        unsafe { *libc::__errno_location() }
    }
}

/// Installs a filter in a child and makes calls; the status it ends with is the result of `calls`.
fn under(program: &Program, calls: fn() -> i32) -> WaitStatus {
    // SAFETY: the child makes system calls only, allocates nothing and ends with `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let status = match install(program, NoNewPrivs::Set) {
                Ok(()) => calls(),
                Err(_) => 125,
            };
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
    }
}

fn program(refuse_with: RefuseWith) -> Program {
    let seen = ["execve", "getppid", "socket", "clone3"];
    let calls: Vec<_> = seen.map(|name| (MACHINE.native(), name)).into();
    let exact = Options { generalize: Generalize::Exact, ..Options::default() };
    let options = Options { refuse_with, ..exact };
    let generated = generate(&[recording(&calls)], &options).unwrap();
    compile(&generated.profile).unwrap().program
}

#[test]
fn the_kernel_answers_as_the_profile_says() {
    let status = under(&program(RefuseWith::Enosys), || {
        let expected = [
            (libc::SYS_getppid, 0),
            (libc::SYS_getuid, libc::ENOSYS),
            (libc::SYS_mount, libc::EPERM),
            (libc::SYS_clone3, libc::ENOSYS),
            (libc::SYS_gettid, 0),
        ];
        let wrong = expected.iter().position(|(number, errno)| errno_of(*number) != *errno);
        wrong.map_or(0, |nth| i32::try_from(nth).unwrap_or(0) + 1)
    });
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
}

#[test]
fn a_refused_domain_of_socket_gets_the_error_that_docker_gives() {
    let status = under(&program(RefuseWith::Enosys), || {
        // SAFETY: takes numbers only.
        let unix = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) };
        // SAFETY: takes numbers only.
        let vsock = unsafe { libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0) };
        // SAFETY: points to this thread's errno.
        let errno = unsafe { *libc::__errno_location() };
        i32::from(unix < 0) + 2 * i32::from(vsock >= 0 || errno != libc::EPERM)
    });
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
}

#[test]
fn what_is_killed_dies_of_sigsys() {
    let status = under(&program(RefuseWith::Kill), || errno_of(libc::SYS_getuid));
    let killed = matches!(status, WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGSYS, _));
    assert!(killed, "{status:?}");
}

#[test]
fn the_machines_own_architecture_is_known() {
    assert_eq!(MACHINE.name(), std::env::consts::ARCH);
}

fn getppid() -> i32 {
    errno_of(libc::SYS_getppid)
}

/// Makes `getppid` under a tracer that does nothing but let go on what a filter leaves to it.
fn traced() -> i32 {
    // SAFETY: takes numbers only.
    let ptrace =
        |request, child: Pid, data: i32| unsafe { libc::ptrace(request, child.as_raw(), 0, data) };
    // SAFETY: the child makes system calls only, allocates nothing and ends with `_exit`.
    let Ok(ForkResult::Parent { child }) = (unsafe { fork() }) else {
        ptrace(libc::PTRACE_TRACEME, Pid::from_raw(0), 0);
        let _ = raise(Signal::SIGSTOP);
        // SAFETY: ends the child without running the parent's exit handlers.
        unsafe { libc::_exit(getppid()) }
    };
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Stopped(_, Signal::SIGSTOP)) => {
                ptrace(libc::PTRACE_SETOPTIONS, child, libc::PTRACE_O_TRACESECCOMP);
            }
            Ok(WaitStatus::PtraceEvent(..)) => {}
            Ok(WaitStatus::Exited(_, status)) => return status,
            _ => return 126,
        }
        ptrace(libc::PTRACE_CONT, child, 0);
    }
}

/// Why a policy that leaves a call to a tracer is wider than one that refuses it.
#[test]
fn what_is_left_to_a_tracer_is_let_through_by_one_of_the_childs_own_making() {
    let names = vec!["getppid".to_owned()];
    let program = compile(&Profile {
        default: Action::Allow,
        architectures: vec![MACHINE.native().into()],
        entries: vec![Entry { names, action: Action::Trace(7), args: Vec::new() }],
    });
    let program = program.unwrap().program;
    let status = under(&program, getppid);
    assert!(matches!(status, WaitStatus::Exited(_, libc::ENOSYS)), "{status:?}");
    let status = under(&program, traced);
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
}
