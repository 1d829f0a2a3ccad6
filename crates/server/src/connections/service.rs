//! The services that sockets offer, and the addresses they have.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Service {
    /// IMAP over TLS.
    Imaps,
    /// IMAP with STARTTLS.
    Imap,
    /// Submission over TLS.
    Submissions,
    /// Submission with STARTTLS.
    Submission,
    /// HTTPS, IMAP or submission by ALPN (RFC 7301).
    Https,
    /// HTTP.
    Http,
    /// OpenMetrics by HTTP.
    Metrics,
    /// Mail from other servers: SMTP with STARTTLS.
    Smtp,
}

/// The bound addresses by service: the configuration may ask for port 0.
pub(crate) type Ports = BTreeMap<Service, Vec<SocketAddr>>;
