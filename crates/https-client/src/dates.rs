//! The dates of web servers: a `HEAD` request to each, one after the other, in the calling thread and without any other.
//!
//! ```text
//! TCP ─▶ handshake: it has the key ─▶ HEAD / ─▶ head ─▶ Date ─▶ certificate valid at that date? ─▶ WebDate
//! ```
//!
//! The clock is wrong when this is needed, so the certificate is judged by the date in the answer: who has no certificate
//! for the name that is valid at the time that he claims cannot claim it. Made for a process without threads that seldom
//! needs it: nothing stays in memory afterwards.

mod head;

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;
use host::clock::uptime;
use rustls::{ClientConnection, Stream};
use rustls_pki_types::{ServerName, UnixTime};
use time_sync::{WebDate, WebServer};
use tls::{DatedTls, Roots};

pub use self::head::{HEAD_LIMIT, HeadError, date};
use crate::roots;

const PORT: u16 = 443;
/// The longest wait for one server.
const SERVER_LIMIT: Duration = Duration::from_secs(6);
/// The longest wait for all of them.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks each of these servers at this address for its date, and judges it by the machine's root certificates and further
/// ones. Takes 30 s at most.
///
/// # Errors
///
/// For each server, when it has not told a date that counts: the reason, without its address.
pub fn dates(servers: &[(WebServer, IpAddr)], further: Option<&Roots>) -> Vec<Result<WebDate, String>> {
    let tls = match roots(further).and_then(DatedTls::new) {
        Ok(tls) => tls,
        Err(error) => return vec![Err(format!("{error:#}"))],
    };
    let end = uptime() + LIMIT;
    let ask = |(server, address): &(WebServer, IpAddr)| {
        let deadline = end.min(uptime() + SERVER_LIMIT);
        let answer = ask(&tls, server, SocketAddr::new(*address, PORT), deadline);
        answer.map_err(|error| format!("{server}: {error:#}"))
    };
    servers.iter().map(ask).collect()
}

/// Asks one server. No redirection is followed: its head has a date too.
fn ask(
    tls: &DatedTls,
    server: &WebServer,
    address: SocketAddr,
    deadline: Duration,
) -> anyhow::Result<WebDate> {
    let name = ServerName::try_from(server.as_str())?.to_owned();
    let mut stream = TimedStream::connect(address, deadline)?;
    let mut connection = ClientConnection::new(tls.settings(), name.clone())?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let sent = uptime();
    let head = exchange(&mut Stream::new(&mut connection, &mut stream), server)?;
    let received = uptime();
    let date = date(&head)?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(date.0));
    tls.verify(connection.peer_certificates().unwrap_or_default(), &name, at)
        .context("its certificate is not valid at the date that it tells")?;
    Ok(WebDate { date, sent, received })
}

/// Sends the request and reads the head of the answer, as far as it is there: its end is not looked for here.
fn exchange(stream: &mut impl ReadWrite, server: &WebServer) -> io::Result<Vec<u8>> {
    let request = format!(
        "HEAD / HTTP/1.1\r\nHost: {server}\r\nUser-Agent: Hearth\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while head.len() < HEAD_LIMIT && !head::is_complete(&head) {
        match stream.read(&mut buffer)? {
            0 => break,
            length => head.extend(buffer.iter().take(length.min(HEAD_LIMIT - head.len()))),
        }
    }
    Ok(head)
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

/// A TCP connection whose every read and write ends before an uptime.
#[derive(Debug)]
struct TimedStream {
    stream: TcpStream,
    deadline: Duration,
}

impl TimedStream {
    fn connect(address: SocketAddr, deadline: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, deadline })
    }
}

impl Read for TimedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        self.stream.read(buffer).map_err(late)
    }
}

impl Write for TimedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write(bytes).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The time that is left, which is never zero: to a socket that would mean no limit.
fn left(deadline: Duration) -> io::Result<Duration> {
    let left = deadline.saturating_sub(uptime());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket's time-out looks like one that does not block.
fn late(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

#[cfg(test)]
mod tests;
