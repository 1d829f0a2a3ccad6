//! The settings that pages and links are made from: set when the server starts, and the same until it ends.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use config::About;
use mail_types::{Address, Secret};
use relay_policy::{ExpiryRules, Registration};

/// The settings of the server, as far as the web needs them.
#[derive(Clone, Debug)]
pub struct Site {
    /// The mail domain.
    pub domain: String,
    /// The domains of accounts that were made before the server got its name; they work in the home only.
    pub former_domains: Vec<String>,
    /// The trust that clients put into the certificate; a self-signed one makes login links carry the servers.
    pub certificate: CertificateInUse,
    /// The host and ports of the mail services, as a login link writes them.
    pub endpoint: pairing::Endpoint,
    /// The ports that autoconfiguration lists.
    pub ports: Ports,
    /// The ports of the web that links name.
    pub web: WebPorts,
    /// The size limit of one message, in bytes.
    pub message_size: u64,
    /// The storage quota of one account, in bytes.
    pub quota: u64,
    /// The long-run limit of messages an account may send, per minute.
    pub sends_per_minute: u32,
    /// The registration mode.
    pub registration: Registration,
    /// The retention periods of messages and accounts.
    pub expiry: ExpiryRules,
    /// The owner's texts about the server.
    pub about: About,
    /// The host of the push service; none when push is off.
    pub push_host: Option<String>,
}

/// Tells the certificate of this moment: an authority may issue one while the server runs.
#[derive(Clone)]
pub struct CertificateInUse(Arc<dyn Fn() -> Certificate + Send + Sync>);

impl CertificateInUse {
    /// Asks this function each time.
    pub fn new(ask: impl Fn() -> Certificate + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }
}

impl From<Certificate> for CertificateInUse {
    fn from(always: Certificate) -> Self {
        Self::new(move || always)
    }
}

impl fmt::Debug for CertificateInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0().fmt(f)
    }
}

impl Site {
    /// The certificate in use.
    #[must_use]
    pub fn certificate(&self) -> Certificate {
        self.certificate.0()
    }

    /// A link with everything that a client needs to log in.
    pub(crate) fn login_link(&self, address: &Address, password: &Secret) -> String {
        let endpoint = self.login_endpoint();
        let check = endpoint.check(&self.domain, self.certificate() == Certificate::Trusted);
        pairing::login_link(address, password, &endpoint, check)
    }

    /// The endpoint for login links: by the name once the certificate is an authority's, since the name leads here then.
    fn login_endpoint(&self) -> pairing::Endpoint {
        let by_address = self.endpoint.host.parse::<IpAddr>().is_ok();
        let host = match self.certificate() {
            Certificate::Trusted if by_address && !self.domain.starts_with('[') => self.domain.clone(),
            _ => self.endpoint.host.clone(),
        };
        pairing::Endpoint { host, ..self.endpoint.clone() }
    }
}

/// The issuer of the certificate, as it matters to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// The server itself: no client trusts it without having been told its key.
    SelfSigned,
    /// A certificate authority.
    Trusted,
}

/// Ports of the mail services, as clients reach them.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// IMAP over TLS.
    pub imaps: u16,
    /// IMAP with STARTTLS.
    pub imap: u16,
    /// Submission over TLS.
    pub submissions: u16,
    /// Submission with STARTTLS.
    pub submission: u16,
    /// HTTPS, IMAP and submission by ALPN.
    pub https: u16,
}

/// Ports of the web, as browsers reach them; none where nothing listens.
#[derive(Clone, Copy, Debug)]
pub struct WebPorts {
    /// HTTP.
    pub http: Option<u16>,
    /// HTTPS.
    pub https: Option<u16>,
}
