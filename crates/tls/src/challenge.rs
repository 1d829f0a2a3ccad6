//! The certificates that prove the control of a name by a handshake on port 443 (TLS-ALPN-01: RFC 8737, RFC 8738), each
//! with settings of its own: no other handshake is changed by them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use host::locks::Mutex;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::PrivatePkcs8KeyDer;

use crate::provider::provider;

/// The ALPN protocol ID of a challenge (RFC 8737 section 6.2).
pub(crate) const ALPN_CHALLENGE: &[u8] = b"acme-tls/1";
/// The most challenges that are pending at once; an order has two names.
const PENDING_LIMIT: usize = 16;

/// The challenges that are pending, by the server name that the authority asks for. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ChallengeCertificates {
    pending: Arc<Mutex<BTreeMap<String, Arc<ServerConfig>>>>,
}

impl ChallengeCertificates {
    /// Answers the challenge for a domain name or an IP address with this digest, the SHA-256 of the key authorization
    /// (RFC 8737 section 3), until it is withdrawn. A newer challenge for the name takes the place of an older one.
    ///
    /// # Errors
    ///
    /// When the name is none that a certificate can have, no key can be made, or 16 other challenges are pending.
    pub fn present(&self, name: &str, digest: &[u8; 32]) -> anyhow::Result<()> {
        let settings = settings(name, digest)
            .with_context(|| format!("making the certificate of a challenge for {name}"))?;
        let server_name = server_name(name);
        let mut pending = self.pending.lock();
        if pending.len() >= PENDING_LIMIT && !pending.contains_key(&server_name) {
            bail!("{PENDING_LIMIT} challenges are pending already");
        }
        pending.insert(server_name, Arc::new(settings));
        Ok(())
    }

    /// Ends the challenge for this domain name or IP address.
    pub fn withdraw(&self, name: &str) {
        self.pending.lock().remove(&server_name(name));
    }

    /// True while no challenge is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.lock().is_empty()
    }

    /// The settings that answer this greeting, if it is an authority's for a pending challenge: its only protocol is that
    /// of challenges, "a single protocol name" (RFC 8737 section 3).
    pub(crate) fn answer_to(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(ALPN_CHALLENGE) || protocols.next().is_some() {
            return None;
        }
        let name = hello.server_name()?.to_ascii_lowercase();
        self.pending.lock().get(&name).map(Arc::clone)
    }
}

fn settings(name: &str, digest: &[u8; 32]) -> anyhow::Result<ServerConfig> {
    let mut params = CertificateParams::new([name.to_ascii_lowercase()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let private = PrivatePkcs8KeyDer::from(key.serialize_der());
    let private = provider().key_provider.load_private_key(private.into())?;
    // Not by the usual way, which takes no certificate with a critical extension that rustls does not know.
    let certified = CertifiedKey::new(vec![certificate.der().clone()], private);
    let mut settings = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    settings.alpn_protocols = vec![ALPN_CHALLENGE.to_vec()];
    settings.send_tls13_tickets = 0;
    Ok(settings)
}

/// The server name of the authority's greeting: the domain name, or the name for the reverse look-up of an address
/// (RFC 8738 section 6).
fn server_name(name: &str) -> String {
    match name.parse() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
        Err(_) => name.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests;
