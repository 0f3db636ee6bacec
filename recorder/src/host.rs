//! The machine for which this program was built, and so on which it runs.
//!
//! Only what deals with this machine's kernel may ask: recording, enforcing, inspecting, and the commands
//! that start these. Whatever only reads files takes the machine as a parameter, so that the same
//! input gives the same bytes everywhere; a test reads the sources for that.

use crate::machine::Machine;

/// This machine.
pub const MACHINE: Machine =
    if cfg!(target_arch = "aarch64") { Machine::Aarch64 } else { Machine::X86_64 };

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    /// What may ask: it loads programs or filters into this machine's kernel, or starts what does.
    const PRIVILEGED: [&str; 6] =
        ["host.rs", "record/", "enforce/", "inspect/", "cli/inspect.rs", "cli/verify.rs"];

    /// How the machine could be asked for.
    const ASKING: [&str; 7] = [
        "host::",
        "Abi::NATIVE",
        "target_arch",
        "target_pointer_width",
        "target_endian",
        "consts::ARCH",
        "uname(",
    ];

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .collect()
    }

    /// The lines that ask, without comments.
    fn asking(text: &str) -> Vec<&str> {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        code.filter(|line| ASKING.iter().any(|asking| line.contains(asking))).collect()
    }

    #[test]
    fn nothing_pure_asks_what_machine_it_runs_on() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut pure, mut found) = (0, Vec::new());
        for path in sources(&root) {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if PRIVILEGED.iter().any(|privileged| name.starts_with(privileged)) {
                continue;
            }
            pure += 1;
            let text = fs::read_to_string(&path).unwrap();
            found.extend(asking(&text).into_iter().map(|line| format!("{name}: {line}")));
        }
        assert!(pure > 100, "{pure} files were read");
        assert!(found.is_empty(), "a machine is a parameter there:\n{}", found.join("\n"));
    }

    #[test]
    fn each_way_of_asking_is_seen() {
        for asking_one in ASKING {
            assert_eq!(
                asking(&format!("    let x = {asking_one}X;\n    // {asking_one}")).len(),
                1
            );
        }
    }
}
