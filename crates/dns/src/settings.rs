//! The settings of a resolver.

use std::net::SocketAddr;
use std::path::PathBuf;

use rustls::RootCertStore;

/// The settings of a resolver.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name servers for everything but TLSA records.
    pub servers: Servers,
    /// The name servers for TLSA records: resolvers that pass signatures on. Without any there is no DANE.
    pub validating: Vec<NameServer>,
    /// The keys of the root zone, by which TLSA records are validated.
    pub root_keys: RootKeys,
    /// The authorities for the certificates of name servers with a TLS name.
    pub tls_roots: RootCertStore,
}

/// The name servers of a resolver: recursive ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// These.
    Listed(Vec<NameServer>),
    /// Those in a file in the form of `resolv.conf(5)`, which is read again when it changes.
    ResolvConf(PathBuf),
}

/// A name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Its address and port.
    pub address: SocketAddr,
    /// The name in its certificate, for DNS over TLS (RFC 7858); without one it is asked by UDP, and by TCP where an answer
    /// does not fit.
    pub tls_name: Option<String>,
}

/// The keys of the root zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootKeys {
    /// Those that IANA publishes, as the library has them.
    Iana,
    /// These: DNSKEY records in a zone file's notation, one a line, for a test's own root zone.
    Records(String),
}
