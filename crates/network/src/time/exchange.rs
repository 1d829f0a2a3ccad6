//! A round: one request to each server, all at the same time.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use host::clock::uptime;
use time_sync::packet::{self, ReplyError};
use time_sync::{Nanoseconds, Outcome, Sample};

use super::wait::wait_for;
use crate::udp::connect;

/// The longest wait for the replies.
const LIMIT: Duration = Duration::from_secs(3);
/// Packets that are read in a round: a stranger's flood does not keep the process busy.
const PACKETS_LIMIT: usize = 64;

/// The results of a round.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// The servers' claims.
    pub(super) samples: Vec<Sample>,
    /// The result of each server.
    pub(super) outcomes: Vec<(SocketAddr, Outcome)>,
}

/// A request on its way.
struct Request {
    server: SocketAddr,
    socket: UdpSocket,
    nonce: u64,
    sent: Duration,
}

/// Asks the servers; `near` is a time in whose era theirs are.
pub(super) fn ask(
    servers: &[SocketAddr],
    near: Nanoseconds,
    mut random: impl FnMut() -> u64,
) -> io::Result<Results> {
    let (mut results, mut open) = (Results::default(), Vec::new());
    for server in servers {
        match send(*server, random()) {
            Ok(request) => open.push(request),
            Err(_) => results.outcomes.push((*server, Outcome::Silent)),
        }
    }
    let deadline = uptime() + LIMIT;
    for _ in 0..PACKETS_LIMIT {
        let sockets: Vec<&UdpSocket> = open.iter().map(|request| &request.socket).collect();
        if sockets.is_empty() || !wait_for(&sockets, deadline)? {
            break;
        }
        open.retain(|request| match receive(request, near) {
            None => true,
            Some((outcome, sample)) => {
                results.outcomes.push((request.server, outcome));
                results.samples.extend(sample);
                false
            }
        });
    }
    results.outcomes.extend(open.iter().map(|request| (request.server, Outcome::Silent)));
    Ok(results)
}

fn send(server: SocketAddr, nonce: u64) -> io::Result<Request> {
    let socket = connect(server)?;
    let sent = uptime();
    socket.send(&packet::request(nonce))?;
    Ok(Request { server, socket, nonce, sent })
}

/// The result of a server, if it is there. A packet that does not answer the request is a stranger's and changes nothing.
fn receive(request: &Request, near: Nanoseconds) -> Option<(Outcome, Option<Sample>)> {
    let mut buffer = [0; packet::LENGTH];
    let length = match request.socket.recv(&mut buffer) {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
        // The port is closed, or the way is gone.
        Err(_) => return Some((Outcome::Silent, None)),
    };
    let received = uptime();
    match packet::parse(buffer.get(..length).unwrap_or_default(), request.nonce, near) {
        Ok(reply) => match Sample::new(&reply, request.sent, received) {
            Ok(sample) => Some((Outcome::Answered, Some(sample))),
            Err(_) => Some((Outcome::Silent, None)),
        },
        Err(ReplyError::Kiss(kiss)) => Some((Outcome::Kissed(kiss), None)),
        Err(ReplyError::Short | ReplyError::Unknown | ReplyError::NotOurs) => None,
        Err(ReplyError::Unsynchronised | ReplyError::Nonsense) => Some((Outcome::Silent, None)),
    }
}
