//! Questions to name servers (RFC 1035): the mail hosts of a domain, addresses, texts, and TLSA records with a proof.
//!
//! Every call ends within [`LOOKUP_LIMIT`], and answers of all kinds, failures too, are kept for a while in memory of
//! bounded size. Names are absolute: there is no search list, and the hosts file is not read. The resolver library is
//! named in this crate only.
#![forbid(unsafe_code)]

mod answers;
mod authority;
mod cache;
mod error;
mod name;
#[cfg(test)]
mod noise;
mod presentation;
mod resolv_conf;
mod resolver;
mod settings;
mod source;
mod upstream;

pub use answers::MailHosts;
pub use authority::AuthoritativeServer;
pub use error::LookupError;
pub use presentation::RecordKind;
pub use resolver::{LOOKUP_LIMIT, Resolver};
pub use settings::{NameServer, RootKeys, Servers, Settings};
