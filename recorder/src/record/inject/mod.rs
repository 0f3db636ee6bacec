//! Gives a profile to containers that have none of their own, while a command runs.
//!
//! Nothing of an engine is changed for it, and nothing has to be started again: only what the command
//! sees is. For engines that are asked through a socket, `DOCKER_HOST` and `CONTAINER_HOST` of the command
//! name a socket of Strait's, which passes everything on and adds the profile to what creates a
//! container (`proxy`, `create`). podman makes containers itself, so `CONTAINERS_CONF` names
//! a copy of its settings in which the profile is the default (`settings`), but for the infra containers of its
//! pods (`infra`). Settings are for all containers, so that they are left as they are if only some are
//! to get the profile.
//!
//! An OCI runtime of our own in front of the real one would see every container too, but dockerd knows
//! only runtimes that its configuration names, and would have to be told to read that again; and a runtime
//! finds in the bundle the engine's default profile written out, where nothing tells it from one
//! that the user chose.

mod body;
mod clients;
pub mod create;
mod docker;
mod infra;
mod proxy;
mod settings;

use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::record::engine::Only;
use crate::record::folder::Folder;
use create::Profile;
use settings::Settings;
use strait_generator::untrusted::short;

pub use infra::{InfraError, leave_alone};

/// Why no profile can be given to anybody.
#[derive(Debug, Error)]
pub enum InjectError {
    /// The machine is out of something.
    #[error("cannot {what} {path}, which is needed to give containers the profile: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Settings of podman that are not TOML.
    #[error("cannot understand podman's settings in {path}: {reason}")]
    Settings {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// An engine of another machine.
    #[error(
        "{variable} is {value}, which is not a socket on this machine (unix://PATH). Only containers of this \
         machine can be watched: unset it, or name a socket"
    )]
    Elsewhere {
        /// The variable, or the Docker context.
        variable: String,
        /// What it names.
        value: String,
    },
}

/// The hidden subcommand that podman runs as a hook.
pub const HOOK: &str = "podman-hook";

/// How many containers notes name.
const MOST_NAMES: usize = 20;

/// What came of it so far.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    given: u64,
    own: Vec<String>,
    /// How many of those have no room in `own`.
    more: u64,
    /// podman's own command gives the profile to no container.
    not_by_podman: bool,
}

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn given(&self) {
        self.counts().given += 1;
    }

    fn has_its_own(&self, name: &str) {
        let mut counts = self.counts();
        let name = short(name);
        if counts.own.contains(&name) {
            return;
        }
        match counts.own.len() < MOST_NAMES {
            true => counts.own.push(name),
            false => counts.more += 1,
        }
    }

    /// What people should know: which containers were left as they were.
    pub fn notes(&self) -> Vec<String> {
        let counts = self.counts();
        let own = counts.own.iter();
        let mut notes: Vec<_> = own
            .map(|name| format!("{name} has a profile of its own, and was left with it"))
            .collect();
        if counts.more > 0 {
            notes.push(format!("{} more have a profile of their own, too", counts.more));
        }
        if counts.not_by_podman {
            notes.push(
                "with --only, containers that podman's own command creates do not get the profile: its \
                 settings are for all containers. Use its service (podman --remote), or leave out --only"
                    .to_owned(),
            );
        }
        notes
    }
}

/// A profile that is given to the containers which a command starts, for as long as this lives.
pub struct Injection {
    profile: Arc<Profile>,
    only: Arc<[Only]>,
    sockets: Vec<(UnixListener, PathBuf)>,
    environment: Vec<(&'static str, OsString)>,
    tally: Tally,
    folder: Folder,
}

impl Injection {
    /// Prepares everything, for containers that `only` chooses; for all if it is empty. Engines need not be
    /// there yet.
    ///
    /// # Errors
    ///
    /// [`InjectError`], before anything was changed.
    pub fn new(profile: &str, only: &[Only]) -> Result<Self, InjectError> {
        // Who reaches the sockets in it can start containers, so no one else may.
        let folder =
            Folder::new(false).map_err(system("make a folder for", Path::new("sockets")))?;
        let file = folder.path().join("profile.json");
        write(&file, profile)?;
        let tally = Tally::default();
        let mut environment = Vec::new();
        if only.is_empty() {
            environment.push(("CONTAINERS_CONF", settings(folder.path(), &file)?.into_os_string()));
        } else {
            tally.counts().not_by_podman = is_there("podman");
        }
        let mut sockets = Vec::new();
        for (variable, engine) in docker::sockets()? {
            let path = folder.path().join(format!("{}.sock", variable.to_lowercase()));
            let listener = UnixListener::bind(&path).map_err(system("listen at", &path))?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))
                .map_err(system("listen at", &path))?;
            listener.set_nonblocking(true).map_err(system("listen at", &path))?;
            environment.push((variable, format!("unix://{}", path.display()).into()));
            sockets.push((listener, engine));
        }
        let profile = Arc::new(Profile { text: profile.to_owned(), file });
        Ok(Self { profile, only: only.into(), sockets, environment, tally, folder })
    }

    /// The variables that the command has to have.
    pub fn environment(&self) -> &[(&'static str, OsString)] {
        &self.environment
    }

    /// Begins to pass on what comes in, within a tokio runtime and as long as that is polled. The
    /// folder is to be kept until the command has ended.
    pub fn serve(self) -> Result<(Tally, Folder), InjectError> {
        for (listener, engine) in self.sockets {
            let path = engine.clone();
            let listener = tokio::net::UnixListener::from_std(listener)
                .map_err(|source| InjectError::System { what: "listen for", path, source })?;
            let (profile, only) = (self.profile.clone(), self.only.clone());
            let proxy = proxy::Proxy::new(engine, profile, only, self.tally.clone());
            tokio::spawn(proxy::serve(listener, proxy));
        }
        Ok((self.tally, self.folder))
    }
}

fn system(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InjectError {
    let path = path.to_owned();
    move |source| InjectError::System { what, path, source }
}

fn write(path: &Path, text: &str) -> Result<(), InjectError> {
    std::fs::write(path, text).map_err(system("write", path))
}

/// Writes settings for podman into this folder, with `profile` as the default of all containers but for the
/// infra containers of pods. Returns the file.
fn settings(folder: &Path, profile: &Path) -> Result<PathBuf, InjectError> {
    let settings = Settings::read()?;
    let hooks = folder.join("hooks");
    std::fs::create_dir(&hooks).map_err(system("make the folder", &hooks))?;
    let itself = Path::new("/proc/self/exe");
    let program = std::env::current_exe().map_err(system("find", itself))?;
    let mut arguments = vec![HOOK.to_owned()];
    let default = settings.default_profile();
    let default = default.map(|path| path.to_string_lossy().into_owned());
    let infra_command = settings.infra_command().map(str::to_owned);
    for (option, value) in [("--default", default), ("--infra-command", infra_command)] {
        arguments.extend(value.map(|value| format!("{option}={value}")));
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    write(&hooks.join("strait.json"), &infra::hook(&program, &arguments))?;
    let file = folder.join("containers.conf");
    write(&file, &settings.with(profile, &hooks))?;
    Ok(file)
}

/// Whether the command could run this program by its name.
fn is_there(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}
