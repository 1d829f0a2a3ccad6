//! The settings of every handshake, and the certificate that the next one shows.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use mail_types::UnixTime;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::provider::provider;
use crate::x509;

/// IMAP over port 443, by ALPN.
pub const ALPN_IMAP: &[u8] = b"imap";
/// Submission over port 443, by ALPN.
pub const ALPN_SMTP: &[u8] = b"smtp";
/// The web over port 443, by ALPN or without any.
const ALPN_HTTP: &[u8] = b"http/1.1";

/// What the listeners need.
#[derive(Clone)]
pub struct TlsSettings {
    /// For IMAP and submission: TLS 1.3.
    pub mail: Arc<ServerConfig>,
    /// For port 443: TLS 1.2 too, and ALPN.
    pub shared: Arc<ServerConfig>,
    /// What both of them show.
    certificate: Arc<Shown>,
}

/// The certificate that the next handshake shows.
#[derive(Debug)]
struct Shown {
    key: RwLock<Arc<CertifiedKey>>,
    summary: CertificateSummary,
    trouble: Mutex<Option<String>>,
}

impl Shown {
    fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // STARTTLS comes without a name, so there is one certificate for all (chatmail-protocol note 1.6).
        Some(self.key())
    }
}

/// The certificate in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSummary {
    /// Whether the server made it itself.
    pub self_signed: bool,
    /// The names in a self-signed one; the file's path otherwise.
    pub names: Vec<String>,
    /// From when on clients refuse it; none if that cannot be read.
    pub expires: Option<UnixTime>,
}

impl TlsSettings {
    /// From a certificate and its key.
    pub(crate) fn new(
        certified: CertifiedKey,
        tickets: Arc<dyn ProducesTickets>,
        summary: CertificateSummary,
    ) -> anyhow::Result<Self> {
        let key = RwLock::new(Arc::new(certified));
        let shown = Arc::new(Shown { key, summary, trouble: Mutex::default() });
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&shown) as _;
        let build = |versions: &[&'static rustls::SupportedProtocolVersion]| {
            let mut settings = ServerConfig::builder_with_provider(provider())
                .with_protocol_versions(versions)?
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&resolver));
            settings.ticketer = Arc::clone(&tickets);
            // One ticket is enough for a client that keeps one connection.
            settings.send_tls13_tickets = 1;
            Ok::<_, rustls::Error>(settings)
        };
        let mail = build(&[&rustls::version::TLS13])?;
        let mut shared = build(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        shared.alpn_protocols = vec![ALPN_IMAP.to_vec(), ALPN_SMTP.to_vec(), ALPN_HTTP.to_vec()];
        Ok(Self { mail: Arc::new(mail), shared: Arc::new(shared), certificate: shown })
    }

    /// In words, for `hearth status`.
    pub fn summary(&self) -> CertificateSummary {
        let expires = self.certificate.key().cert.first().and_then(|own| x509::expiry(own));
        CertificateSummary { expires, ..self.certificate.summary.clone() }
    }

    /// Whether somebody else vouches for the certificate, so that clients may trust it.
    pub fn is_vouched_for(&self) -> bool {
        self.certificate.key().cert.first().is_some_and(|own| !x509::is_self_issued(own))
    }

    /// Shows another certificate from the next handshake on; whether it is another. Open connections do not notice.
    pub fn replace(&self, certified: CertifiedKey) -> bool {
        let mut shown = self.certificate.key.write().unwrap_or_else(PoisonError::into_inner);
        let another = shown.cert != certified.cert;
        *shown = Arc::new(certified);
        another
    }

    /// What is wrong with the certificate's files, as a sentence.
    pub fn trouble(&self) -> Option<String> {
        self.certificate.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what is wrong with them, or that nothing is.
    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.certificate.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}
