//! The settings of handshakes with other mail servers: TLS 1.2 or 1.3, and one of three proofs of who the server is.

use std::io;
use std::sync::Arc;

use anyhow::Context;
use mail_types::Tlsa;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::dane;
use crate::provider::provider;

/// The flaw of a server's certificate for which a handshake failed, as a clause for an owner; none if it failed for
/// another reason.
#[must_use]
pub fn certificate_flaw(error: &io::Error) -> Option<String> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let Some(Error::InvalidCertificate(flaw)) = inner else { return None };
    Some(match flaw {
        CertificateError::UnknownIssuer => "no authority that is trusted vouches for it".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for other names".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet, or the clock is wrong".to_owned()
        }
        CertificateError::Other(other) => other.0.to_string(),
        other => other.to_string(),
    })
}

/// The number of servers whose TLS sessions are kept for resumption.
const SESSIONS_LIMIT: usize = 64;

/// The settings of handshakes with other mail servers.
///
/// Only sessions with an authority's proof are resumed, and each kind has settings of its own: a session begun with a weaker
/// proof cannot be continued as one with a stronger proof, which a resumption does not ask for again.
#[derive(Clone, Debug)]
pub struct OutgoingTls {
    authority: Arc<ClientConfig>,
    any_certificate: Arc<ClientConfig>,
}

impl OutgoingTls {
    /// Settings that trust these authorities.
    ///
    /// # Errors
    ///
    /// When there is no authority, or the crypto provider has no TLS version.
    pub fn new(roots: RootCertStore) -> anyhow::Result<Self> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .context("preparing to verify the certificates of mail servers")?;
        let resumption = Resumption::in_memory_sessions(SESSIONS_LIMIT);
        Ok(Self { authority: client(verifier, resumption)?, any_certificate: any_certificate()? })
    }

    /// For servers that must have a valid certificate by an authority with their name.
    #[must_use]
    pub fn authority(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.authority)
    }

    /// For servers of domains that no authority certifies: any certificate will do, as long as the server has its key.
    #[must_use]
    pub fn any_certificate(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.any_certificate)
    }

    /// For a server that must fit one of these TLSA records (RFC 7672 section 3.1): its own certificate, whatever the names
    /// and dates in it (DANE-EE), or that of an issuer in its chain, which must be valid and have its name (DANE-TA). The
    /// server fits none if there is none.
    ///
    /// # Errors
    ///
    /// When the crypto provider has no TLS version.
    pub fn dane(&self, records: &[Tlsa]) -> anyhow::Result<Arc<ClientConfig>> {
        without_authority(Proof::Dane(records.to_vec()))
    }
}

fn client(
    verifier: Arc<dyn ServerCertVerifier>,
    resumption: Resumption,
) -> anyhow::Result<Arc<ClientConfig>> {
    let mut settings = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    settings.resumption = resumption;
    Ok(Arc::new(settings))
}

/// For servers that need no proof, or give it later.
pub(crate) fn any_certificate() -> anyhow::Result<Arc<ClientConfig>> {
    without_authority(Proof::None)
}

fn without_authority(proof: Proof) -> anyhow::Result<Arc<ClientConfig>> {
    client(Arc::new(Verifier { proof, provider: provider() }), Resumption::disabled())
}

/// Takes certificates without an authority; the server must have the key of the certificate in any case.
#[derive(Debug)]
struct Verifier {
    proof: Proof,
    provider: Arc<CryptoProvider>,
}

/// The proof that takes the place of an authority's.
#[derive(Debug)]
enum Proof {
    None,
    Dane(Vec<Tlsa>),
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.proof {
            Proof::None => Ok(ServerCertVerified::assertion()),
            Proof::Dane(records) => dane::verify(records, &self.provider, own, sent, name, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
