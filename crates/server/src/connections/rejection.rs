//! What clients hear when the house is full: on the ports that begin in clear text a word of their protocol, and on
//! those that begin with TLS nothing, since saying it there would take a handshake, the very work that is short.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::connections::limit::Full;
use crate::connections::listeners::Service;

/// Connections that are told at once; beyond, they are only closed.
const TOLD_AT_ONCE: usize = 32;
/// How long a client may take to listen.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much a client may say meanwhile, in bytes.
const HEARD: u64 = 16 * 1024;

/// RFC 3501 section 7.1.5.
const IMAP: &str = "* BYE Too many connections; try again later.\r\n";
/// RFC 5321 section 3.8, RFC 3463 section 3.4: the system does not accept network messages now.
const SMTP_IN_ALL: &str = "421 4.3.2 Too many connections; try again later.\r\n";
/// RFC 3463 section 3.8: policy, as relays say it to an address that has too many.
const SMTP_FROM_ONE: &str = "421 4.7.0 Too many connections from your network; try again later.\r\n";
/// RFC 9110 section 15.6.4.
const HTTP: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\nContent-Type: text/plain\r\n\
                    Content-Length: 46\r\nConnection: close\r\n\r\nToo many connections; please try again later.\n";

/// Tells clients that there is no place, as many at once as is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Porch {
    places: Arc<Semaphore>,
}

impl Default for Porch {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(TOLD_AT_ONCE)) }
    }
}

impl Porch {
    /// Tells this client and closes, in a task of its own.
    pub(crate) fn tell(&self, stream: TcpStream, service: Service, full: Full) {
        let Some(words) = words(service, full) else { return };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        tokio::spawn(async move {
            // Whoever does not listen misses nothing but the reason.
            let _ = tokio::time::timeout(PATIENCE, say(stream, words)).await;
            drop(place);
        });
    }
}

fn words(service: Service, full: Full) -> Option<&'static str> {
    match (service, full) {
        (Service::Imap, _) => Some(IMAP),
        (Service::Submission, Full::InAll) => Some(SMTP_IN_ALL),
        (Service::Submission, Full::FromOneAddress) => Some(SMTP_FROM_ONE),
        (Service::Http, _) => Some(HTTP),
        _ => None,
    }
}

/// A socket that is closed with unread bytes resets the connection, and the client may lose what it was told: so its
/// request is read to the end, within limits.
async fn say(mut stream: TcpStream, words: &str) -> std::io::Result<()> {
    stream.write_all(words.as_bytes()).await?;
    stream.shutdown().await?;
    let mut heard = stream.take(HEARD);
    tokio::io::copy(&mut heard, &mut tokio::io::sink()).await.map(|_| ())
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
