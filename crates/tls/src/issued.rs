//! A certificate that an authority issued to this server.

use std::sync::Arc;

use anyhow::{Context, ensure};
use mail_types::UnixTime;
use rustls::server::ProducesTickets;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::key::CertificateKey;
use crate::provider::provider;
use crate::settings::{CertificateSummary, TlsSettings};
use crate::x509;

/// The most certificates of a chain; authorities send two to four.
const CHAIN_LIMIT: usize = 10;

/// A certificate and those of its issuers, as an authority sends them (RFC 8555 section 9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    chain: Vec<CertificateDer<'static>>,
    names: Vec<String>,
    issuer: String,
    begins: UnixTime,
    expires: UnixTime,
}

impl IssuedCertificate {
    /// The chain in this PEM text, the server's own certificate first.
    ///
    /// # Errors
    ///
    /// When it is no chain: not PEM, more than ten certificates, one that did not issue the one before it, or a first
    /// one without names or dates.
    pub fn from_pem(text: &str) -> anyhow::Result<Self> {
        let chain = CertificateDer::pem_slice_iter(text.as_bytes())
            .take(CHAIN_LIMIT + 1)
            .collect::<Result<Vec<_>, _>>()
            .context("reading the certificate's PEM text")?;
        ensure!(chain.len() <= CHAIN_LIMIT, "the chain has more than {CHAIN_LIMIT} certificates");
        let own = chain.first().context("there is no certificate in the text")?;
        for pair in chain.windows(2) {
            if let [below, above] = pair {
                ensure!(x509::is_issued_by(below, above), "the chain has a certificate out of its order");
            }
        }
        let (begins, expires) = x509::validity(own).context("the certificate has no dates")?;
        let names = x509::names(own);
        ensure!(!names.is_empty(), "the certificate has no names");
        let issuer = x509::issuer(own).unwrap_or_else(|| "an authority without a name".to_owned());
        Ok(Self { names, issuer, begins, expires, chain })
    }

    /// The names that it is valid for, domain names and IP addresses (RFC 5280 section 4.2.1.6).
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The issuer: the organization, or what else it is called, of 64 characters at most.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The beginning of its validity (RFC 5280 section 4.1.2.5).
    #[must_use]
    pub fn begins(&self) -> UnixTime {
        self.begins
    }

    /// The end of its validity.
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        self.expires
    }

    /// The identifier by which the authority tells when to renew it (RFC 9773 section 4.1); none if it has no key
    /// identifier of its issuer.
    #[must_use]
    pub fn renewal_identifier(&self) -> Option<String> {
        x509::renewal_identifier(self.chain.first()?)
    }

    /// True if it is of this key.
    #[must_use]
    pub fn is_of(&self, key: &CertificateKey) -> bool {
        let public = self.chain.first().and_then(|own| x509::public_key(own));
        public.is_some_and(|public| public == key.public_key())
    }

    fn certified(&self, key: &CertificateKey) -> anyhow::Result<CertifiedKey> {
        ensure!(self.is_of(key), "the certificate is of another key");
        CertifiedKey::from_der(self.chain.clone(), key.private().into(), &provider())
            .context("using the issued certificate")
    }

    fn summary(&self) -> CertificateSummary {
        CertificateSummary {
            self_signed: false,
            names: self.names.clone(),
            issuer: Some(self.issuer.clone()),
            expires: None,
        }
    }
}

/// The settings with a certificate that an authority issued.
///
/// # Errors
///
/// When the key is not the certificate's, or rustls refuses the settings.
pub fn from_issued(
    certificate: &IssuedCertificate,
    key: &CertificateKey,
    tickets: Arc<dyn ProducesTickets>,
) -> anyhow::Result<TlsSettings> {
    TlsSettings::new(certificate.certified(key)?, tickets, certificate.summary())
}

impl TlsSettings {
    /// Serves this certificate from the next handshake on, also in the place of a self-signed one; true when it is
    /// another than before. Open connections keep theirs.
    ///
    /// # Errors
    ///
    /// When the key is not the certificate's. The certificate in use stays.
    pub fn serve_issued(
        &self,
        certificate: &IssuedCertificate,
        key: &CertificateKey,
    ) -> anyhow::Result<bool> {
        let certified = certificate.certified(key)?;
        Ok(self.replace_all(certified, certificate.summary()))
    }
}

#[cfg(test)]
mod tests;
