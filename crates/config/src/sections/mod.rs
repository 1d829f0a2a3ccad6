//! The tables of the file, one a function: each takes its keys out of a [`Reader`](crate::reader::Reader), and reports
//! values that contradict each other.

mod about;
mod acme;
mod dns;
mod dns_provider;
mod expiry;
mod federation;
mod limits;
mod listen;
mod metrics;
mod pairing;
mod push;
mod router;
mod tls;

pub(crate) use about::about;
pub(crate) use acme::acme;
pub(crate) use dns::dns;
pub(crate) use dns_provider::dns_provider;
pub(crate) use expiry::expiry;
pub(crate) use federation::federation;
pub(crate) use limits::limits;
pub(crate) use listen::listen;
pub(crate) use metrics::metrics;
pub(crate) use pairing::pairing;
pub(crate) use push::push;
pub(crate) use router::router;
pub(crate) use tls::tls;
