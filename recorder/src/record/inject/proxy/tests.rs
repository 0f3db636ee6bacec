//! Raw requests, and what an engine gets of them.

use std::path::Path;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

/// An engine that answers to each request the same, and says what it got.
struct Engine {
    folder: TempDir,
    asked: mpsc::UnboundedReceiver<String>,
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SWITCHED: &str =
    "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfrom the engine";

/// The end of a request whose body is framed by its length or in chunks, if it is whole.
fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => body.len() >= length.parse().unwrap(),
        None => !head.contains("transfer-encoding: chunked") || body.ends_with("0\r\n\r\n"),
    }
}

impl Engine {
    fn start(answer: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = UnixListener::bind(folder.path().join("engine")).unwrap();
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = engine.accept().await.unwrap();
                let tell = tell.clone();
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let mut buffer = [0; 4096];
                    while !is_whole(&String::from_utf8_lossy(&request)) {
                        match stream.read(&mut buffer).await {
                            Ok(0) | Err(_) => return,
                            Ok(count) => request.extend_from_slice(&buffer[..count]),
                        }
                    }
                    let request = String::from_utf8(request).unwrap();
                    let is_ping = request.starts_with("GET /_ping ");
                    if !is_ping {
                        tell.send(request).unwrap();
                    }
                    let answer = if is_ping { OK } else { answer };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    // What comes over the tunnel, if there is one.
                    let mut rest = Vec::new();
                    let _ = stream.read_to_end(&mut rest).await;
                    if !rest.is_empty() {
                        let _ = tell.send(String::from_utf8(rest).unwrap());
                    }
                });
            }
        });
        let profile = Profile { text: "{}".into(), file: "/p.json".into() };
        let path = folder.path().join("engine");
        let proxy = Proxy::new(path, Arc::new(profile), Arc::new([]), Tally::default());
        let listener = UnixListener::bind(folder.path().join("proxy")).unwrap();
        tokio::spawn(serve(listener, proxy));
        Self { folder, asked }
    }

    fn path(&self, name: &str) -> impl AsRef<Path> + use<> {
        self.folder.path().join(name)
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.path("proxy")).await.unwrap()
    }

    /// Sends this and a request after which the connection is closed, and returns what is answered.
    async fn send(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        // It may be refused before it was read to the end.
        let _ = stream.write_all(format!("{request}{LAST}").as_bytes()).await;
        read(stream).await
    }

    fn got(&mut self) -> Option<String> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).find(|got| !got.starts_with("GET /last "))
    }
}

const LAST: &str = "GET /last HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";

/// What there is to read until the connection ends.
async fn read(mut stream: UnixStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = timeout(Duration::from_secs(30), reading).await.expect("the connection ends");
    String::from_utf8(answer).unwrap()
}

fn create(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: d\r\n{headers}\r\n{body}")
}

fn sized(path: &str, body: &str) -> String {
    create(path, &format!("Content-Length: {}\r\n", body.len()), body)
}

const GIVEN: &str = r#"{"HostConfig":{"SecurityOpt":["seccomp={}"]}}"#;

#[tokio::test]
async fn a_creation_has_the_profile_however_it_is_written() {
    let mut engine = Engine::start(OK);
    let chunked = "Transfer-Encoding: chunked\r\n";
    for request in [
        sized("/containers/create", "{}"),
        sized("/v1.41/containers/%63reate?name=a", "{}"),
        sized("//containers/./create", "{}"),
        sized("http://elsewhere/containers/create", "{}"),
        sized("/containers/create", "{}").replace("POST", "pOsT"),
        sized("/containers/create", "{}").replace("HTTP/1.1", "HTTP/1.0"),
        sized("/containers/create", "{}").replace("HTTP/1.1\r\nHost: d", "HTTP/1.0"),
        create("/containers/create", chunked, "1\r\n{\r\n1;x=y\r\n}\r\n0\r\nA: b\r\n\r\n"),
        create("/containers/create", "Expect: 100-continue\r\nContent-Length: 2\r\n", "{}"),
    ] {
        let answer = engine.send(&request).await;
        assert!(answer.contains(" 200 OK"), "{request}: {answer}");
        let got = engine.got().expect("a request");
        let (head, body) = got.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, GIVEN, "{got}");
        assert!(head.lines().next().unwrap().ends_with(" HTTP/1.1"), "{got}");
        assert!(!head.contains("elsewhere"), "{got}");
        assert_eq!(head.to_lowercase().matches("content-length: ").count(), 1, "{got}");
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{got}");
        assert!(engine.got().is_none());
    }
}

#[tokio::test]
async fn requests_with_two_lengths_are_one_request() {
    let mut engine = Engine::start(OK);
    let hidden = sized("/containers/create", "{}");
    for (headers, body) in [
        // By one reading the rest is a request of its own, and by another the body.
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", format!("0\r\n\r\n{hidden}")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", format!("0\r\n\r\n{hidden}")),
        ("Content-Length: 0\r\nContent-Length: 90\r\n", hidden.clone()),
        ("Transfer-Encoding: chunked, identity\r\n", format!("0\r\n\r\n{hidden}")),
        ("Transfer-Encoding: xchunked\r\n", format!("0\r\n\r\n{hidden}")),
        ("Transfer-Encoding : chunked\r\n", format!("0\r\n\r\n{hidden}")),
        ("Content-Length: +0\r\n", hidden.clone()),
    ] {
        engine.send(&create("/v1.41/containers/x/rename", headers, &body)).await;
        while let Some(got) = engine.got() {
            let inside = got.split_once("\r\n\r\n").unwrap().1;
            let is_hidden = got.starts_with("POST /containers/create") && inside != GIVEN;
            assert!(!is_hidden && !inside.contains("POST"), "{headers}: {got}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused() {
    let mut engine = Engine::start(OK);
    let large = "x".repeat(super::super::body::LARGEST + 1);
    let large = format!(r#"{{"a":"{large}"}}"#);
    for (request, status) in [
        (sized("/containers/create%", "{}"), "400"),
        (sized("/containers/create", "gzip"), "400"),
        (sized("/containers/create", r#"{"HostConfig":1}"#), "400"),
        (sized("/containers/create", &large), "413"),
        (sized("/v1.23/containers/x/start", r#"{"Privileged":true}"#), "400"),
        (create("/containers/create", "Content-Length: 9\r\n", "{}"), "400"),
        ("CONNECT containers:1 HTTP/1.1\r\nHost: d\r\n\r\n".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
    ] {
        let answer = engine.send(&request).await;
        let word = answer.split(' ').nth(1).unwrap_or_default();
        let shown: String = request.chars().take(60).collect();
        assert!(word == status || status.is_empty(), "{shown}: {answer}");
        assert!(answer.len() < 2000 && engine.got().is_none(), "{shown}: {answer}");
    }
    let answer = engine.send(&sized("/v1.23/containers/x/start", "{}")).await;
    assert!(answer.contains(" 200 OK") && engine.got().is_some(), "{answer}");
}

#[tokio::test]
async fn another_protocol_is_spoken_only_where_an_engine_has_one() {
    let mut engine = Engine::start(OK);
    let asks = |path: &str, protocol: &str| {
        let headers = format!(
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 2\r\n"
        );
        create(path, &headers, "{}")
    };
    for (path, protocol, is_passed) in [
        ("/containers/x/attach", "tcp", true),
        ("/exec/x/start", "tcp", true),
        ("/containers/x/attach/ws", "websocket", true),
        ("/grpc", "h2c", true),
        ("/v1.41/session", "h2c", true),
        ("/_ping", "h2c", false),
        ("/v1.41/version", "tcp, h2c", false),
        ("/version", "tcp\r\nUpgrade: h2c", false),
        ("/containers/create", "h2c", false),
        ("/containers/create", "tcp", false),
    ] {
        engine.send(&asks(path, protocol)).await;
        let got = engine.got().expect("a request").to_lowercase();
        assert_eq!(got.contains("upgrade"), is_passed, "{path} {protocol}: {got}");
        assert!(!got.contains("http2-settings"), "{got}");
    }
}

#[tokio::test]
async fn only_an_engine_that_has_switched_is_talked_to_directly() {
    let hidden = sized("/containers/create", "{}");
    let attach = create("/containers/x/attach", "Connection: Upgrade\r\nUpgrade: tcp\r\n", &hidden);
    let mut engine = Engine::start(OK);
    engine.send(&attach).await;
    // Not switched: what follows is another request.
    assert!(engine.got().is_some_and(|got| got.starts_with("POST /containers/x/attach")));
    assert!(engine.got().is_none_or(|got| got.ends_with(GIVEN)));
    assert!(engine.got().is_none());

    let mut engine = Engine::start(SWITCHED);
    let mut stream = engine.connect().await;
    stream.write_all(attach.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read(stream).await;
    assert!(answer.ends_with("from the engine"), "{answer}");
    assert!(
        engine.asked.recv().await.is_some_and(|got| got.starts_with("POST /containers/x/attach"))
    );
    assert_eq!(engine.asked.recv().await, Some(hidden));
}

#[tokio::test]
async fn clients_that_never_finish_block_no_others() {
    let engine = Engine::start(OK);
    let unfinished = ["", "POST /containers/create HT", "POST /_ping HTTP/1.1\r\nHost: d\r\n"];
    let mut silent = Vec::new();
    for request in unfinished.iter().cycle().take(MOST_CLIENTS + 10) {
        let mut stream = engine.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let answer = engine.send("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n").await;
    assert!(answer.contains(" 200 OK"), "{answer}");
    // The first ones had to go.
    assert_eq!(read(silent.swap_remove(0)).await, "");
}
