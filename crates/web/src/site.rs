//! What the pages know of the server: set at its start, and the same until its end.

use config::{About, Expiry, Registration};

/// What does not change while the server runs.
#[derive(Clone, Debug)]
pub struct Site {
    /// The mail domain.
    pub domain: String,
    /// Whether strangers' clients trust the certificate; without that, links carry the servers and accept any.
    pub certificate: Certificate,
    /// Where clients connect to, as a login link says it.
    pub endpoint: pairing::Endpoint,
    /// The ports that autoconfiguration lists.
    pub ports: Ports,
    /// The ports of the web that links name.
    pub web: WebPorts,
    /// The largest message, in bytes.
    pub message_size: u64,
    /// Storage of one account, in bytes.
    pub quota: u64,
    /// Messages a minute.
    pub sends_per_minute: u32,
    /// Who may join.
    pub registration: Registration,
    /// How long things are kept.
    pub expiry: Expiry,
    /// What the owner says about the server.
    pub about: About,
    /// The host of the service that wakes phones; none when push is off.
    pub push_host: Option<String>,
}

/// Who vouches for the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Only the box itself.
    SelfSigned,
    /// An authority that clients know.
    Trusted,
}

/// Ports as clients see them.
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

/// Ports of the web as browsers see them; none where nothing listens.
#[derive(Clone, Copy, Debug)]
pub struct WebPorts {
    /// HTTP.
    pub http: Option<u16>,
    /// HTTPS.
    pub https: Option<u16>,
}
