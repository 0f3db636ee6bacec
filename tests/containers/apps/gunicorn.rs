use super::{App, Site};
use crate::common::wait;
use crate::support::{Container, http};

/// A web application in python: processes and threads of gunicorn, a database, a subprocess.
#[derive(Debug)]
pub struct Gunicorn;

impl App for Gunicorn {
    fn name(&self) -> &'static str {
        "python"
    }

    fn user(&self) -> &'static str {
        "nobody"
    }

    fn stop_signal(&self) -> &'static str {
        "TERM"
    }

    fn prepare(&self, site: &Site) {
        site.bring("app.py");
        site.write("edition", "1");
    }

    fn command(&self, site: &Site) -> Vec<String> {
        let bind = format!("127.0.0.1:{}", site.port);
        let mut args = vec![
            "gunicorn",
            "--chdir",
            "/srv",
            "--bind",
            &bind,
            "--workers",
            "2",
            "--threads",
            "4",
        ];
        if site.root {
            args.extend(["--user", "www-data", "--group", "www-data"]);
        }
        args.push("app:app");
        args.into_iter().map(str::to_owned).collect()
    }

    fn health(&self, site: &Site) -> String {
        let url = format!("http://127.0.0.1:{}/edition", site.port);
        format!("python3 -c 'import urllib.request as r; r.urlopen(\"{url}\")'")
    }

    fn is_ready(&self, site: &Site) -> bool {
        http::try_get(site.port, "/edition").is_some()
    }

    fn request(&self, site: &Site) {
        let port = site.port;
        http::expect(port, "POST /notes", "buy milk", 201);
        assert!(http::get(port, "/notes").contains("buy milk"));
        assert!(http::get(port, "/subprocess").contains("from a subprocess"));
        http::expect(port, "GET /missing", "", 404);
        http::expect(port, "GET /broken", "", 500);
    }

    fn change(&self, site: &Site, container: &Container) {
        let now: u32 = http::get(site.port, "/edition").parse().expect("a number");
        let new = (now + 1).to_string();
        site.write("edition", &new);
        container.kill("HUP");
        wait::until("the application was loaded again", || {
            http::try_get(site.port, "/edition").as_ref() == Some(&new)
        });
    }

    fn operate(&self, _: &Site, container: &Container) {
        let script = "import sqlite3; print(sqlite3.connect('/tmp/notes.db').execute('SELECT 1').fetchone())";
        assert_eq!(container.exec(&["python3", "-c", script]), "(1,)");
    }
}
