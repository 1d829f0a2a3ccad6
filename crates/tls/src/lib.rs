//! The server's side of TLS: certificates from files, from an authority or signed here, the answers to an authority's
//! challenges, session tickets, and the versions and protocols of each kind of port. The client's side: the proofs that
//! other mail servers give, and web servers that are asked for the time.
//!
//! It gets names, paths and bytes; the configuration and the store that they come from are not known here.
#![forbid(unsafe_code)]

mod challenge;
mod cipher_order;
mod dane;
mod dated;
mod files;
mod issued;
mod key;
mod outgoing;
mod provider;
mod roots;
mod self_signed;
mod settings;
mod tickets;
pub mod x509;

pub use challenge::ChallengeCertificates;
pub use cipher_order::Handshakes;
pub use dated::DatedTls;
pub use files::{CertificateFiles, Reload, from_files, read_files};
pub use issued::{IssuedCertificate, from_issued};
pub use key::CertificateKey;
pub use outgoing::{OutgoingTls, certificate_flaw};
pub use provider::provider;
pub use roots::Roots;
pub use self_signed::self_signed;
pub use settings::{ALPN_IMAP, ALPN_SMTP, CertificateSummary, Port443, TlsSettings};
pub use tickets::{SECRET_LENGTH, Tickets};
