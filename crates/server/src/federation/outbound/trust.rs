//! Which certificates of other servers are believed, by `relay_policy::HostProof`.

use std::io;
use std::sync::Arc;

use mail_types::Domain;
use relay_policy::is_uncertified;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tls::OutgoingTls;

use super::smtp::Trust;

/// The TLS settings of all connections to other servers.
pub(super) struct Trusts(OutgoingTls);

impl Trusts {
    pub(super) fn new(roots: RootCertStore) -> anyhow::Result<Self> {
        Ok(Self(OutgoingTls::new(roots)?))
    }

    /// For a host of this destination.
    pub(super) fn for_host(&self, destination: &Domain, host: &str) -> io::Result<Trust> {
        let settings =
            if is_uncertified(destination) { self.0.any_certificate() } else { self.0.authority() };
        trust(host, settings)
    }

    /// For a host whose certificate must be believed.
    pub(super) fn verified(&self, host: &str) -> io::Result<Trust> {
        trust(host, self.0.authority())
    }
}

fn trust(host: &str, settings: Arc<ClientConfig>) -> io::Result<Trust> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(Trust { name, settings })
}
