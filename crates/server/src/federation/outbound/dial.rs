//! TCP connections to other servers: all addresses of a host, the next one before the last one has failed (RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// From one attempt to the next, while none has succeeded (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// The time for all addresses together.
const LIMIT: Duration = Duration::from_secs(15);
/// The most addresses of one host that are tried.
const ADDRESSES: usize = 8;

/// Connects to the first address that answers.
///
/// # Errors
///
/// That of the last address, or [`io::ErrorKind::TimedOut`].
pub(super) async fn dial(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    tokio::time::timeout(LIMIT, race(addresses, port))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn race(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter().take(ADDRESSES);
    let mut attempts = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        let more = waiting.next();
        if let Some(address) = more {
            attempts.spawn(TcpStream::connect(SocketAddr::new(*address, port)));
        }
        // Without a further address there is nothing to start after the pause.
        let pause = async {
            match more {
                Some(_) => tokio::time::sleep(STAGGER).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = attempts.join_next() => match ended {
                None => return Err(last),
                Some(Ok(Ok(stream))) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Some(Ok(Err(error))) => last = error,
                Some(Err(error)) => last = io::Error::other(error),
            },
            () = pause => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::net::TcpListener;

    use super::dial;

    #[tokio::test]
    async fn the_address_that_answers_is_taken_and_a_host_without_one_is_an_error() {
        let listener = TcpListener::bind("127.0.0.3:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let at = |last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let stream = dial(&[at(1), at(2), at(3)], port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().ip(), at(3));
        dial(&[at(1), at(2)], port).await.unwrap_err();
        dial(&[], port).await.unwrap_err();
    }
}
