//! Real servers, and what a test run does with them.

mod gunicorn;
mod nginx;
mod postgres;
mod redis;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::common::fixtures::source;
use crate::common::{port, wait};
use crate::support::container::Options;
use crate::support::{Container, image, lab};

pub use gunicorn::Gunicorn;
pub use nginx::Nginx;
pub use postgres::Postgres;
pub use redis::Redis;

/// A server that is installed in the image.
pub trait App: Sync {
    /// What it is called.
    fn name(&self) -> &'static str;
    /// The user that Debian made for it.
    fn user(&self) -> &'static str;
    /// The signal that ends it gracefully.
    fn stop_signal(&self) -> &'static str;
    /// Writes what it reads from `/srv`.
    fn prepare(&self, site: &Site);
    /// What the container runs.
    fn command(&self, site: &Site) -> Vec<String>;
    /// A shell command that tells whether it is well.
    fn health(&self, site: &Site) -> String;
    /// Whether it answers requests.
    fn is_ready(&self, site: &Site) -> bool;
    /// Requests of all kinds.
    fn request(&self, site: &Site);
    /// Changes its configuration while it runs, and waits until that has taken effect.
    fn change(&self, site: &Site, container: &Container);
    /// What an operator does in its container.
    fn operate(&self, site: &Site, container: &Container);
}

/// All of them.
pub const ALL: [&dyn App; 4] = [&Nginx, &Redis, &Postgres, &Gunicorn];

/// What one container of a server has to itself: a port, and files that it sees in `/srv`.
#[derive(Debug)]
pub struct Site {
    /// A port of the loopback interface.
    pub port: u16,
    /// Whether the container's user is root.
    pub root: bool,
    directory: TempDir,
}

impl Site {
    /// With all that `app` needs.
    pub fn new(app: &dyn App, root: bool) -> Self {
        let site = Self { port: port::free(), root, directory: lab().scratch() };
        app.prepare(&site);
        site
    }

    /// What the container sees as `/srv`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file that the container sees in `/srv`.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.directory().join(name), text).expect("the directory is ours");
    }

    /// Has the container see a file of `tests/fixtures/containers`.
    pub fn bring(&self, name: &str) -> PathBuf {
        let path = self.directory().join(name);
        std::fs::copy(source(&format!("../containers/{name}")), &path)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        path
    }
}

/// Starts the server in a container that `options` describe.
pub fn start(app: &dyn App, site: &Site, options: Options) -> Container {
    options
        .files(site.directory())
        .health(&app.health(site))
        .option(&["--stop-signal", app.stop_signal()])
        .start(image::DEBIAN, &app.command(site))
}

/// Waits until it answers, as long as its container runs.
fn wait_until_ready(app: &dyn App, site: &Site, container: &Container) {
    wait::until(&format!("{} answers", container.name), || {
        app.is_ready(site) || {
            assert!(container.is_running(), "{} ended:\n{}", container.name, container.logs());
            false
        }
    });
}

/// A test run, from the first answer to the graceful end.
pub fn test_run(app: &dyn App, site: &Site, container: &Container) {
    use_it(app, site, container);
    container.stop();
}

/// What happens to a server in production: all of the test run, and a restart in the middle.
pub fn production_run(app: &dyn App, site: &Site, container: &Container) {
    use_it(app, site, container);
    container.restart();
    wait_until_ready(app, site, container);
    app.request(site);
    container.wait_until_healthy();
    container.stop();
}

fn use_it(app: &dyn App, site: &Site, container: &Container) {
    wait_until_ready(app, site, container);
    app.request(site);
    app.change(site, container);
    app.request(site);
    app.operate(site, container);
    container.wait_until_healthy();
}
