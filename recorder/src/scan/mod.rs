//! Which calls programs on disk can make: finds the files of a program, and reads them.
//!
//! What is read is read as bytes, up to a bound, and nothing of it is executed. Names in a file lead to files beneath a
//! [`Root`] and nowhere else. While others' code is recorded this is done by a process without privilege
//! ([`Helper`]), since the files are as hostile as what is recorded.

mod beside;
mod helper;
mod libraries;
mod messages;
mod root;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::rc::Rc;

use libraries::Folders;
use strait_generator::abi::Abi;
use strait_generator::scan::{self, Image, Program, ScanError};
use strait_generator::untrusted::short;
use thiserror::Error;

pub use beside::Helpers;
pub(crate) use beside::NoAnswer;
pub use helper::Helper;
pub(crate) use helper::PATIENCE;
pub(crate) use messages::Asked;
pub use root::{Identity, Root};

/// How many interpreters of interpreters are followed; the kernel follows five (`fs/exec.c`).
const MOST_INTERPRETERS: usize = 4;

/// How many files of a program are read.
const MOST_FILES: usize = 1024;

/// Why a program cannot be scanned.
#[derive(Debug, Error)]
pub enum ScanFileError {
    /// It cannot be opened or read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// It is nothing that can be scanned.
    #[error("{0}")]
    Scan(#[from] ScanError),
    /// A script without a program.
    #[error("it is a script, and its first line names no program")]
    Script,
    /// Another file than was meant.
    #[error("the file at this path is another one than was executed")]
    Replaced,
}

/// A file that was read.
type Read = Rc<Result<Image, ScanError>>;

/// Scans programs beneath a root; a file that several of them have is read once.
pub struct Scanner {
    root: Root,
    memory: Memory,
    /// A file, while it is read.
    bytes: Vec<u8>,
}

/// What is known of files beneath a root that were read.
#[derive(Default)]
pub(crate) struct Memory {
    /// A library's by the C library of its program, too, whose own files are hardly read.
    images: HashMap<(Identity, Option<&'static str>), Read>,
    folders: HashMap<Abi, Rc<Folders>>,
}

/// A library that is looked for.
struct Wanted {
    name: String,
    /// Whether the program does not start without.
    is_needed: bool,
    /// Where to look first.
    search: Vec<String>,
}

impl Scanner {
    /// For programs beneath this root.
    pub fn new(root: Root) -> Self {
        Self::remembering(root, Memory::default())
    }

    /// The same, for a root that was scanned before.
    pub(crate) fn remembering(root: Root, memory: Memory) -> Self {
        Self { root, memory, bytes: Vec::new() }
    }

    /// Lets go of the root.
    pub(crate) fn into_memory(self) -> Memory {
        self.memory
    }

    /// Scans the program at a path beneath the root; of a script, its interpreter. With `inode`, only if the file has
    /// that number. (Device numbers are not compared: a file on overlayfs or btrfs has another one for `stat` than
    /// the kernel uses within.)
    ///
    /// # Errors
    ///
    /// [`ScanFileError`] says why it cannot be scanned. A library that cannot be found or read is no error: the set is
    /// open then.
    pub fn program(&mut self, path: &str, inode: Option<u64>) -> Result<Program, ScanFileError> {
        let mut executable = path.to_owned();
        let mut inode = inode;
        for _ in 0..=MOST_INTERPRETERS {
            let file = self.root.open(&executable)?;
            if inode.take().is_some_and(|inode| inode != file.identity.inode) {
                return Err(ScanFileError::Replaced);
            }
            if let Some(interpreter) = file.interpreter()? {
                executable = interpreter.ok_or(ScanFileError::Script)?;
                continue;
            }
            let real = file.path.clone();
            let image = self.image(&file, None)?;
            let image = image.as_ref().as_ref().map_err(Clone::clone)?;
            return Ok(self.with_libraries(path, &executable, &real, image));
        }
        Err(ScanFileError::Script)
    }

    /// The image of a program, or of a library of a program.
    fn image(&mut self, file: &root::Found, program: Option<&Image>) -> io::Result<Read> {
        let key = (file.identity, program.and_then(Image::libc_name));
        if let Some(image) = self.memory.images.get(&key) {
            return Ok(image.clone());
        }
        file.read(&mut self.bytes)?;
        let image = Rc::new(match program {
            Some(program) => Image::read_library(&self.bytes, &file.path, program),
            None => Image::read(&self.bytes),
        });
        self.memory.images.insert(key, image.clone());
        Ok(image)
    }

    fn with_libraries(
        &mut self,
        path: &str,
        executable: &str,
        real: &str,
        image: &Image,
    ) -> Program {
        let mut found: Vec<(String, Read)> = Vec::new();
        let mut missing = Vec::new();
        let mut seen = BTreeSet::new();
        let own = libraries::search_of(image, real);
        let beside = libraries::beside(real);
        let wanted = |image: &Image, search: &[String]| {
            let needed = image.needed.iter().map(|name| (name.clone(), true));
            let loads = image.loads.iter().map(|name| (name.clone(), false));
            let all: Vec<Wanted> = needed
                .chain(loads)
                .map(|(name, is_needed)| Wanted { name, is_needed, search: search.to_vec() })
                .collect();
            all
        };
        let mut open = wanted(image, &own);
        while let Some(Wanted { name, is_needed, search }) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            if seen.len() > MOST_FILES {
                missing.push(format!("it needs more than {MOST_FILES} libraries"));
                break;
            }
            let Some((file, library)) = self.library(&name, [&search, &own, &beside], image) else {
                if is_needed {
                    missing.push(format!("the library {} was not found", short(&name)));
                }
                continue;
            };
            if let Ok(library) = library.as_ref() {
                open.extend(wanted(library, &libraries::search_of(library, &file)));
            }
            for name in libraries::companions(&self.root, &file) {
                open.push(Wanted { name, is_needed: false, search: Vec::new() });
            }
            found.push((file, library));
        }
        // One file may be wanted by several names.
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found.dedup_by(|(one, _), (other, _)| one == other);
        let files: Vec<scan::File<'_>> = found
            .iter()
            .filter_map(|(path, image)| {
                Some(scan::File { path, image: image.as_ref().as_ref().ok()? })
            })
            .collect();
        let main = scan::File { path: real, image };
        Program {
            path: path.to_owned(),
            executable: (path != executable).then(|| executable.to_owned()),
            abi: image.abi,
            is_dynamic: image.is_dynamic && image.interpreter.is_some(),
            reachable: scan::reachable(main, &files, &missing),
            libraries: files.iter().map(|file| file.path.to_owned()).collect(),
        }
    }

    /// The library of this name that the dynamic loader takes: the first one that is for the same machine.
    fn library(
        &mut self,
        needed: &str,
        [search, own, beside]: [&[String]; 3],
        program: &Image,
    ) -> Option<(String, Read)> {
        let candidates: Vec<String> = if needed.contains('/') {
            vec![needed.to_owned()]
        } else {
            let folders = match self.memory.folders.get(&program.abi) {
                Some(folders) => folders.clone(),
                None => {
                    let folders = Rc::new(Folders::of(&self.root, program.abi));
                    self.memory.folders.insert(program.abi, folders.clone());
                    folders
                }
            };
            let common = folders.all(program.interpreter.as_deref());
            let all = search.iter().chain(own).chain(common).chain(beside);
            all.map(|folder| format!("{folder}/{needed}")).collect()
        };
        for candidate in candidates {
            let Ok(file) = self.root.open(&candidate) else { continue };
            let Ok(image) = self.image(&file, Some(program)) else { continue };
            if image.as_ref().as_ref().is_ok_and(|image| image.abi == program.abi) {
                return Some((file.path, image));
            }
        }
        None
    }
}
