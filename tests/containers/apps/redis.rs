use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{App, Site};
use crate::common::wait;
use crate::support::Container;

/// redis with its log of changes, snapshots and their child processes.
#[derive(Debug)]
pub struct Redis;

/// Where its own client reaches it. Through TCP, whether a connection is there at once or has to be
/// waited for (`poll`, `getsockopt`) depends on how busy the machine is.
const SOCKET: &str = "/tmp/redis.sock";

/// Sends an inline command, and returns the whole answer.
fn ask_all(site: &Site, command: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", site.port))?;
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    connection.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Sends an inline command, and returns the first line of the answer.
fn ask(site: &Site, command: &str) -> std::io::Result<String> {
    Ok(ask_all(site, command)?.lines().next().unwrap_or_default().to_owned())
}

/// As [`ask`], with an answer that has to begin like this.
fn expect(site: &Site, command: &str, wanted: &str) {
    let answer = ask(site, command).unwrap_or_else(|error| panic!("{command}: {error}"));
    assert!(answer.starts_with(wanted), "{command}: {answer}");
}

impl App for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn user(&self) -> &'static str {
        "redis"
    }

    fn stop_signal(&self) -> &'static str {
        "TERM"
    }

    fn prepare(&self, _: &Site) {}

    fn command(&self, site: &Site) -> Vec<String> {
        let port = site.port.to_string();
        let args = [
            "redis-server",
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--unixsocket",
            SOCKET,
            "--dir",
            "/tmp",
            "--appendonly",
            "yes",
            // What is slow, and then asks for the client's name, depends on the machine.
            "--slowlog-log-slower-than",
            "-1",
        ];
        args.map(str::to_owned).into()
    }

    fn health(&self, _: &Site) -> String {
        format!("redis-cli -s {SOCKET} ping | grep PONG")
    }

    fn is_ready(&self, site: &Site) -> bool {
        ask(site, "PING").is_ok_and(|answer| answer == "+PONG")
    }

    fn request(&self, site: &Site) {
        for number in 0..20 {
            expect(site, &format!("SET key:{number} {}", "x".repeat(200)), "+OK");
        }
        expect(site, "GET key:1", "$200");
        expect(site, "EXPIRE key:1 1000", ":1");
        expect(site, "EVAL return(1) 0", ":1");
        expect(site, "NOSUCHCOMMAND", "-ERR");
        // Each is refused as long as another one runs.
        for (command, wanted) in
            [("SAVE", "+OK"), ("BGSAVE", "+Background"), ("BGREWRITEAOF", "+Background")]
        {
            wait::until(&format!("redis does {command}"), || {
                ask(site, command).is_ok_and(|answer| answer.starts_with(wanted))
            });
        }
        // A stop would kill what still runs, and whether anything does depends on the machine.
        wait::until("redis has nothing left to do in the background", || {
            let state = ask_all(site, "INFO persistence").unwrap_or_default();
            let jobs =
                ["rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled"];
            jobs.iter().all(|job| state.contains(&format!("{job}:0")))
        });
    }

    fn change(&self, site: &Site, _: &Container) {
        expect(site, "CONFIG SET appendfsync always", "+OK");
        expect(site, "CONFIG SET maxmemory 64mb", "+OK");
        expect(site, "SET changed yes", "+OK");
    }

    fn operate(&self, _: &Site, container: &Container) {
        let ask = |args: &[&str]| container.exec(&[&["redis-cli", "-s", SOCKET], args].concat());
        assert_eq!(ask(&["get", "changed"]), "yes");
        assert!(ask(&["info"]).contains("redis_version"));
    }
}
