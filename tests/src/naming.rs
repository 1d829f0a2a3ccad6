//! The name of a server and its certificate, looked at as its owner and as its clients look.

use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use serde_json::Value;
use tls::Roots;

use crate::internet::hearth::Hearth;
use crate::pebble::Pebble;
use crate::waiting::poll;

/// The longest wait for a certificate.
pub const CERTIFICATE: Duration = Duration::from_secs(60);

/// The longest wait for a connection to it.
const CONNECTION: Duration = Duration::from_secs(5);
/// The longest silence of it.
const ANSWER: Duration = Duration::from_secs(10);

/// A configuration with Pebble as the authority.
#[must_use]
pub fn asking(pebble: &Pebble) -> String {
    let (directory, roots) = (pebble.directory(), pebble.roots().display());
    format!("[acme]\ndirectory = \"{directory}\"\nroots = \"{roots}\"\n")
}

/// The state of the name (`hearth name show --json`).
pub fn naming(server: &Hearth) -> Result<Value> {
    Ok(serde_json::from_str(&server.hearth(&["name", "show", "--json"])?)?)
}

/// Waits until the sentences about the certificate say this.
pub fn wait_for_certificate(server: &Hearth, words: &str) -> Result<String> {
    wait_for_words(server, "certificate", words, CERTIFICATE)
}

/// Waits until a part of the state of the name says this.
pub fn wait_for_words(server: &Hearth, part: &str, words: &str, limit: Duration) -> Result<String> {
    let mut last = String::new();
    let found = poll(limit, &format!("the state of the {part} is as wanted"), || {
        // While the server starts anew it does not answer.
        if let Ok(state) = naming(server) {
            last = state[part].as_str().unwrap_or_default().to_owned();
        }
        Ok(last.contains(words).then(|| last.clone()))
    });
    found.with_context(|| format!("{words:?} is not in: {last}"))
}

/// The server's certificate, as a client sees it that trusts Pebble's and asks for this name.
pub fn certificate(server: &Hearth, pebble: &Pebble, name: &str) -> Result<Vec<u8>> {
    certificate_at(server.host.address, pebble, name)
}

/// The same at another address.
pub fn certificate_at(address: Ipv4Addr, pebble: &Pebble, name: &str) -> Result<Vec<u8>> {
    let roots = https_client::roots(Some(&Roots::File(pebble.issuer()?)))?;
    let settings = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut socket = TcpStream::connect_timeout(&(address, 993).into(), CONNECTION)?;
    socket.set_read_timeout(Some(ANSWER))?;
    let mut client = ClientConnection::new(Arc::new(settings), ServerName::try_from(name.to_owned())?)?;
    while client.is_handshaking() {
        client.complete_io(&mut socket)?;
    }
    Ok(client.peer_certificates().context("a certificate")?[0].to_vec())
}
