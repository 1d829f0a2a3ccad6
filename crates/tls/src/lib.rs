//! The server's side of TLS: certificates from files or made here, session tickets, and what each port offers.
//!
//! It gets names, paths and bytes; what they come from (configuration, store) is not known here.
#![forbid(unsafe_code)]

mod files;
mod provider;
mod self_signed;
mod settings;
mod tickets;
mod x509;

pub use files::{CertificateFiles, Look, from_files, read_files};
pub use provider::provider;
pub use self_signed::self_signed;
pub use settings::{ALPN_IMAP, ALPN_SMTP, CertificateSummary, TlsSettings};
pub use tickets::{SECRET_LENGTH, Tickets};
