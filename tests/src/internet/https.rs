//! The smallest web server over TLS (RFC 9112): for MTA-STS policies, and for `POST /mxdeliv`.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use rustls::ServerConfig;

use super::listener::Listener;
use super::tls::Stream;

/// A request.
pub struct Request {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The fields, in order.
    fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The values of a field.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(move |field| field.0.eq_ignore_ascii_case(name))
            .map(|field| field.1.as_str())
    }
}

/// An answer.
pub enum Response {
    /// A status and a text.
    Now(u16, String),
    /// Nothing, until the other side has enough.
    Never,
}

impl Response {
    /// One with this status and this body.
    #[must_use]
    pub fn new(status: u16, body: &str) -> Self {
        Self::Now(status, body.to_owned())
    }
}

/// Opens port 443. A request that gets no answer ends the connection.
pub(super) fn start(
    address: Ipv4Addr,
    tls: Arc<ServerConfig>,
    answer: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static,
) -> anyhow::Result<Listener> {
    Listener::start(address, 443, move |stream| {
        // The end of a connection is nothing to tell anybody of.
        let _ = serve(stream, Arc::clone(&tls), &answer);
    })
}

fn serve(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    answer: &impl Fn(&Request) -> Option<Response>,
) -> Result<()> {
    let mut lines = BufReader::new(Stream::Plain(stream).secured(tls)?);
    while let Some(request) = read(&mut lines)? {
        match answer(&request) {
            None => return Ok(()),
            Some(Response::Never) => return std::io::copy(&mut lines, &mut std::io::sink()).map(drop),
            Some(Response::Now(status, body)) => {
                let head = format!("HTTP/1.1 {status} as told\r\nContent-Length: {}\r\n\r\n", body.len());
                lines.get_mut().write_all((head + &body).as_bytes())?;
                lines.get_mut().flush()?;
            }
        }
    }
    Ok(())
}

/// The next request, unless the connection ends.
fn read(lines: &mut BufReader<Stream>) -> Result<Option<Request>> {
    let first = line(lines)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next().filter(|word| !word.is_empty()), words.next()) else {
        return Ok(None);
    };
    let mut fields = Vec::new();
    loop {
        let line = line(lines)?;
        let Some((name, value)) = line.split_once(':') else { break };
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, fields, body: Vec::new() };
    if request.values("Expect").next().is_some() {
        lines.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length = request.values("Content-Length").next().map(|length| length.parse().unwrap_or(0));
    request.body = match length {
        Some(length) => exactly(lines, length)?,
        None if request.values("Transfer-Encoding").next().is_some() => chunks(lines)?,
        None => Vec::new(),
    };
    Ok(Some(request))
}

/// RFC 9112 section 7.1, without trailers.
fn chunks(lines: &mut BufReader<Stream>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = u64::from_str_radix(&line(lines)?, 16).map_err(Error::other)?;
        body.extend(exactly(lines, size)?);
        line(lines)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn exactly(lines: &mut BufReader<Stream>, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = lines.by_ref().take(length).read_to_end(&mut bytes)?;
    if u64::try_from(read).ok() == Some(length) { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn line(lines: &mut BufReader<Stream>) -> Result<String> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
