//! The state of the server's name, in words.

use host::clock;
use ipc::control::NamingStatus;
use mail_types::Domain;
use tls::{CertificateSummary, TlsSettings};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// The state of everything that makes the name good.
pub(crate) fn status(domain: &Domain, tls: &TlsSettings) -> NamingStatus {
    NamingStatus {
        domain: domain.to_string(),
        certificate: certificate(&tls.summary(), clock::wall().0),
        records: None,
        ports: None,
        addresses: None,
    }
}

fn certificate(summary: &CertificateSummary, now: u64) -> String {
    let kind = if summary.self_signed { "self-signed" } else { "from a file" };
    let validity = match summary.expires.map(|end| end.0) {
        Some(end) if end > now => format!("valid for {} more days", (end - now) / DAY),
        Some(end) => format!("expired {} days ago", (now - end) / DAY),
        None => "of unknown validity".to_owned(),
    };
    format!("{kind}, {validity}: {}", summary.names.join(", "))
}
