//! The settings of all handshakes, and the certificate of the next one.

use std::sync::{Arc, LockResult, Mutex, PoisonError, RwLock};

use mail_types::UnixTime;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::challenge::ChallengeCertificates;
use crate::cipher_order::{FirstCipher, Handshakes, provider_in_order};
use crate::x509;

/// The ALPN protocol ID (RFC 7301) of IMAP on port 443.
pub const ALPN_IMAP: &[u8] = b"imap";
/// The ALPN protocol ID of submission on port 443.
pub const ALPN_SMTP: &[u8] = b"smtp";
/// The ALPN protocol IDs of HTTP on port 443, the better one first; clients without ALPN get HTTP too. One that offers
/// none of all these is refused in the handshake (RFC 7301 section 3.2), HTTP/2 alone for example.
const ALPN_HTTP: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// The settings of all handshakes. Clones share the certificate.
#[derive(Clone)]
pub struct TlsSettings {
    /// For the ports of IMAP and submission: TLS 1.3.
    pub mail: Handshakes,
    /// For port 443: TLS 1.2 as well, and ALPN.
    pub shared: Handshakes,
    /// For port 25: TLS 1.2 as well, since other servers are updated less often than phones.
    pub relay: Handshakes,
    /// The challenges of an authority that are answered on port 443; none to begin with.
    pub challenges: ChallengeCertificates,
    certificate: Arc<ServedCertificate>,
}

/// The settings of one handshake on port 443.
#[derive(Clone, Debug)]
pub enum Port443 {
    /// A client's.
    Service(Arc<ServerConfig>),
    /// An authority's, about a pending challenge: the connection is closed once the handshake is done (RFC 8737 section
    /// 4).
    Challenge(Arc<ServerConfig>),
}

/// The certificate of the next handshake.
#[derive(Debug)]
struct ServedCertificate {
    served: RwLock<Served>,
    /// The error of the last attempt to renew it, as a sentence.
    trouble: Mutex<Option<String>>,
}

#[derive(Clone, Debug)]
struct Served {
    key: Arc<CertifiedKey>,
    summary: CertificateSummary,
}

impl ServedCertificate {
    fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&unpoisoned(self.served.read()).key)
    }
}

impl ResolvesServerCert for ServedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Clients send no server name with STARTTLS, so there is one certificate for all names (chatmail/core,
        // `src/imap/client.rs`).
        Some(self.key())
    }
}

/// A certificate, as far as its owner wants to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSummary {
    /// True when the server signed it itself.
    pub self_signed: bool,
    /// Its names; the file's path for one from a file.
    pub names: Vec<String>,
    /// The issuer of one that was issued to this server; none for others.
    pub issuer: Option<String>,
    /// The end of its validity (RFC 5280 section 4.1.2.5); none if that cannot be read.
    pub expires: Option<UnixTime>,
}

impl CertificateSummary {
    /// The issuer in words: `self-signed`, `from` an authority, or `from a file`.
    #[must_use]
    pub fn source(&self) -> String {
        match &self.issuer {
            Some(issuer) => format!("from {issuer}"),
            None if self.self_signed => "self-signed".to_owned(),
            None => "from a file".to_owned(),
        }
    }
}

impl TlsSettings {
    /// Settings that serve this certificate, in TLS 1.3 with one ticket a handshake.
    pub(crate) fn new(
        certified: CertifiedKey,
        tickets: Arc<dyn ProducesTickets>,
        summary: CertificateSummary,
    ) -> anyhow::Result<Self> {
        let served = RwLock::new(Served { key: Arc::new(certified), summary });
        let served = Arc::new(ServedCertificate { served, trouble: Mutex::default() });
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&served) as _;
        let build = |versions: &[&'static rustls::SupportedProtocolVersion], first| {
            let mut settings = ServerConfig::builder_with_provider(provider_in_order(first))
                .with_protocol_versions(versions)?
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&resolver));
            // Most clients name AES-256 first, which is as good a sign as none.
            settings.ignore_client_order = true;
            settings.ticketer = Arc::clone(&tickets);
            // One ticket is enough for a client that keeps one connection.
            settings.send_tls13_tickets = 1;
            Ok::<_, rustls::Error>(settings)
        };
        let both = |versions: &[&'static rustls::SupportedProtocolVersion], protocols: &[&[u8]]| {
            let build = |first| {
                let mut settings = build(versions, first)?;
                settings.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
                Ok::<_, rustls::Error>(settings)
            };
            Ok::<_, rustls::Error>(Handshakes::new(
                build(FirstCipher::Aes128)?,
                build(FirstCipher::ChaCha20)?,
            ))
        };
        let mail = both(&[&rustls::version::TLS13], &[])?;
        let relay = both(&[&rustls::version::TLS13, &rustls::version::TLS12], &[])?;
        let protocols: Vec<&[u8]> = [ALPN_IMAP, ALPN_SMTP].into_iter().chain(ALPN_HTTP).collect();
        let shared = both(&[&rustls::version::TLS13, &rustls::version::TLS12], &protocols)?;
        Ok(Self { mail, shared, relay, challenges: ChallengeCertificates::default(), certificate: served })
    }

    /// The settings of a handshake on port 443 that begins with this greeting. An authority's greeting about a challenge
    /// that is not pending gets those of clients, which know no such protocol: the handshake fails.
    #[must_use]
    pub fn port_443(&self, hello: &ClientHello<'_>) -> Port443 {
        match self.challenges.answer_to(hello) {
            Some(settings) => Port443::Challenge(settings),
            None => Port443::Service(self.shared.answering(hello)),
        }
    }

    /// The certificate in use.
    #[must_use]
    pub fn summary(&self) -> CertificateSummary {
        let Served { key, summary } = unpoisoned(self.certificate.served.read()).clone();
        let expires = key.cert.first().and_then(|own| x509::expiry(own));
        CertificateSummary { expires, ..summary }
    }

    /// True when an authority issued the certificate, so that clients may trust it.
    #[must_use]
    pub fn is_vouched_for(&self) -> bool {
        self.certificate.key().cert.first().is_some_and(|own| !x509::is_self_issued(own))
    }

    /// Serves this certificate from the next handshake on; true when it is another than before. Open connections keep
    /// theirs.
    pub fn replace(&self, certified: CertifiedKey) -> bool {
        let summary = unpoisoned(self.certificate.served.read()).summary.clone();
        self.replace_all(certified, summary)
    }

    /// The same for a certificate with another summary.
    pub(crate) fn replace_all(&self, certified: CertifiedKey, summary: CertificateSummary) -> bool {
        let mut served = unpoisoned(self.certificate.served.write());
        let another = served.key.cert != certified.cert;
        *served = Served { key: Arc::new(certified), summary };
        another
    }

    /// The error of the last attempt to renew the certificate, as a sentence.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        unpoisoned(self.certificate.trouble.lock()).clone()
    }

    /// Sets that error, or clears it.
    pub fn set_trouble(&self, trouble: Option<String>) {
        *unpoisoned(self.certificate.trouble.lock()) = trouble;
    }
}

/// The guard of a lock, also after a panic of its last holder: all values here are replaced whole, so none is half
/// changed.
fn unpoisoned<Guard>(locked: LockResult<Guard>) -> Guard {
    locked.unwrap_or_else(PoisonError::into_inner)
}
