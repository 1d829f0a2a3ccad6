//! Connections that are made to see whether they come about, each within a few seconds.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The time for one connection, and as much for what is said over it.
const LIMIT: Duration = Duration::from_secs(5);
/// The most addresses of a host that are tried.
const ADDRESSES: usize = 4;
/// The longest greeting that is read, in bytes (RFC 5321 section 4.5.3.1.5).
const GREETING_LIMIT: u64 = 512;

/// A connection to the first of the addresses that takes one.
///
/// # Errors
///
/// A clause that says why none came about.
pub(super) async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, String> {
    let mut reason = "the host has no address".to_owned();
    for address in addresses.iter().take(ADDRESSES) {
        match tokio::time::timeout(LIMIT, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => reason = in_words(&error),
            Err(_) => "no answer".clone_into(&mut reason),
        }
    }
    Err(reason)
}

/// The first line of an SMTP server.
///
/// # Errors
///
/// A clause that says why there is none.
pub(super) async fn greeting(stream: TcpStream) -> Result<String, String> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream).take(GREETING_LIMIT);
    match tokio::time::timeout(LIMIT, reader.read_line(&mut line)).await {
        Ok(Ok(_)) if line.starts_with("220") => Ok(line),
        Ok(Ok(0)) => Err("the connection was closed".to_owned()),
        Ok(Ok(_)) => Err("it greets in an unknown way".to_owned()),
        Ok(Err(error)) => Err(in_words(&error)),
        Err(_) => Err("no greeting".to_owned()),
    }
}

/// The certificate of a TLS server.
///
/// # Errors
///
/// A clause that says why the handshake failed.
pub(super) async fn handshake(
    stream: TcpStream,
    name: &str,
    settings: Arc<ClientConfig>,
) -> Result<CertificateDer<'static>, String> {
    let name = ServerName::try_from(name.to_owned()).map_err(|_| "the name is none".to_owned())?;
    let connected = tokio::time::timeout(LIMIT, TlsConnector::from(settings).connect(name, stream)).await;
    let stream = connected.map_err(|_| "no answer".to_owned())?.map_err(|error| in_words(&error))?;
    let (_, session) = stream.get_ref();
    let own = session.peer_certificates().and_then(|chain| chain.first());
    own.map(|own| own.clone().into_owned()).ok_or_else(|| "it has no certificate".to_owned())
}

/// The trouble of a connection, as an owner understands it.
fn in_words(error: &io::Error) -> String {
    if let Some(flaw) = tls::certificate_flaw(error) {
        return flaw;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => "no way there".to_owned(),
        _ => error.to_string(),
    }
}
