//! The server's side of TLS: certificates from files or signed here, session tickets, and the versions and protocols of
//! each kind of port. The client's side towards other mail servers: the proofs that they give.
//!
//! It gets names, paths and bytes; the configuration and the store that they come from are not known here.
#![forbid(unsafe_code)]

mod dane;
mod files;
mod outgoing;
mod provider;
mod self_signed;
mod settings;
mod tickets;
mod x509;

pub use files::{CertificateFiles, Reload, from_files, read_files};
pub use outgoing::OutgoingTls;
pub use provider::provider;
pub use self_signed::self_signed;
pub use settings::{ALPN_IMAP, ALPN_SMTP, CertificateSummary, TlsSettings};
pub use tickets::{SECRET_LENGTH, Tickets};
