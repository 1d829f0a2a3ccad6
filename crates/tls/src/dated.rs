//! Handshakes with servers whose certificate is judged later, at a time that they themselves name.

use std::sync::Arc;

use anyhow::Context;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::outgoing::any_certificate;
use crate::provider::provider;

/// Handshakes with servers that are asked for the time: the validity of a certificate cannot be judged by a clock that may
/// be wrong by years. The handshake only proves that the server has the key of the certificate; nothing that such a server
/// says is to be believed before [`DatedTls::verify`] has judged the certificate.
#[derive(Clone, Debug)]
pub struct DatedTls {
    settings: Arc<ClientConfig>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl DatedTls {
    /// Handshakes that trust these authorities, later.
    ///
    /// # Errors
    ///
    /// When there is no authority, or the crypto provider has no TLS version.
    pub fn new(roots: RootCertStore) -> anyhow::Result<Self> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .context("preparing to verify the certificates of web servers")?;
        Ok(Self { settings: any_certificate()?, verifier })
    }

    /// The settings of a handshake. No session is resumed.
    #[must_use]
    pub fn settings(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.settings)
    }

    /// Judges the certificates of a handshake that was completed with these settings, the server's own first: an authority
    /// certifies this name, by certificates that are all valid at this time. Revocation is not looked at.
    ///
    /// # Errors
    ///
    /// When that is not so.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        at: UnixTime,
    ) -> Result<(), rustls::Error> {
        let (own, sent) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.verifier.verify_server_cert(own, sent, name, &[], at).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
    use rustls::{CertificateError, Error};

    use super::{CertificateDer, DatedTls, RootCertStore, ServerName, UnixTime};

    /// 2026-01-01 and 2026-04-01 in days since 1970: the certificate is valid between them.
    const BEGIN: u64 = 20_454;
    const END: u64 = 20_544;

    struct World {
        tls: DatedTls,
        own: CertificateDer<'static>,
        stranger: CertificateDer<'static>,
    }

    impl World {
        fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let pair = KeyPair::generate().unwrap();
            let mut roots = RootCertStore::empty();
            roots.add(params.self_signed(&pair).unwrap().der().clone()).unwrap();
            let issuer = Issuer::new(params, pair);
            let (own, pair) = (of_server(), KeyPair::generate().unwrap());
            Self {
                tls: DatedTls::new(roots).unwrap(),
                own: own.signed_by(&pair, &issuer).unwrap().der().clone(),
                stranger: own.self_signed(&pair).unwrap().der().clone(),
            }
        }

        fn verify(&self, chain: &[&CertificateDer<'static>], name: &str, day: u64) -> Result<(), Error> {
            let chain: Vec<_> = chain.iter().map(|certificate| (*certificate).clone()).collect();
            let at = UnixTime::since_unix_epoch(Duration::from_secs(day * 86_400));
            self.tls.verify(&chain, &ServerName::try_from(name).unwrap(), at)
        }
    }

    fn of_server() -> CertificateParams {
        let mut params = CertificateParams::new(["web.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 4, 1);
        params
    }

    #[test]
    fn a_certificate_is_judged_by_the_time_that_is_given() {
        let world = World::new();
        for day in [BEGIN, BEGIN + 50, END] {
            assert_eq!(world.verify(&[&world.own], "web.test", day), Ok(()), "{day}");
        }
        for day in [0, BEGIN - 1, END + 1, 40_000] {
            let error = world.verify(&[&world.own], "web.test", day).unwrap_err();
            let out_of_date = matches!(
                error,
                Error::InvalidCertificate(
                    CertificateError::NotValidYetContext { .. } | CertificateError::ExpiredContext { .. }
                )
            );
            assert!(out_of_date, "{day}: {error}");
        }
    }

    #[test]
    fn a_stranger_another_name_and_no_certificate_are_refused() {
        let world = World::new();
        world.verify(&[&world.stranger], "web.test", BEGIN + 1).unwrap_err();
        world.verify(&[&world.own], "other.test", BEGIN + 1).unwrap_err();
        assert_eq!(world.verify(&[], "web.test", BEGIN + 1), Err(Error::NoCertificatesPresented));
        assert!(DatedTls::new(RootCertStore::empty()).is_err());
    }
}
