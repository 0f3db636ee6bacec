//! Gives a profile to containers that have none of their own, while a command runs.
//!
//! Nothing of an engine is changed for it, and nothing has to be started again: only what the command
//! sees is. For engines that are asked through a socket, `DOCKER_HOST` and `CONTAINER_HOST` of the command
//! name a socket of Strait's, which passes everything on and adds the profile to what creates a
//! container (`proxy`, `create`). podman makes containers itself, so `CONTAINERS_CONF` names
//! a copy of its settings in which the profile is the default (`settings`).
//!
//! An OCI runtime of our own in front of the real one would see every container too, but dockerd knows
//! only runtimes that its configuration names, and would have to be told to read that again; and a runtime
//! finds in the bundle the engine's default profile written out, where nothing tells it from one
//! that the user chose.

mod create;
mod docker;
mod proxy;
mod settings;

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use thiserror::Error;

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
        "{variable} is {value}, which is no socket of this machine (unix://PATH). Only containers of this \
         machine can be watched: unset it, or name a socket"
    )]
    Elsewhere {
        /// The variable, or the Docker context.
        variable: String,
        /// What it names.
        value: String,
    },
}

/// A profile, as containers are given it.
#[derive(Debug)]
struct Profile {
    /// JSON, as Docker takes it.
    text: String,
    /// A file with the same, as podman takes it.
    file: PathBuf,
}

/// What came of it so far.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    given: u64,
    own: Vec<String>,
}

impl Tally {
    fn given(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).given += 1;
    }

    fn has_its_own(&self, name: String) {
        let own = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).own;
        if !own.contains(&name) {
            own.push(name);
        }
    }

    /// What people should know: who was left as it was.
    pub fn notes(&self) -> Vec<String> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.own.iter();
        own.map(|name| format!("{name} has a profile of its own, and was left with it")).collect()
    }
}

/// A profile that is given to the containers which a command starts, for as long as this lives.
pub struct Injection {
    profile: Arc<Profile>,
    sockets: Vec<(UnixListener, PathBuf)>,
    environment: Vec<(&'static str, OsString)>,
    tally: Tally,
    folder: TempDir,
}

impl Injection {
    /// Prepares everything. Engines need not be there yet.
    ///
    /// # Errors
    ///
    /// [`InjectError`], before anything was changed.
    pub fn new(profile: &str) -> Result<Self, InjectError> {
        let system = |what, path: &Path| {
            let path = path.to_owned();
            move |source| InjectError::System { what, path, source }
        };
        let parent = std::env::temp_dir();
        // Whoever reaches the sockets in it can start containers, so nobody else may.
        let folder = tempfile::Builder::new()
            .prefix("strait-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(system("make a folder in", &parent))?;
        let file = folder.path().join("profile.json");
        std::fs::write(&file, profile).map_err(system("write", &file))?;
        let settings = folder.path().join("containers.conf");
        std::fs::write(&settings, settings::with_profile(&file)?)
            .map_err(system("write", &settings))?;
        let mut environment = vec![("CONTAINERS_CONF", settings.into_os_string())];
        let mut sockets = Vec::new();
        for (variable, engine) in docker::sockets()? {
            let path = folder.path().join(format!("{}.sock", variable.to_lowercase()));
            let listener = UnixListener::bind(&path).map_err(system("listen at", &path))?;
            listener.set_nonblocking(true).map_err(system("listen at", &path))?;
            environment.push((variable, format!("unix://{}", path.display()).into()));
            sockets.push((listener, engine));
        }
        let profile = Arc::new(Profile { text: profile.to_owned(), file });
        Ok(Self { profile, sockets, environment, tally: Tally::default(), folder })
    }

    /// The variables that the command has to have.
    pub fn environment(&self) -> &[(&'static str, OsString)] {
        &self.environment
    }

    /// Begins to pass on what comes in, within a tokio runtime and as long as that is polled. The
    /// folder is to be kept until the command has ended.
    pub fn serve(self) -> Result<(Tally, TempDir), InjectError> {
        for (listener, engine) in self.sockets {
            let path = engine.clone();
            let listener = tokio::net::UnixListener::from_std(listener)
                .map_err(|source| InjectError::System { what: "listen for", path, source })?;
            let (profile, tally) = (self.profile.clone(), self.tally.clone());
            tokio::spawn(proxy::serve(listener, proxy::Proxy::new(engine, profile, tally)));
        }
        Ok((self.tally, self.folder))
    }
}
