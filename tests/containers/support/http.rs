//! Requests to a server on the loopback interface.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer: its status and its body.
#[derive(Debug)]
pub struct Answer {
    /// 200, 404 …
    pub status: u16,
    /// What follows the headers.
    pub body: String,
}

/// Sends the head of a request and what follows it, and reads to the end of the connection.
pub fn request(port: u16, head: &str, body: &str) -> std::io::Result<Answer> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    let length = body.len();
    let text = format!(
        "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    connection.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let broken = || std::io::Error::other(format!("no answer of HTTP: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Answer { status: status.ok_or_else(broken)?, body: body.to_owned() })
}

/// The body of a page that has to be there.
pub fn get(port: u16, path: &str) -> String {
    expect(port, &format!("GET {path}"), "", 200).body
}

/// An answer that has to have this status.
pub fn expect(port: u16, head: &str, body: &str, status: u16) -> Answer {
    let answer = request(port, head, body).unwrap_or_else(|error| panic!("{head}: {error}"));
    assert_eq!(answer.status, status, "{head}: {}", answer.body);
    answer
}

/// The body of a page, if there is one just now.
pub fn try_get(port: u16, path: &str) -> Option<String> {
    let answer = request(port, &format!("GET {path}"), "").ok()?;
    (answer.status == 200).then_some(answer.body)
}
