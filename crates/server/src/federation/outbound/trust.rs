//! The proof that a host must give before it gets mail, as settings of a TLS handshake (`relay_policy::host_proof`).

use std::sync::Arc;

use dns::Resolver;
use mail_types::Domain;
use relay_policy::{HostProof, Policy, host_proof, is_uncertified, tlsa_name};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use smtp::client::Trouble;
use tls::OutgoingTls;

use super::smtp::Trust;

/// The TLS settings of all connections to other servers.
pub(super) struct Trusts(OutgoingTls);

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// TLSA records stand at port 25, so they say nothing about this one.
    Https,
    Smtp,
}

impl Trusts {
    pub(super) fn new(roots: RootCertStore) -> anyhow::Result<Self> {
        Ok(Self(OutgoingTls::new(roots)?))
    }

    /// For a host of this destination, which has this policy, if any.
    ///
    /// # Errors
    ///
    /// When the host may not take the destination's mail.
    pub(super) async fn for_host(
        &self,
        resolver: &Resolver,
        (destination, host): (&Domain, &str),
        policy: Option<&Policy>,
        way: Way,
    ) -> Result<Trust, Trouble> {
        let tlsa = if way == Way::Https || is_uncertified(destination) {
            Vec::new()
        } else {
            let found = resolver.tlsa(&tlsa_name(host)).await;
            found
                .map_err(|error| Trouble::NoConnection(format!("looking for TLSA records failed: {error}")))?
        };
        let proof = host_proof(destination, host, &tlsa, policy)
            .map_err(|error| Trouble::NoConnection(error.to_string()))?;
        let settings = match proof {
            HostProof::AnyCertificate => self.0.any_certificate(),
            HostProof::Authority => self.0.authority(),
            HostProof::Dane(records) => {
                self.0.dane(&records).map_err(|error| Trouble::NoConnection(error.to_string()))?
            }
        };
        trust(host, settings)
    }

    /// For a host whose certificate an authority must have issued.
    ///
    /// # Errors
    ///
    /// When the host's name is none.
    pub(super) fn by_authority(&self, host: &str) -> Result<Trust, Trouble> {
        trust(host, self.0.authority())
    }
}

fn trust(host: &str, settings: Arc<ClientConfig>) -> Result<Trust, Trouble> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Trouble::NoConnection(format!("the host's name is not usable: {error}")))?;
    Ok(Trust { name, settings })
}
