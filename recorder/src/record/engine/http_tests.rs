//! Engines that send as much as they can get rid of.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;

use tempfile::TempDir;

use super::*;
use crate::record::engine::api::{Client, explain};

/// How much more than a bound an engine gets rid of at most: what is read ahead, and what the kernel holds for the
/// socket.
const AHEAD: usize = 1 << 20;

/// Where an engine that is not stopped stops of its own.
const ENOUGH: usize = 16 * LARGEST;

/// An engine that answers each request with `begin`, and then `again` and again.
struct Endless {
    folder: TempDir,
    sent: mpsc::Receiver<usize>,
}

impl Endless {
    fn start(begin: impl Into<Vec<u8>>, again: impl Into<Vec<u8>>) -> Self {
        let (begin, again) = (begin.into(), again.into());
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine")).unwrap();
        let (tell, sent) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let mut count = 0;
                let mut piece = &begin;
                while count < ENOUGH && stream.write_all(piece).is_ok() {
                    count += piece.len();
                    piece = &again;
                }
                if tell.send(count).is_err() {
                    break;
                }
            }
        });
        Self { folder, sent }
    }

    fn socket(&self) -> Socket {
        Socket::new(&self.folder.path().join("engine"))
    }

    fn client(&self) -> Result<Client, Error> {
        block_on(Client::connect(&self.folder.path().join("engine")))
    }

    /// How much of its answer was taken.
    fn sent(&self) -> usize {
        self.sent.recv().unwrap()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// `data` as one chunk.
fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

const UNFRAMED: &str = "HTTP/1.1 200 OK\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn an_answer_without_an_end_is_read_up_to_the_bound() {
    let numbers = "0,".repeat(16 << 10);
    let sized = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n[", u64::MAX / 2);
    let refused = "HTTP/1.1 500 Internal Server Error\r\n\r\n";
    for (begin, again) in [
        (format!("{UNFRAMED}["), numbers.clone()),
        (sized, numbers.clone()),
        (format!("{CHUNKED}{}", chunk("[")), chunk(&numbers)),
        (refused.to_owned(), numbers),
    ] {
        let engine = Endless::start(begin.as_str(), again);
        let error = engine.client().err().expect("an endless answer");
        assert_eq!(explain(&error), "it sent an answer of more than 4 MiB", "{begin}");
        let sent = engine.sent();
        assert!((LARGEST..LARGEST + AHEAD).contains(&sent), "{begin}: {sent}");
    }
}

#[test]
fn what_is_around_an_answer_is_bounded_too() {
    let padding = "x".repeat(4096);
    for (begin, again) in [
        ("HTTP/1.1 200 ".to_owned(), padding.clone()),
        ("HTTP/1.1 200 OK\r\nX: ".to_owned(), padding.clone()),
        ("HTTP/1.1 200 OK\r\n".to_owned(), "X: y\r\n".repeat(512)),
        // The first byte of a body is followed by what never ends.
        (format!("{CHUNKED}1;x="), padding.clone()),
        (format!("{CHUNKED}{}0\r\nX: ", chunk("1")), padding.clone()),
        (format!("{CHUNKED}{}0\r\n", chunk("1")), "X: y\r\n".repeat(512)),
        (format!("{CHUNKED}1"), "0".repeat(4096)),
    ] {
        let engine = Endless::start(begin.as_str(), again);
        let error = engine.client().err().expect("it is no answer");
        assert!(matches!(error, Error::Http(_)), "{begin}: {error}");
        let sent = engine.sent();
        assert!(sent < AHEAD, "{begin}: {sent}");
    }
}

#[test]
fn a_line_without_an_end_is_read_up_to_the_bound() {
    let label = format!("{}\n{}", "0".repeat(100), "x".repeat(16 << 10));
    let engine = Endless::start(format!("{UNFRAMED}{label}"), "x".repeat(16 << 10));
    block_on(async {
        let mut lines = engine.socket().lines("/events").await.unwrap();
        assert_eq!(lines.next().await.unwrap().map(|line| line.len()), Some(101));
        assert!(matches!(lines.next().await, Err(Error::TooLarge)));
    });
    let sent = engine.sent();
    assert!((LARGEST..LARGEST + AHEAD).contains(&sent), "{sent}");
}

#[test]
fn lines_may_go_on_without_an_end() {
    let text = format!("{}\n", "x".repeat(LARGEST / 2));
    let engine = Endless::start(UNFRAMED, text.as_str());
    block_on(async {
        let mut lines = engine.socket().lines("/events").await.unwrap();
        for _ in 0..6 {
            assert_eq!(lines.next().await.unwrap().as_deref(), Some(text.as_bytes()));
        }
    });
    assert!(engine.sent() < 3 * LARGEST + LARGEST, "what is not asked for is not read");
}

#[test]
fn lines_are_those_that_were_sent_however_they_are_cut() {
    let body = "{\"a\": 1}\n\n{\"b\":\n2}";
    for size in 1..=body.len() {
        let chunks = body.as_bytes().chunks(size);
        let chunks: String = chunks.map(|part| chunk(std::str::from_utf8(part).unwrap())).collect();
        let engine = Endless::start(format!("{CHUNKED}{chunks}{}", chunk("")), "");
        let read = block_on(async {
            let mut lines = engine.socket().lines("/events").await.unwrap();
            let mut read = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                read.push(String::from_utf8(line).unwrap());
            }
            read
        });
        assert_eq!(read, ["{\"a\": 1}\n", "\n", "{\"b\":\n", "2}"]);
    }
}

#[test]
fn what_is_no_answer_to_the_question_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\n";
    let gzip = [head.as_bytes(), &[0x1f, 0x8b, 8, 0, 0, 0]].concat();
    let nested = |field: &str| {
        let text = format!("{{\"{field}\":{}", "[".repeat(1 << 20));
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
    };
    for answer in [gzip, nested("Components"), nested("Other")] {
        let engine = Endless::start(answer, "");
        let error = engine.client().err().expect("not a version");
        assert!(matches!(error, Error::Json(_)), "{error}");
        assert!(explain(&error).len() < 100, "{}", explain(&error));
    }
}

#[test]
fn of_what_an_engine_says_about_an_error_the_beginning_is_kept() {
    let text = format!("{{\"message\": \"{}\"}}", "ä".repeat(1 << 20));
    let head = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n", text.len());
    let engine = Endless::start(head + &text, "");
    let reason = explain(&engine.client().err().expect("an error"));
    assert!(reason.starts_with("it answered with status 400: ää"), "{reason}");
    assert_eq!(reason.chars().count(), 301);
}

#[test]
fn a_name_is_one_part_of_an_address() {
    assert_eq!(escaped("quay.io/a/b_c:1@sha256:ef"), "quay.io/a/b_c:1@sha256:ef");
    assert_eq!(escaped("a?b#c d%\r\nä"), "a%3Fb%23c%20d%25%0D%0A%C3%A4");
}
