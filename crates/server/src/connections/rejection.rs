//! The response to a connection beyond the limits: on the ports that begin in clear text one of their protocol, and on
//! those that begin with TLS none, since saying it there would take a handshake, the very work that is short.

use std::sync::Arc;
use std::time::Duration;

use smtp::table;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::connections::places::LimitReached;
use crate::connections::service::Service;

/// Connections that are responded to at once; further ones are only closed.
const CONCURRENT_RESPONSES: usize = 32;
/// The time that a client has to take the response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The bytes of a client's request that are read meanwhile.
const DRAIN_BYTES_LIMIT: u64 = 16 * 1024;

/// RFC 3501 section 7.1.5.
const IMAP: &str = "* BYE Too many connections; try again later.\r\n";
/// RFC 9110 section 15.6.4.
const HTTP: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\nContent-Type: text/plain\r\n\
                    Content-Length: 46\r\nConnection: close\r\n\r\nToo many connections; please try again later.\n";

/// Responds to connections beyond the limits, to as many at once as is cheap.
#[derive(Clone, Debug)]
pub(crate) struct OverloadResponder {
    permits: Arc<Semaphore>,
}

impl Default for OverloadResponder {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(CONCURRENT_RESPONSES)) }
    }
}

impl OverloadResponder {
    /// Responds and closes, in a task of its own.
    pub(crate) fn respond(&self, stream: TcpStream, service: Service, reached: LimitReached) {
        let Some(response) = response(service, reached) else { return };
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { return };
        tokio::spawn(async move {
            // A client that does not listen misses nothing but the reason.
            let _ = tokio::time::timeout(RESPONSE_TIMEOUT, send(stream, &response)).await;
            drop(permit);
        });
    }
}

fn response(service: Service, reached: LimitReached) -> Option<Vec<u8>> {
    match (service, reached) {
        (Service::Imap, _) => Some(IMAP.into()),
        (Service::Submission | Service::Smtp, LimitReached::Total | LimitReached::PerAccount) => {
            Some(table::TOO_MANY_CONNECTIONS.line())
        }
        (Service::Submission | Service::Smtp, LimitReached::PerNetwork) => {
            Some(table::TOO_MANY_FROM_NETWORK.line())
        }
        (Service::Http, _) => Some(HTTP.into()),
        _ => None,
    }
}

/// A socket that is closed with unread bytes resets the connection, and the client may lose what it was told: so its
/// request is read to the end, within limits.
async fn send(mut stream: TcpStream, response: &[u8]) -> std::io::Result<()> {
    stream.write_all(response).await?;
    stream.shutdown().await?;
    let mut drained = stream.take(DRAIN_BYTES_LIMIT);
    tokio::io::copy(&mut drained, &mut tokio::io::sink()).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use crate::connections::rejection::HTTP;

    #[test]
    fn the_page_is_as_long_as_it_says() {
        let (head, body) = HTTP.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
