//! Connections of a benchmark: every handshake costs its full price, and small packets leave at once.

use anyhow::{Context, Result};
use test_support::tls::Connector;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// TLS 1.3 over TCP.
pub(crate) type Stream = TlsStream<TcpStream>;

pub(crate) async fn connect(connector: &Connector, address: &str) -> Result<Stream> {
    let tcp = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    tcp.set_nodelay(true)?;
    connector.secure(tcp).await.with_context(|| format!("TLS with {address}"))
}
