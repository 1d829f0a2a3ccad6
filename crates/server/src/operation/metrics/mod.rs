//! Metrics in the OpenMetrics format, for Prometheus and its like: counters since the start and gauges of now, about the
//! server as a whole. No name, address or domain of a person is among them.

mod exposition;
mod families;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::operation::observed::Observed;
use crate::runtime::blocking;
use families::{Stored, families};

/// The time that a client has to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The lifetime of a connection; a scraper that keeps its own simply connects again.
const CONNECTION_LIMIT: Duration = Duration::from_secs(600);
/// The longest request head, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;
/// The path that scrapers ask for by default.
const PATH: &str = "/metrics";

/// Answers HTTP on one connection until the client leaves, its time is up, or the server goes down.
pub(crate) async fn serve_connection(
    observed: &Arc<Observed>,
    stream: TcpStream,
    shutdown: &CancellationToken,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let observed = Arc::clone(observed);
        async move { Ok::<_, Infallible>(answer(&observed, &request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_LIMIT);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = connection => if let Err(error) = served {
            tracing::debug!(%error, "a scraper's connection ended early");
        },
        () = tokio::time::sleep(CONNECTION_LIMIT) => {}
        () = shutdown.cancelled() => {}
    }
}

async fn answer(observed: &Observed, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let plain = |status, text: &'static str| {
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response
    };
    if request.uri().path() != PATH {
        return plain(StatusCode::NOT_FOUND, "The numbers are at /metrics.\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    }
    let store = observed.store.clone();
    match blocking::run(move || Stored::count(&store)).await {
        Ok(Ok(stored)) => {
            let mut response = Response::new(Full::from(exposition::write(&families(observed, stored))));
            let content_type = HeaderValue::from_static(exposition::CONTENT_TYPE);
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            response
        }
        _ => plain(StatusCode::SERVICE_UNAVAILABLE, "The store does not answer.\n"),
    }
}
