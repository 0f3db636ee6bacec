//! A socket that passes everything on to an engine, and adds a profile to requests that create a container.
//!
//! Each request goes to the engine on a connection of its own, framed and addressed anew, so that there is
//! one reading of it: what was looked at is what the engine gets. Only an engine that has answered 101 gets
//! to talk to the client directly.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{Either, Full};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{self, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri, Version, client, server};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

use super::Tally;
use super::body::Bodies;
use super::clients::{Busy, Clients, Seat};
use super::create::{self, Dialect, Done, Profile, Target};
use crate::record::engine::Only;

/// How many clients may be connected at a time.
const MOST_CLIENTS: usize = 256;

/// How long to wait when none can be let in for want of something.
const PAUSE: Duration = Duration::from_millis(50);

type Body = Either<Incoming, Full<Bytes>>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// What is passed on, and what is added to it.
pub struct Proxy {
    engine: PathBuf,
    profile: Arc<Profile>,
    only: Arc<[Only]>,
    tally: Tally,
    bodies: Bodies,
}

/// Why a request is not answered by the engine.
enum Refusal {
    /// It is not passed on.
    Refused(StatusCode, String),
    /// It could not be passed on.
    Failed(Error),
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn bad(why: impl ToString) -> Refusal {
    Refusal::Refused(StatusCode::BAD_REQUEST, why.to_string())
}

impl Proxy {
    /// For the engine that listens at this socket.
    pub fn new(engine: PathBuf, profile: Arc<Profile>, only: Arc<[Only]>, tally: Tally) -> Self {
        Self { engine, profile, only, tally, bodies: Bodies::default() }
    }
}

/// Serves all clients, for as long as it is polled.
pub async fn serve(listener: UnixListener, proxy: Proxy) {
    let proxy = Arc::new(proxy);
    let clients = Clients::new(MOST_CLIENTS);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Of those that are waiting, the next one may be luckier.
                log::warn!("a client could not connect: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        match clients.admit() {
            Some(seat) => drop(tokio::spawn(serve_client(stream, seat, proxy.clone()))),
            None => log::warn!("a client was turned away: {MOST_CLIENTS} others are being served"),
        }
    }
}

async fn serve_client(stream: UnixStream, seat: Seat, proxy: Arc<Proxy>) {
    let seat = Arc::new(seat);
    let answer = service_fn(|request| {
        let (proxy, busy) = (proxy.clone(), seat.request());
        async move { Ok::<_, hyper::Error>(proxy.answer(request, busy).await) }
    });
    let connection = server::conn::http1::Builder::new()
        .preserve_header_case(true)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    tokio::select! {
        result = connection => {
            if let Err(error) = result {
                log::debug!("a client's connection ended: {error}");
            }
        }
        () = seat.ended() => log::warn!("an idle client was disconnected to make room for others"),
    }
}

/// An answer, during which its client is served.
struct Answer {
    body: Body,
    _busy: Option<Busy>,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Proxy {
    /// What the engine answers; or why it was not asked, as an engine would say it.
    async fn answer(&self, request: Request<Incoming>, busy: Busy) -> Response<Answer> {
        let (status, why) = match self.pass_on(request, busy).await {
            Ok(response) => return response,
            Err(Refusal::Refused(status, why)) => (status, format!("strait refuses this: {why}")),
            Err(Refusal::Failed(error)) => (
                StatusCode::BAD_GATEWAY,
                format!("strait cannot pass this on to {}: {error}", self.engine.display()),
            ),
        };
        // Docker's clients look at the first of these, podman's at all.
        let text = json!({ "message": why, "cause": why, "response": status.as_u16() });
        let body = Either::Right(Full::from(text.to_string()));
        let mut response = Response::new(Answer { body, _busy: None });
        *response.status_mut() = status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        // What there still is of the request is not read.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    async fn pass_on(
        &self,
        mut request: Request<Incoming>,
        busy: Busy,
    ) -> Result<Response<Answer>, Refusal> {
        let is_post = request.method().as_str().eq_ignore_ascii_case(Method::POST.as_str());
        if request.method() == Method::CONNECT {
            return Err(bad("engines do not support CONNECT"));
        }
        let target = create::target(request.uri().path())
            .ok_or_else(|| bad("the path has an invalid escape"))?;
        let of_client = hyper::upgrade::on(&mut request);
        let (mut head, body) = request.into_parts();
        address(&mut head)?;
        frame(&mut head.headers, target);
        let body = match target {
            Target::Create { libpod } if is_post => {
                let held = self.read(body).await?;
                Either::Right(self.with_profile(&head.uri, &held, libpod).await?)
            }
            Target::Start if is_post => Either::Right(without_settings(self.read(body).await?)?),
            _ => Either::Left(body),
        };
        let mut response =
            self.connect().await?.send_request(Request::from_parts(head, body)).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // `attach`, `exec` and builds: from here on it is theirs alone.
            let of_engine = hyper::upgrade::on(&mut response);
            tokio::spawn(async move {
                let _busy = busy;
                if let Ok((client, engine)) = tokio::try_join!(of_client, of_engine) {
                    let (mut client, mut engine) = (TokioIo::new(client), TokioIo::new(engine));
                    // Either may end it at any time.
                    let _ = copy_bidirectional(&mut client, &mut engine).await;
                }
            });
            return Ok(response.map(|body| Answer { body: Either::Left(body), _busy: None }));
        }
        Ok(response.map(|body| Answer { body: Either::Left(body), _busy: Some(busy) }))
    }

    async fn read(&self, body: Incoming) -> Result<super::body::Held, Refusal> {
        self.bodies.read(body).await.map_err(|(status, why)| Refusal::Refused(status, why))
    }

    async fn connect(&self) -> Result<SendRequest<Body>, Refusal> {
        let engine = UnixStream::connect(&self.engine).await?;
        let (sender, connection) = client::conn::http1::Builder::new()
            .preserve_header_case(true)
            .handshake(TokioIo::new(engine))
            .await?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    /// Whether it is podman that answers: its every answer has a header of its own (podman
    /// `pkg/api/server/handler_api.go`). However long it takes: who creates a container waits for it too.
    async fn is_podman(&self) -> Result<bool, Refusal> {
        let ping = Request::get("/_ping").header(HOST, LOCAL);
        let ping = ping.body(Either::Right(Full::default()))?;
        let answer = self.connect().await?.send_request(ping).await?;
        Ok(answer.headers().contains_key("libpod-api-version"))
    }

    async fn with_profile(
        &self,
        uri: &Uri,
        body: &super::body::Held,
        is_libpod: bool,
    ) -> Result<Full<Bytes>, Refusal> {
        let dialect = if is_libpod {
            Dialect::Libpod
        } else if self.is_podman().await? {
            Dialect::Compatible
        } else {
            Dialect::Docker
        };
        let query = uri.query().unwrap_or_default();
        let passed = create::give(query, &body.bytes, dialect, &self.profile, &self.only);
        let create::Passed { body, done, name } = passed.map_err(bad)?;
        match done {
            Done::Given => self.tally.given(),
            Done::HasItsOwn => self.tally.has_its_own(&name),
            Done::NotChosen => log::debug!("{name} is not chosen by --only"),
        }
        Ok(Full::from(body))
    }
}

/// What HTTP/1.1 wants, and no engine looks at.
const LOCAL: &str = "localhost";

/// Headers that are about the client's connection, and not about the request. That of HTTP/2 is among them:
/// an engine that took it would answer the next requests where they are not seen.
const OF_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Addresses a request to the engine, whatever form its address has: as a path, in HTTP/1.1.
fn address(head: &mut hyper::http::request::Parts) -> Result<(), Refusal> {
    if let Some(path) = head.uri.path_and_query() {
        head.uri = Uri::builder().path_and_query(path.clone()).build()?;
    }
    head.version = Version::HTTP_11;
    let headers = &mut head.headers;
    if !headers.contains_key(HOST) {
        headers.insert(HOST, HeaderValue::from_static(LOCAL));
    }
    Ok(())
}

/// Leaves framing to the connection with the engine, and asks for another protocol only where engines have one.
fn frame(headers: &mut HeaderMap, target: Target) {
    let upgrade = {
        let mut asked = headers.get_all(header::UPGRADE).iter();
        asked.next().filter(|_| asked.next().is_none()).cloned()
    };
    for name in OF_CONNECTION {
        headers.remove(name);
    }
    let Some(upgrade) = upgrade else { return };
    let is = |protocol: &str| upgrade.as_bytes().eq_ignore_ascii_case(protocol.as_bytes());
    // moby `api/server/router/container/container_routes.go` and `router/grpc/grpc_routes.go`.
    let is_known = match target {
        Target::Other => is("tcp") || is("websocket"),
        Target::Buildkit => is("h2c"),
        Target::Create { .. } | Target::Start => false,
    };
    if is_known {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, upgrade);
    }
}

/// Before API 1.24 Docker takes `HostConfig` at the start of a container too, and in it another profile (moby
/// `api/server/router/container/container_routes.go`, `postContainersStart`).
fn without_settings(body: super::body::Held) -> Result<Full<Bytes>, Refusal> {
    match body.bytes.trim_ascii() {
        b"" | b"{}" | b"null" => Ok(Full::from(body.bytes.clone())),
        _ => Err(bad(
            "a container that is started cannot be given settings. Give them when it is created, as \
             since API 1.24",
        )),
    }
}

#[cfg(test)]
mod tests;
