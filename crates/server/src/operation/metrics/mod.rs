//! Numbers for whoever watches the server with Prometheus or its like: counters since the start and the state of now,
//! about the server as a whole. Nobody's name, address or domain is ever among them.

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

use crate::runtime::blocking;
use crate::web_backend::Server;
use families::{Stored, families};

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one connection may live; a scraper that keeps its own simply connects again.
const CONNECTION_LIMIT: Duration = Duration::from_secs(600);
/// The longest request head, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;
/// Where scrapers look when they are told nothing else.
const PATH: &str = "/metrics";

/// Answers HTTP on one connection until the client leaves, its time is up, or the server goes down.
pub(crate) async fn serve_connection(server: &Arc<Server>, stream: TcpStream) {
    let service = service_fn(|request: Request<Incoming>| {
        let server = Arc::clone(server);
        async move { Ok::<_, Infallible>(answer(&server, &request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_LIMIT);
    let mut shutdown = server.shutdown.clone();
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = connection => if let Err(error) = served {
            tracing::debug!(%error, "a scraper's connection ended early");
        },
        () = tokio::time::sleep(CONNECTION_LIMIT) => {}
        _ = shutdown.wait_for(|&stop| stop) => {}
    }
}

async fn answer(server: &Server, request: &Request<Incoming>) -> Response<Full<Bytes>> {
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
    let store = server.store.clone();
    match blocking::run(move || Stored::count(&store)).await {
        Ok(Ok(stored)) => {
            let mut response = Response::new(Full::from(exposition::write(&families(server, stored))));
            let content_type = HeaderValue::from_static(exposition::CONTENT_TYPE);
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            response
        }
        _ => plain(StatusCode::SERVICE_UNAVAILABLE, "The store does not answer.\n"),
    }
}
