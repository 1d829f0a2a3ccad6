//! One HTTP/1.1 connection, within limits of time and size, whatever is served on it.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

/// The time a client has to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest request head, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

/// Serves requests until the client closes the connection, or its lifetime is over.
pub(crate) async fn serve_http1<S, V>(stream: S, lifetime: Duration, service: V)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    V: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_LIMIT);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(lifetime, connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a web connection ended early"),
    }
}
