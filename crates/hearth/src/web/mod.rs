//! The web: start page with the pairing code, `/new`, autoconfiguration, policy and information pages.
//!
//! [`routes`] decides what a request gets, from values alone; this file speaks HTTP around it. Nothing here creates an
//! account or reads the store: what the pages say comes from [`Office`].

mod local;
mod pages;
mod routes;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use mail_types::{Address, Secret};
use tokio::io::{AsyncRead, AsyncWrite};

use routes::{Asked, Reply, Told};

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one connection may live; a page and its requests need seconds.
const CONNECTION_LIMIT: Duration = Duration::from_secs(120);
/// The longest request head, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

/// What the pages need to know, and the one thing they may ask for.
pub(crate) trait Office: Send + Sync + 'static {
    /// What a person may know of the box without asking, pairing code included while the window is open.
    fn status(&self) -> pairing::Status;
    /// Fresh credentials for an account that its first login will create, or why there are none, in a sentence for
    /// the person who asked.
    fn credentials(&self) -> Result<(Address, Secret), String>;
}

/// What does not change while the server runs.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The mail domain.
    pub(crate) domain: String,
    /// Whether strangers' clients trust the certificate; without that, links carry the servers and accept any.
    pub(crate) certificate: Certificate,
    /// Where clients connect to, as a login link says it.
    pub(crate) endpoint: pairing::Endpoint,
    /// The ports that autoconfiguration lists.
    pub(crate) ports: Ports,
    /// The largest message, in bytes.
    pub(crate) message_size: u64,
    /// Storage of one account, in bytes.
    pub(crate) quota: u64,
    /// Messages a minute.
    pub(crate) sends_per_minute: u32,
}

/// Who vouches for the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// Only the box itself.
    SelfSigned,
    /// An authority that clients know.
    Trusted,
}

/// Ports as clients see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    /// IMAP over TLS.
    pub(crate) imaps: u16,
    /// IMAP with STARTTLS.
    pub(crate) imap: u16,
    /// Submission over TLS.
    pub(crate) submissions: u16,
    /// Submission with STARTTLS.
    pub(crate) submission: u16,
    /// HTTPS, IMAP and submission by ALPN.
    pub(crate) https: u16,
}

/// Which door a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Port 80.
    Http,
    /// Port 443.
    Https,
}

/// Answers HTTP on one connection until the client leaves or its time is up.
pub(crate) async fn serve_connection<S>(
    stream: S,
    door: Door,
    peer: IpAddr,
    site: Arc<Site>,
    office: Arc<dyn Office>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (site, office) = (Arc::clone(&site), Arc::clone(&office));
        async move { Ok::<_, Infallible>(answer(&request, door, peer, &site, office.as_ref())) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_LIMIT);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_LIMIT, connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a web connection ended early"),
    }
}

/// One request, one response; a request's body is never read: no page needs one.
fn answer(
    request: &Request<Incoming>,
    door: Door,
    peer: IpAddr,
    site: &Site,
    office: &dyn Office,
) -> Response<Full<Bytes>> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let asked = Asked {
        method: request.method().as_str(),
        path: request.uri().path(),
        host: host.or_else(|| request.uri().host()).unwrap_or_default(),
        door,
        from_home: local::is_local(peer),
    };
    let told = Told { site, status: office.status() };
    let reply = match routes::route(&asked, &told) {
        routes::Route::Reply(reply) => reply,
        routes::Route::Mint => match office.credentials() {
            Ok((address, password)) => routes::minted(site, &address, &password),
            Err(reason) => routes::refused(&reason),
        },
    };
    response(reply, request.method() == hyper::Method::HEAD)
}

fn response(reply: Reply, head_only: bool) -> Response<Full<Bytes>> {
    let length = reply.body.len();
    let body = if head_only { Bytes::new() } else { Bytes::from(reply.body) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    // Pages hold credentials and a live state: nothing keeps them, frames them, or learns where they were.
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(location) = reply.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}
