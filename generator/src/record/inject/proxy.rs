//! A socket that passes everything on to an engine, and adds a profile to what creates a container.

use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, client, server};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};

use super::create::{self, Dialect, Done};
use super::{Profile, Tally};
use crate::record::engine::{EngineKind, kind_at};

/// The largest body of a request that creates a container.
const MAX_BODY: usize = 64 << 20;

type Body = Either<Incoming, Full<Bytes>>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// What is passed on, and what is added to it.
pub struct Proxy {
    engine: PathBuf,
    profile: Arc<Profile>,
    tally: Tally,
}

impl Proxy {
    /// For the engine that listens at this socket.
    pub fn new(engine: PathBuf, profile: Arc<Profile>, tally: Tally) -> Self {
        Self { engine, profile, tally }
    }
}

/// Serves whoever connects, for as long as it is polled.
pub async fn serve(listener: UnixListener, proxy: Proxy) {
    let proxy = Arc::new(proxy);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Of those that are waiting, the next one may be luckier.
                log::warn!("a client could not connect: {error}");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let proxy = proxy.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let proxy = proxy.clone();
                async move { Ok::<_, hyper::Error>(proxy.answer(request).await) }
            });
            let connection = server::conn::http1::Builder::new()
                .preserve_header_case(true)
                .serve_connection(TokioIo::new(stream), answer)
                .with_upgrades();
            if let Err(error) = connection.await {
                log::debug!("a client's connection ended: {error}");
            }
        });
    }
}

impl Proxy {
    /// What the engine answers; or why it cannot be asked, as an engine would say it.
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.pass_on(request).await.unwrap_or_else(|error| {
            let text = format!("strait cannot pass this on to {}: {error}", self.engine.display());
            let body = Full::from(json!({ "message": text }).to_string());
            let mut response = Response::new(Either::Right(body));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert("content-type", json);
            response
        })
    }

    async fn pass_on(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Error> {
        let engine = UnixStream::connect(&self.engine).await?;
        let (mut sender, connection) = client::conn::http1::Builder::new()
            .preserve_header_case(true)
            .handshake(TokioIo::new(engine))
            .await?;
        tokio::spawn(connection.with_upgrades());
        let of_client = hyper::upgrade::on(&mut request);
        let request = match create::is_create(request.uri().path()) {
            Some(is_libpod) if request.method() == Method::POST => {
                self.with_profile(request, is_libpod).await?
            }
            _ => request.map(Either::Left),
        };
        let mut response = sender.send_request(request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // `attach`, `exec` and builds: from here on it is theirs alone.
            let of_engine = hyper::upgrade::on(&mut response);
            tokio::spawn(async move {
                if let Ok((client, engine)) = tokio::try_join!(of_client, of_engine) {
                    let (mut client, mut engine) = (TokioIo::new(client), TokioIo::new(engine));
                    // Either may end it at any time.
                    let _ = copy_bidirectional(&mut client, &mut engine).await;
                }
            });
        }
        Ok(response.map(Either::Left))
    }

    async fn with_profile(
        &self,
        request: Request<Incoming>,
        is_libpod: bool,
    ) -> Result<Request<Body>, Error> {
        let dialect = match kind_at(&self.engine).await? {
            _ if is_libpod => Dialect::Libpod,
            EngineKind::Podman => Dialect::Compatible,
            _ => Dialect::Docker,
        };
        let (mut head, body) = request.into_parts();
        let bytes = Limited::new(body, MAX_BODY).collect().await?.to_bytes();
        let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else {
            return Ok(Request::from_parts(head, Either::Right(Full::from(bytes))));
        };
        match create::give(&mut body, dialect, &self.profile) {
            Done::Given => self.tally.given(),
            Done::HasItsOwn => self.tally.has_its_own(name(head.uri.query(), &body)),
            Done::NotUnderstood => {}
        }
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove(TRANSFER_ENCODING);
        Ok(Request::from_parts(head, Either::Right(Full::from(body.to_string()))))
    }
}

/// What the container will be called: a parameter for Docker, a field for podman; else its image.
fn name(query: Option<&str>, body: &Value) -> String {
    let parameters = query.unwrap_or_default().split('&');
    let named = parameters.filter_map(|parameter| parameter.strip_prefix("name=")).next();
    let fields = ["name", "Image", "image"].iter().find_map(|field| body[*field].as_str());
    named.filter(|name| !name.is_empty()).or(fields).unwrap_or("a container").to_owned()
}
