//! Where dynamic loaders look for libraries.
//!
//! `LD_LIBRARY_PATH` and the loader's cache are not looked at: the first is another one in each process, and the second
//! has what is in the folders of `/etc/ld.so.conf`.

use super::root::Root;
use strait_generator::abi::Abi;
use strait_generator::scan::Image;

/// How many folders are looked through.
const MOST: usize = 256;

/// The folders of a root, for programs of one machine.
pub struct Folders {
    glibc: Vec<String>,
    musl: Vec<String>,
}

/// A machine's name in Debian's paths, and in musl's.
const fn names(abi: Abi) -> (&'static str, &'static str) {
    match abi {
        Abi::X86_64 => ("x86_64-linux-gnu", "x86_64"),
        Abi::X86 => ("i386-linux-gnu", "i386"),
        Abi::X32 => ("x86_64-linux-gnux32", "x32"),
        Abi::Aarch64 => ("aarch64-linux-gnu", "aarch64"),
        Abi::Riscv64 => ("riscv64-linux-gnu", "riscv64"),
    }
}

impl Folders {
    /// As the settings beneath this root say (`ld.so(8)`, `ldconfig(8)`; musl's `ldso/dynlink.c`).
    pub fn of(root: &Root, abi: Abi) -> Self {
        let (triplet, machine) = names(abi);
        let mut glibc = Vec::new();
        add_settings(root, "/etc/ld.so.conf", &mut glibc, true);
        for folder in
            ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib32", "/usr/lib32", "/libx32"]
        {
            glibc.push(folder.to_owned());
        }
        for folder in ["/lib", "/usr/lib", "/usr/local/lib"] {
            glibc.push(format!("{folder}/{triplet}"));
        }
        let settings = root.settings(&format!("/etc/ld-musl-{machine}.path"));
        let musl = if settings.trim().is_empty() {
            ["/lib", "/usr/local/lib", "/usr/lib"].map(str::to_owned).to_vec()
        } else {
            let folders = settings.split([':', '\n']).map(str::trim);
            folders.filter(|folder| folder.starts_with('/')).take(MOST).map(str::to_owned).collect()
        };
        Self { glibc, musl }
    }

    /// Where the loader of this path looks.
    pub fn all(&self, interpreter: Option<&str>) -> &[String] {
        let is_musl = interpreter.is_some_and(|path| path.contains("ld-musl"));
        if is_musl { &self.musl } else { &self.glibc }
    }
}

fn add_settings(root: &Root, path: &str, folders: &mut Vec<String>, may_include: bool) {
    let text = root.settings(path);
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if folders.len() >= MOST {
            return;
        }
        if line.starts_with('/') {
            folders.push(line.to_owned());
        } else if let Some(pattern) = line.strip_prefix("include").map(str::trim)
            && may_include
            && let Some((folder, "*.conf")) = pattern.rsplit_once('/')
        {
            for name in root.names(folder).iter().filter(|name| name.ends_with(".conf")) {
                add_settings(root, &format!("{folder}/{name}"), folders, false);
            }
        }
    }
}

/// Where a file itself says that its libraries are: `DT_RPATH`, `DT_RUNPATH`. `path` is where it is.
pub fn search_of(image: &Image, path: &str) -> Vec<String> {
    let (triplet, machine) = names(image.abi);
    let origin = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let mut all = Vec::new();
    for folder in image.search.iter().filter(|folder| !folder.is_empty()).take(MOST) {
        let libs: &[&str] = match folder.contains("LIB") {
            true => &["lib", "lib64"],
            false => &[""],
        };
        for lib in libs {
            let mut folder = folder.clone();
            for (token, value) in [("ORIGIN", origin), ("LIB", lib), ("PLATFORM", machine)] {
                folder = folder
                    .replace(&format!("${{{token}}}"), value)
                    .replace(&format!("${token}"), value);
            }
            if folder.len() <= 4096 {
                all.push(folder);
            }
        }
        if folder.contains("LIB") {
            all.push(folder.replace("${LIB}", "lib").replace("$LIB", "lib") + "/" + triplet);
        }
    }
    all
}

/// Where a program's own libraries are that it loads itself, as Java's launcher does.
pub fn beside(program: &str) -> Vec<String> {
    let folder = program.rsplit_once('/').map_or("/", |(folder, _)| folder);
    ["", "/server", "/../lib", "/../lib/server"]
        .iter()
        .map(|rest| format!("{folder}{rest}"))
        .collect()
}

/// Libraries that one loads by names that are in no file of code: of a Java machine, those of its class library.
pub fn companions(root: &Root, library: &str) -> Vec<String> {
    let Some(folder) = library.strip_suffix("/server/libjvm.so") else { return Vec::new() };
    let names = root.names(folder).into_iter();
    let is_library = |name: &String| name.starts_with("lib") && name.ends_with(".so");
    names.filter(is_library).map(|name| format!("{folder}/{name}")).collect()
}
