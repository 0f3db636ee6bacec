//! A real nginx with a directory and a port of its own, and the requests that exercise it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::run::{self, Running};

const PATIENCE: Duration = Duration::from_secs(20);

/// What nginx serves, and where it logs. The directory goes with this value; the server belongs to
/// the caller of [`Site::command`].
pub struct Site {
    dir: tempfile::TempDir,
    pub port: u16,
    workers: usize,
}

impl Site {
    /// Writes a configuration and some files to serve.
    pub fn new(workers: usize) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("strait-nginx-")
            // The workers run as an unprivileged user and read what lies here.
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()
            .context("cannot make a directory for nginx")?;
        let site = Self { dir, port: free_port()?, workers };
        let html = site.path("html");
        std::fs::create_dir_all(&html)?;
        std::fs::write(html.join("index.html"), "<h1>It works</h1>\n")?;
        std::fs::write(html.join("404.html"), "<h1>Not here</h1>\n")?;
        std::fs::write(html.join("large.bin"), vec![b'x'; 4 << 20])?;
        std::fs::write(site.path("nginx.conf"), site.configuration())?;
        Ok(site)
    }

    fn configuration(&self) -> String {
        let (port, workers) = (self.port, self.workers);
        format!(
            "daemon off;
pid nginx.pid;
error_log error.log notice;
worker_processes {workers};
events {{ worker_connections 256; }}
http {{
    access_log access.log;
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;
    sendfile on;
    gzip on;
    default_type application/octet-stream;
    types {{ text/html html; }}
    server {{
        listen 127.0.0.1:{port};
        root html;
        error_page 404 /404.html;
    }}
}}
"
        )
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The words that start this nginx in the foreground.
    pub fn command(&self) -> Result<Vec<String>> {
        std::fs::create_dir_all(self.path("temp"))?;
        let nginx = run::which("nginx").context("there is no nginx: run `cargo xtask setup`")?;
        let word = |path: &Path| path.display().to_string();
        Ok(vec![
            word(&nginx),
            "-p".to_owned(),
            word(self.dir.path()) + "/",
            "-c".to_owned(),
            word(&self.path("nginx.conf")),
            // Else it opens the distribution's log before it has read the configuration.
            "-e".to_owned(),
            word(&self.path("error.log")),
        ])
    }

    /// Waits until it accepts connections and its workers run.
    pub fn wait_ready(&self, running: &mut Running) -> Result<()> {
        let workers = self.workers;
        running
            .wait_until("nginx accepted a connection", PATIENCE, || {
                let listens = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
                let started = self.logged("start worker process ")? >= workers;
                Ok((listens && started && self.master().is_ok()).then_some(()))
            })
            .with_context(|| self.log_tail())
    }

    /// Reloads the configuration and waits until new workers have replaced the old ones.
    pub fn reload(&self, running: &mut Running) -> Result<()> {
        let started = self.logged("start worker process ")?;
        let ended = self.logged("exited with code 0")?;
        kill(self.master()?, Signal::SIGHUP).context("cannot signal nginx")?;
        running
            .wait_until("nginx replaced its workers", PATIENCE, || {
                let new = self.logged("start worker process ")? >= started + self.workers;
                let gone = self.logged("exited with code 0")? >= ended + self.workers;
                Ok((new && gone).then_some(()))
            })
            .with_context(|| self.log_tail())
    }

    /// Asks for a graceful shutdown.
    pub fn quit(&self) -> Result<()> {
        kill(self.master()?, Signal::SIGQUIT).context("cannot signal nginx")
    }

    fn master(&self) -> Result<Pid> {
        let text = std::fs::read_to_string(self.path("nginx.pid"))
            .context("nginx has written no pid file")?;
        Ok(Pid::from_raw(text.trim().parse().context("nginx's pid file is no number")?))
    }

    /// The processes that answer requests.
    pub fn worker_pids(&self) -> Result<Vec<Pid>> {
        let master = self.master()?;
        let path = format!("/proc/{master}/task/{master}/children");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        text.split_whitespace()
            .map(|pid| Ok(Pid::from_raw(pid.parse().with_context(|| format!("{path}: {text}"))?)))
            .collect()
    }

    /// How often the error log has this text.
    fn logged(&self, text: &str) -> Result<usize> {
        Ok(match std::fs::read_to_string(self.path("error.log")) {
            Ok(log) => log.matches(text).count(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error).context("cannot read nginx's log"),
        })
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.path("error.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("nginx's log ends with:\n{}", lines[lines.len().saturating_sub(5)..].join("\n"))
    }

    /// Sends requests over one connection, and expects these statuses.
    pub fn exchange(&self, requests: &[Request], statuses: &[u16]) -> Result<()> {
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.port)).context("cannot connect to nginx")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        for (index, request) in requests.iter().enumerate() {
            let last = index + 1 == requests.len();
            stream.write_all(request.to_bytes(last).as_bytes())?;
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).context("nginx's answer broke off")?;
        let got = parse_statuses(&String::from_utf8_lossy(&answer));
        ensure!(got == statuses, "nginx answered {got:?} where {statuses:?} was expected");
        Ok(())
    }
}

impl Drop for Site {
    /// Ends a server that outlived its starter.
    fn drop(&mut self) {
        if let Ok(master) = self.master() {
            let _ = kill(master, Signal::SIGTERM);
        }
    }
}

/// A request: method, path, more headers.
pub struct Request(pub &'static str, pub &'static str, pub &'static str);

impl Request {
    fn to_bytes(&self, last: bool) -> String {
        let Self(method, path, headers) = self;
        let connection = if last { "close" } else { "keep-alive" };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: {connection}\r\n\r\n"
        )
    }
}

/// The status of every response in what a connection carried. The served files hold no such text.
fn parse_statuses(answer: &str) -> Vec<u16> {
    answer.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}

/// A port that nothing listens on.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("there is no free port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_on_a_connection_counts() {
        let answer = "HTTP/1.1 200 OK\r\n\r\nbodyHTTP/1.1 404 Not Found\r\n\r\n";
        assert_eq!(parse_statuses(answer), [200, 404]);
        assert!(parse_statuses("").is_empty());
    }

    #[test]
    fn only_the_last_request_closes_the_connection() {
        let request = Request("HEAD", "/", "");
        assert!(request.to_bytes(false).contains("keep-alive"));
        assert!(request.to_bytes(true).ends_with("Connection: close\r\n\r\n"));
    }
}
