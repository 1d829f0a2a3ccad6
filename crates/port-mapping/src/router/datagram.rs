//! One question to a router by UDP, sent again while no answer comes (RFC 6887 section 8.1.1, RFC 6886 section 3.1).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::protocols::pcp::MESSAGE_LIMIT;

/// Datagrams that are read for one question; the rest is left.
const DATAGRAM_LIMIT: usize = 16;

/// The waits for a router that may not speak the protocol: a second and a half.
pub(super) const PROBE: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_millis(750)];
/// The waits for a router that does.
pub(super) const PATIENT: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1000),
    Duration::from_millis(1500),
];

/// The answer to a question, as `read` understands it; datagrams that it does not are passed over. `None` without one in
/// the time of all waits, or when the router has nothing that listens on the port.
///
/// The socket is bound to our own address: a router maps the address that the question comes from.
///
/// # Errors
///
/// When a socket cannot be had or used: the address is not ours any more, or the network is gone.
pub(super) async fn ask<T>(
    own: SocketAddr,
    router: SocketAddr,
    question: &[u8],
    waits: &[Duration],
    read: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<Option<T>> {
    let socket = UdpSocket::bind(own).await?;
    // A connected socket takes datagrams from nobody else.
    socket.connect(router).await?;
    let mut left = DATAGRAM_LIMIT;
    for wait in waits {
        match timeout(*wait, exchange(&socket, question, &read, &mut left)).await {
            Err(_over) => {}
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
            Ok(answer) => return answer,
        }
    }
    Ok(None)
}

async fn exchange<T>(
    socket: &UdpSocket,
    question: &[u8],
    read: &impl Fn(&[u8]) -> Option<T>,
    left: &mut usize,
) -> io::Result<Option<T>> {
    socket.send(question).await?;
    // One byte more than a message may have, so that a longer one is seen to be too long.
    let mut buffer = [0; MESSAGE_LIMIT + 1];
    while *left > 0 {
        let length = socket.recv(&mut buffer).await?;
        *left -= 1;
        if let Some(answer) = buffer.get(..length).filter(|_| length <= MESSAGE_LIMIT).and_then(read) {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}
