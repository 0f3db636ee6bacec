//! What machines are: this one's kind with the programs that are installed here, or arm64 with those that
//! `cargo xtask test --arm64` has downloaded and built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use strait_generator::abi::Abi;

use crate::support::fixtures::Fixture;
use crate::support::run::STRAIT;

/// What programs are made for, and with.
#[derive(Debug)]
pub enum Platform {
    /// x86-64, and the programs of this machine.
    X86_64,
    /// arm64, with this `strait`.
    Arm64(PathBuf),
}

/// Where programs are.
const PROGRAMS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];

/// Where the loader and libraries are on arm64.
const LIBRARIES: [&str; 3] = ["lib", "lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"];

/// A folder of what was downloaded for tests.
pub fn tools(name: &str) -> PathBuf {
    Path::new(STRAIT).ancestors().nth(2).unwrap().join("tools").join(name)
}

impl Platform {
    /// The ABI of its programs.
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

    /// The `strait` that is tested.
    pub fn strait(&self) -> &Path {
        match self {
            Self::X86_64 => Path::new(STRAIT),
            Self::Arm64(strait) => strait,
        }
    }

    /// A workload, built for it.
    pub fn build(&self, fixture: Fixture) -> PathBuf {
        match self {
            Self::X86_64 => fixture.build(),
            Self::Arm64(_) => {
                fixture.build_with("aarch64-linux-gnu-gcc", "apt-get install gcc-aarch64-linux-gnu")
            }
        }
    }

    /// A program of its distribution.
    pub fn program(&self, name: &str) -> PathBuf {
        let root = match self {
            Self::X86_64 => PathBuf::from("/"),
            Self::Arm64(_) => tools("arm64/root"),
        };
        let mut places = PROGRAMS.iter().map(|folder| root.join(folder).join(name));
        places
            .find(|path| path.exists())
            .unwrap_or_else(|| panic!("there is no {name} below {}", root.display()))
    }

    /// What a program is linked with: where each library is here, and where it has to be there.
    pub fn libraries(&self, program: &Path) -> Vec<(PathBuf, PathBuf)> {
        match self {
            Self::X86_64 => loaded(program),
            // These programs cannot be asked here.
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

/// All libraries in a folder for arm64.
fn all_of(folder: &str) -> Vec<(PathBuf, PathBuf)> {
    let root = tools("arm64/root");
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    // Links are followed when they are copied.
    let libraries = paths.filter(|path| path.is_file() && path.to_string_lossy().contains(".so"));
    let place = |path: &Path| Path::new("/").join(path.strip_prefix(&root).unwrap());
    libraries.map(|path| (path.clone(), place(&path))).collect()
}
