//! The services that sockets offer, and the addresses they have.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::connections::places::Crowd;

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

impl Service {
    /// The crowd that its clients belong to until they have logged in, or until ALPN tells that they want HTTP.
    pub(crate) fn crowd(self) -> Crowd {
        match self {
            Self::Imaps | Self::Imap | Self::Submissions | Self::Submission | Self::Https => Crowd::Clients,
            Self::Smtp => Crowd::Servers,
            Self::Http | Self::Metrics => Crowd::Web,
        }
    }
}

/// The bound addresses by service: the configuration may ask for port 0.
pub(crate) type Ports = BTreeMap<Service, Vec<SocketAddr>>;
