//! Runs a command under the filter of a profile, with nothing that watches it: what `strait verify` does without its probe.
//!
//! ```sh
//! cargo run -p strait-recorder --example filter -- run tree profile.json CMD…
//! cargo run -p strait-recorder --example filter -- print list profile.json
//! ```
//!
//! `tree` is the layout that runc asks libseccomp for, `list` what crun leaves it to. `print` writes the program, a line for
//! each instruction: operation, both jumps, constant. `loop` makes the system calls that `cargo xtask bench` measures.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use strait_generator::profile;
use strait_recorder::enforce::{self, Layout, NoNewPrivs, Program};
use strait_recorder::host;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: filter run tree|list PROFILE CMD… | print tree|list PROFILE | loop";

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "filter: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[OsString]) -> Result<()> {
    let text: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    match text[..] {
        ["loop"] => loops::all(),
        ["print", layout, profile] => print(&compile(layout, Path::new(profile))?),
        ["run", layout, profile, ..] if words.len() > 3 => {
            enforce::install(&compile(layout, Path::new(profile))?, NoNewPrivs::Leave)?;
            Err(Command::new(&words[3]).args(&words[4..]).exec().into())
        }
        _ => Err(USAGE.into()),
    }
}

fn compile(layout: &str, profile: &Path) -> Result<Program> {
    let layout = match layout {
        "tree" => Layout::Tree,
        "list" => Layout::List,
        _ => return Err(USAGE.into()),
    };
    let profile = profile::parse(&std::fs::read_to_string(profile)?)?;
    Ok(enforce::compile_as(&profile, host::MACHINE, layout)?.program)
}

fn print(program: &Program) -> Result<()> {
    let mut out = io::stdout().lock();
    for instruction in program.instructions() {
        let libc::sock_filter { code, jt, jf, k } = instruction;
        writeln!(out, "{code} {jt} {jf} {k}")?;
    }
    Ok(())
}

/// Loops of one system call each.
mod loops {
    use super::*;

    /// How many calls are timed together: far less than a time slice.
    const CALLS: u32 = 100;
    /// How often. The median is what a call takes that nothing interrupts.
    const PARTS: usize = 400;
    const PAGE: usize = 4096;

    /// Runs each loop, and prints its name and the nanoseconds of a call.
    pub fn all() -> Result<()> {
        let mut pipe = [0; 2];
        // SAFETY: there is room for two descriptors.
        check(unsafe { libc::pipe(pipe.as_mut_ptr()) })?;
        let page = map();
        let zero = std::fs::File::open("/dev/zero")?;
        let zero = std::os::fd::AsRawFd::as_raw_fd(&zero);
        let mut byte = 0_u8;
        let (mut waiting, mut writable) = (0_i32, false);
        let word = 0_u32;

        measure("getppid", || {
            // SAFETY: takes nothing.
            unsafe { libc::getppid() }
        })?;
        measure("read", || {
            // SAFETY: there is room for a byte.
            unsafe { libc::read(zero, (&raw mut byte).cast(), 1) as i32 }
        })?;
        measure("futex", || {
            let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
            // SAFETY: wakes those that wait for this word, which are none.
            unsafe { libc::syscall(libc::SYS_futex, &raw const word, operation, 1) as i32 }
        })?;
        measure("fcntl", || {
            // SAFETY: only asks.
            unsafe { libc::fcntl(pipe[0], libc::F_GETFL) }
        })?;
        measure("ioctl", || {
            // SAFETY: writes a number.
            unsafe { libc::ioctl(pipe[0], libc::FIONREAD, &raw mut waiting) }
        })?;
        measure("mprotect", || {
            writable = !writable;
            let protection =
                if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
            // SAFETY: the page is only for this.
            unsafe { libc::mprotect(page, PAGE, protection) }
        })?;
        measure("mmap and munmap", || {
            // SAFETY: unmaps what it has mapped.
            unsafe { libc::munmap(map(), PAGE) }
        })
    }

    fn map() -> *mut libc::c_void {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new memory. If there is none, the calls with the result fail, which is checked.
        unsafe { libc::mmap(std::ptr::null_mut(), PAGE, protection, flags, -1, 0) }
    }

    fn check(result: i32) -> Result<()> {
        if result < 0 { Err(io::Error::last_os_error().into()) } else { Ok(()) }
    }

    fn measure(name: &str, mut call: impl FnMut() -> i32) -> Result<()> {
        check(call()).map_err(|error| format!("{name}: {error}"))?;
        let mut costs: Vec<f64> = (0..PARTS)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..CALLS {
                    std::hint::black_box(call());
                }
                start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
            })
            .collect();
        costs.sort_by(f64::total_cmp);
        writeln!(io::stdout(), "{name}: {:.2}", costs[PARTS / 2])?;
        Ok(())
    }
}
