use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{App, Site};
use crate::common::wait;
use crate::support::Container;

/// PostgreSQL as its official image runs it: makes its cluster, drops root, becomes the server.
#[derive(Debug)]
pub struct Postgres;

/// Runs statements, and returns the first column of the rows that come back. Speaks the protocol
/// itself, so that nothing has to be run in the container or installed outside of it.
fn query(site: &Site, statements: &str) -> Result<Vec<String>, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut connection = TcpStream::connect(("127.0.0.1", site.port)).map_err(text)?;
    connection.set_read_timeout(Some(Duration::from_secs(60))).map_err(text)?;
    // https://www.postgresql.org/docs/15/protocol-message-formats.html
    let mut startup = 196_608_u32.to_be_bytes().to_vec();
    startup.extend(b"user\0postgres\0database\0postgres\0\0");
    connection.write_all(&message(None, &startup)).map_err(text)?;
    rows(&mut connection)?;
    connection
        .write_all(&message(Some(b'Q'), format!("{statements}\0").as_bytes()))
        .map_err(text)?;
    let rows = rows(&mut connection);
    connection.write_all(&message(Some(b'X'), b"")).map_err(text)?;
    rows
}

fn message(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a short message");
    kind.into_iter().chain(length.to_be_bytes()).chain(body.iter().copied()).collect()
}

/// Reads until the server is ready for the next query.
fn rows(connection: &mut TcpStream) -> Result<Vec<String>, String> {
    let mut rows = Vec::new();
    loop {
        let mut head = [0; 5];
        connection.read_exact(&mut head).map_err(|error| error.to_string())?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length.checked_sub(4).ok_or("a length of the protocol")?];
        connection.read_exact(&mut body).map_err(|error| error.to_string())?;
        match head[0] {
            b'Z' => return Ok(rows),
            b'E' => return Err(String::from_utf8_lossy(&body).replace('\0', " ")),
            b'D' => {
                // The number of columns, the length of the first, the first.
                let length = u32::from_be_bytes([body[2], body[3], body[4], body[5]]) as usize;
                let end = (6 + length).min(body.len());
                rows.push(String::from_utf8_lossy(&body[6..end]).into_owned());
            }
            _ => {}
        }
    }
}

fn expect(site: &Site, statements: &str, wanted: &[&str]) {
    let rows = query(site, statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
    assert_eq!(rows, wanted, "{statements}");
}

impl App for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn user(&self) -> &'static str {
        "postgres"
    }

    /// "Fast shutdown", as the official image has it.
    fn stop_signal(&self) -> &'static str {
        "INT"
    }

    fn prepare(&self, site: &Site) {
        site.bring("postgres.sh");
    }

    fn command(&self, site: &Site) -> Vec<String> {
        let port = site.port.to_string();
        ["sh", "/srv/postgres.sh", "-p", &port, "-k", "/tmp"].map(str::to_owned).into()
    }

    fn health(&self, site: &Site) -> String {
        format!("pg_isready -h 127.0.0.1 -p {}", site.port)
    }

    fn is_ready(&self, site: &Site) -> bool {
        query(site, "SELECT 1").is_ok()
    }

    fn request(&self, site: &Site) {
        expect(
            site,
            "DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, text text);
             INSERT INTO t SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 20000) n;",
            &[],
        );
        expect(site, "CREATE INDEX ON t (text); ANALYZE t;", &[]);
        expect(site, "VACUUM t", &[]);
        expect(site, "SELECT count(*) FROM t WHERE text LIKE '%'", &["20000"]);
        // More than fits into memory, and what several processes do together.
        expect(
            site,
            "SET work_mem = '64kB'; SET max_parallel_workers_per_gather = 2;
             SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
             SET min_parallel_table_scan_size = 0;
             SELECT count(*) FROM (SELECT DISTINCT text FROM t ORDER BY text DESC) d",
            &["20000"],
        );
        expect(site, "CHECKPOINT", &[]);
        assert!(query(site, "SELECT no_such_column").is_err());
    }

    fn change(&self, site: &Site, _: &Container) {
        let now = query(site, "SHOW work_mem").expect("a setting");
        let new = if now == ["5MB"] { "6MB" } else { "5MB" };
        expect(site, &format!("ALTER SYSTEM SET work_mem = '{new}'"), &[]);
        expect(site, "SELECT pg_reload_conf()", &["t"]);
        wait::until("PostgreSQL has its new setting", || {
            query(site, "SHOW work_mem").is_ok_and(|rows| rows == [new])
        });
    }

    fn operate(&self, site: &Site, container: &Container) {
        let port = site.port.to_string();
        let psql = ["psql", "-h", "/tmp", "-p", &port, "-U", "postgres", "-Atc"];
        let ask = |statement: &str| container.exec(&[&psql[..], &[statement]].concat());
        assert_eq!(ask("SELECT count(*) FROM t"), "20000");
    }
}
