//! HTTP/1.1 around the routes: reads a request's head, asks the backend where the route says so, writes the response.
//! No body is read but that of a message, by `receive.rs`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::backend::Backend;
use crate::connection::{Busy, serve_http1};
use crate::receive::receive;
use crate::request::{Client, Format, PageContext, Request, Scheme};
use crate::routes::{self, Reply, Route};
use crate::site::{Certificate, Site};

/// The lifetime of one connection; a page and its requests need seconds.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(120);

/// The content security policy of all pages: their own style and icon, forms to this server; no scripts, no fetches, no
/// frames.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                              form-action 'self'; frame-ancestors 'none'";

/// Serves HTTP/1.1 on one connection until the client closes it, or its lifetime of two minutes is over.
pub async fn serve_connection<S>(
    stream: S,
    scheme: Scheme,
    client: Client,
    site: Arc<Site>,
    backend: Arc<dyn Backend>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let busy = Busy::default();
    let during = busy.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (site, backend, busy) = (Arc::clone(&site), Arc::clone(&backend), during.clone());
        async move { Ok::<_, Infallible>(answer(request, scheme, client, &site, backend.as_ref(), &busy).await) }
    });
    serve_http1(stream, CONNECTION_LIFETIME, &busy, service).await;
}

/// The response to one request.
async fn answer(
    message: hyper::Request<Incoming>,
    scheme: Scheme,
    client: Client,
    site: &Site,
    backend: &dyn Backend,
    busy: &Busy,
) -> Response<Full<Bytes>> {
    let peer = client.address;
    let (message, body) = message.into_parts();
    let host = message.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let request = Request {
        method: message.method.as_str(),
        path: message.uri.path(),
        query: message.uri.query(),
        host: host.or_else(|| message.uri.host()).unwrap_or_default(),
        scheme,
        from_home: client.is_at_home(),
        format: accepted_format(&message.headers),
    };
    let naming = if request.from_home { backend.naming() } else { None };
    let context = PageContext { site, status: backend.status(), naming };
    let reply = match routes::route(&request, &context) {
        Route::Reply(reply) => reply,
        Route::MintCredentials(format) => routes::minted(site, format, backend.credentials()),
        Route::ShowInvite(token) => routes::invitation(site, &token, backend.examine_invite(&token, peer)),
        Route::RedeemInvite(token, format) => {
            routes::redeemed(site, format, backend.redeem_invite(token, peer).await)
        }
        Route::ShowNetwork => routes::network(&context, backend.last_findings().await.as_deref()),
        Route::LookAtNetwork => {
            let _busy = busy.enter();
            routes::network(&context, Some(&backend.look_at_network().await))
        }
        Route::AnswerChallenge(token) => routes::challenge(backend.challenge_answer(&token)),
        Route::ReceiveMail => {
            let _busy = busy.enter();
            let receiving = receive(&message.headers, body, peer, site.message_size, backend);
            routes::delivered(Box::pin(receiving).await)
        }
    };
    let mut response = response(reply, message.method == hyper::Method::HEAD);
    // Whatever came behind a body in chunks is not read: a request that names a length as well ends in two places, and
    // hyper does not say that it did (RFC 9112 section 6.1).
    if message.headers.contains_key(header::TRANSFER_ENCODING) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    // A browser that has seen a trusted certificate uses HTTPS from then on (RFC 6797). With a self-signed one it would
    // refuse to go on, and lock the household out of its own pages.
    if scheme == Scheme::Https && site.certificate() == Certificate::Trusted {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// The format of the answer: browsers name HTML when they navigate, apps do not.
fn accepted_format(headers: &HeaderMap) -> Format {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) { Format::Html } else { Format::Json }
}

fn response(reply: Reply, head_only: bool) -> Response<Full<Bytes>> {
    let length = reply.body.len();
    let body = if head_only { Bytes::new() } else { Bytes::from(reply.body) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    // Pages hold credentials and a live state: they are neither cached nor framed, and no link tells where it was.
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-security-policy", CONTENT_SECURITY_POLICY),
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
