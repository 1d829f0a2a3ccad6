//! HTTP around the routes: reads a request's head, asks the office where the route says so, writes the response.

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
use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::Office;
use super::local;
use super::request::{Asked, Door, Form, Told};
use super::routes::{self, Reply, Route};
use super::site::{Certificate, Site};

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one connection may live; a page and its requests need seconds.
const CONNECTION_LIMIT: Duration = Duration::from_secs(120);
/// The longest request head, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

/// What a page may do: show its own style and icon, and ask this server. It fetches nothing and runs nothing.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                              form-action 'self'; frame-ancestors 'none'";

/// Answers HTTP on one connection until the client leaves or its time is up.
pub async fn serve_connection<S>(
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
        async move { Ok::<_, Infallible>(answer(&request, door, peer, &site, office.as_ref()).await) }
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
async fn answer(
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
        query: request.uri().query(),
        host: host.or_else(|| request.uri().host()).unwrap_or_default(),
        door,
        from_home: local::is_local(peer),
        reader: reader(request),
    };
    let told = Told { site, status: office.status() };
    let reply = match routes::route(&asked, &told) {
        Route::Reply(reply) => reply,
        Route::Mint(form) => routes::minted(site, form, office.credentials()),
        Route::Show(token) => routes::invitation(site, &token, office.examine_invite(&token, peer)),
        Route::Redeem(token, form) => routes::redeemed(site, form, office.redeem_invite(token, peer).await),
    };
    let mut response = response(reply, request.method() == hyper::Method::HEAD);
    // Whoever has been here by a good certificate comes back by it (RFC 6797); a self-signed one must not lock the
    // household out of its own pages.
    if door == Door::Https && site.certificate == Certificate::Trusted {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// Browsers name HTML when they go somewhere; nobody else does.
fn reader(request: &Request<Incoming>) -> Form {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) { Form::Page } else { Form::Json }
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
        ("content-security-policy", CONTENT_POLICY),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(location) = reply.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        headers.insert(header::LOCATION, location);
    }
    if let Some(allow) = reply.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    response
}
