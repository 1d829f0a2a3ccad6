//! One HTTP/1.1 connection, within limits of time and size, whatever is served on it.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
/// The longest request head, in bytes: a page's, or a delivery's with a field for each recipient.
const HEAD_LIMIT: usize = 32 * 1024;
/// The most fields of a request's head.
const FIELD_LIMIT: usize = 300;

/// A mark of a connection that does something with limits of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<AtomicBool>);

/// The time within which a connection is busy; it ends when this is dropped.
pub(crate) struct WhileBusy<'a>(&'a Busy);

impl Busy {
    /// Marks the connection until the returned value is dropped.
    pub(crate) fn enter(&self) -> WhileBusy<'_> {
        self.0.store(true, Ordering::Relaxed);
        WhileBusy(self)
    }

    fn is_marked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for WhileBusy<'_> {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

/// Serves requests until the client closes the connection, or its lifetime is over; while it is busy, the lifetime begins
/// again.
pub(crate) async fn serve_http1<S, V>(stream: S, lifetime: Duration, busy: &Busy, service: V)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    V: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    server.max_buf_size(HEAD_LIMIT).max_headers(FIELD_LIMIT);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    loop {
        match tokio::time::timeout(lifetime, connection.as_mut()).await {
            Err(_) if busy.is_marked() => {}
            Ok(Ok(())) | Err(_) => return,
            Ok(Err(error)) => return tracing::debug!(%error, "a web connection ended early"),
        }
    }
}
