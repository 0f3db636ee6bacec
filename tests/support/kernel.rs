//! Questions to the kernel: which BPF objects exist, who is alive, are we root.

use std::collections::BTreeSet;
use std::path::Path;

use nix::unistd::Pid;

/// A kind of BPF object, with the command of `bpf(2)` that opens one by its id and the field of
/// `/proc/PID/fdinfo/N` that has that id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bpf {
    /// A program.
    Program,
    /// A map.
    Map,
    /// A link, which is what keeps a program attached.
    Link,
}

impl Bpf {
    const ALL: [Self; 3] = [Self::Program, Self::Map, Self::Link];

    const fn open_by_id(self) -> libc::c_long {
        // include/uapi/linux/bpf.h, enum bpf_cmd
        match self {
            Self::Program => 13,
            Self::Map => 14,
            Self::Link => 30,
        }
    }

    const fn field(self) -> &'static str {
        match self {
            Self::Program => "prog_id:",
            Self::Map => "map_id:",
            Self::Link => "link_id:",
        }
    }

    /// Whether the kernel still has this object. Ids are not used again.
    pub fn exists(self, id: u32) -> bool {
        // `union bpf_attr`: the id, then `next_id`, `open_flags` and room to spare.
        let attribute: [u32; 32] = std::array::from_fn(|index| if index == 0 { id } else { 0 });
        // SAFETY: the kernel reads at most the size that is given, and it is the size of the array.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                self.open_by_id(),
                attribute.as_ptr(),
                size_of_val(&attribute),
            )
        };
        if fd < 0 {
            let error = std::io::Error::last_os_error();
            assert_eq!(
                error.raw_os_error(),
                Some(libc::ENOENT),
                "asking for {self:?} {id}: {error}"
            );
            return false;
        }
        // SAFETY: the descriptor was opened just now and is used nowhere else.
        unsafe { libc::close(fd as libc::c_int) };
        true
    }
}

/// The BPF objects that a process holds open.
pub fn bpf_objects(pid: Pid) -> BTreeSet<(Bpf, u32)> {
    let directory = format!("/proc/{pid}/fdinfo");
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|e| panic!("{directory}: {e}"));
    entries
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
        .flat_map(|text| {
            let line = |kind: Bpf| {
                let id = text.lines().find_map(|line| line.strip_prefix(kind.field()))?;
                Some((kind, id.trim().parse().ok()?))
            };
            Bpf::ALL.into_iter().filter_map(line).collect::<Vec<_>>()
        })
        .collect()
}

/// Whether there is a process or thread with this id that has not ended.
pub fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(')')?.1.trim_start().chars().next())
        .is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Fails the test, and says what to do, unless it can load programs into the kernel.
pub fn require_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "these tests load programs into the kernel: run them as root, with `cargo xtask test`"
    );
}

/// Fails the test, and says what to do, unless `program` is installed.
pub fn require(program: &str, package: &str) {
    let found = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|directory| Path::new(directory).join(program).exists());
    assert!(found, "these tests need {program}: apt-get install {package}");
}
