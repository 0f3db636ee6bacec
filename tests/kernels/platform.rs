//! What machines are: this one's kind with the programs that are installed here, or arm64 with those that
//! `cargo xtask test --arm64` has downloaded and built.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use strait::abi::Abi;

use crate::support::fixtures::Fixture;
use crate::support::run::STRAIT;

/// What programs are made for, and with.
pub enum Platform {
    /// x86-64, and the programs of this machine.
    X86_64,
    /// arm64, with this `strait`.
    Arm64(PathBuf),
}

/// Where the loader and libraries are on arm64.
const LIBRARIES: [&str; 3] = ["lib", "lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"];

/// A folder of what was downloaded for tests.
pub fn tools(name: &str) -> PathBuf {
    Path::new(STRAIT).ancestors().nth(2).unwrap().join("tools").join(name)
}

impl Platform {
    pub const fn abi(&self) -> Abi {
        match self {
            Self::X86_64 => Abi::X86_64,
            Self::Arm64(_) => Abi::Aarch64,
        }
    }

    /// The emulator's command line.
    pub const fn emulator(&self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &["qemu-system-x86_64"],
            Self::Arm64(_) => &["qemu-system-aarch64", "-machine", "virt", "-cpu", "max"],
        }
    }

    /// The kernel's name for the first serial line.
    pub const fn console(&self) -> &'static str {
        match self {
            Self::X86_64 => "ttyS0",
            Self::Arm64(_) => "ttyAMA0",
        }
    }

    /// Removes what only debuggers read.
    pub const fn strip(&self) -> &'static str {
        match self {
            Self::X86_64 => "strip",
            Self::Arm64(_) => "aarch64-linux-gnu-strip",
        }
    }

    pub fn strait(&self) -> &Path {
        match self {
            Self::X86_64 => Path::new(STRAIT),
            Self::Arm64(strait) => strait,
        }
    }

    pub fn build(&self, fixture: Fixture) -> PathBuf {
        match self {
            Self::X86_64 => fixture.build(),
            Self::Arm64(_) => {
                fixture.build_with("aarch64-linux-gnu-gcc", "apt-get install gcc-aarch64-linux-gnu")
            }
        }
    }

    /// busybox and container runtimes.
    pub fn programs(&self) -> Vec<PathBuf> {
        match self {
            Self::X86_64 => {
                ["/usr/bin/busybox", "/usr/sbin/runc", "/usr/bin/crun"].map(PathBuf::from)
            }
            Self::Arm64(_) => ["bin/busybox", "usr/sbin/runc", "usr/bin/crun"]
                .map(|program| tools("arm64/root").join(program)),
        }
        .into()
    }

    /// Where each library is here, and where it has to be there.
    pub fn libraries(&self, programs: &[PathBuf]) -> BTreeMap<PathBuf, PathBuf> {
        match self {
            Self::X86_64 => programs
                .iter()
                .map(PathBuf::as_path)
                .chain([self.strait()])
                .flat_map(loaded)
                .collect(),
            Self::Arm64(_) => LIBRARIES.into_iter().flat_map(all_of).collect(),
        }
    }
}

/// What the loader will look for. Programs that need nothing have none.
fn loaded(program: &Path) -> Vec<(PathBuf, PathBuf)> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    paths.map(|path| (path.clone(), path)).collect()
}

/// All libraries in a folder for arm64, whose programs cannot be asked here.
fn all_of(folder: &str) -> Vec<(PathBuf, PathBuf)> {
    let root = tools("arm64/root");
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    // Links are followed when they are copied.
    let libraries = paths.filter(|path| path.is_file() && path.to_string_lossy().contains(".so"));
    libraries
        .map(|path| {
            let place = Path::new("/").join(path.strip_prefix(&root).unwrap());
            (path, place)
        })
        .collect()
}

/// Runs what has to succeed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}
