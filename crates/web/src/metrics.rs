//! HTTP around the server's metrics: one path, one text. The numbers are the server's.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::backend::BoxFuture;
use crate::connection::{Busy, serve_http1};

/// The lifetime of a connection; a scraper that keeps its own simply connects again.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(600);
/// The path that scrapers ask for by default.
const PATH: &str = "/metrics";
/// The media type of OpenMetrics 1.0.0.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The source of the metrics.
pub trait MetricsSource: Send + Sync + 'static {
    /// The metrics as of now in the OpenMetrics text format; none when the store does not answer.
    fn exposition(&self) -> BoxFuture<'_, Option<String>>;
}

/// Serves the metrics by HTTP/1.1 on one connection until the client closes it, or its lifetime of ten minutes is over.
pub async fn serve_metrics<S>(stream: S, source: Arc<dyn MetricsSource>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let source = Arc::clone(&source);
        async move { Ok::<_, Infallible>(answer(source.as_ref(), &request).await) }
    });
    serve_http1(stream, CONNECTION_LIFETIME, &Busy::default(), service).await;
}

async fn answer(source: &dyn MetricsSource, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != PATH {
        return plain(StatusCode::NOT_FOUND, "The numbers are at /metrics.\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    }
    let Some(text) = source.exposition().await else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "The store does not answer.\n");
    };
    let mut response = Response::new(Full::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
