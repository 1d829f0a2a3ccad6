//! The ways by which others find and reach this relay: the records to publish, the judgement of those that are
//! published, and of the observations that a server can make of its own network. Pure; a server observes.

mod forwarding;
mod network;
mod published;
mod records;

pub use forwarding::{Forwarding, PortAsked, RouterSeen, forwarding_findings, is_public};
pub use network::{CertificateSeen, Connection, NetworkSeen, PortSeen, RelaySeen, network_findings};
pub use published::{Context, Seen, judge};
pub use records::{DomainFacts, KeyRole, PublicKeyRecord, domain_records};
