//! The resolved configuration: every value typed, present and checked.

use std::net::SocketAddr;
use std::path::PathBuf;

use http::Uri;
use mail_types::{Domain, Secret};
use relay_policy::{AccountRules, BlockList, ExpiryRules, Registration, SendRate};
use tls::Roots;

/// The settings of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The mail domain: the part after the `@` of every address here.
    pub domain: Domain,
    /// The registration mode.
    pub registration: Registration,
    /// The directory of all files that must survive a restart; absolute.
    pub state_directory: PathBuf,
    /// `[listen]`: the addresses of the listeners.
    pub listen: Listen,
    /// `[tls]`: the source of the certificate.
    pub tls: Tls,
    /// `[limits]`: bounds of one message, account or client, and of all together.
    pub limits: Limits,
    /// `[expiry]`: the retention periods of messages and accounts.
    pub expiry: ExpiryRules,
    /// `[pairing]`: the host and ports in links.
    pub pairing: Pairing,
    /// `[about]`: the owner's texts about the server.
    pub about: About,
    /// `[push]`: the push service.
    pub push: PushSettings,
    /// `[metrics]`: the listeners for OpenMetrics.
    pub metrics: Metrics,
    /// `[federation]`: mail from and to other servers.
    pub federation: Federation,
    /// `[dns]`: the name servers.
    pub dns: Dns,
    /// `[acme]`: the authority that certificates are asked of; none when none is asked.
    pub acme: Option<Acme>,
    /// `[dns_provider]`: the provider of the domain's records, which the server changes by itself.
    pub dns_provider: Option<DnsProvider>,
    /// `[router]`: the router between the server and the internet.
    pub router: Router,
}

impl Config {
    /// The directory of files that live as long as the server runs.
    #[must_use]
    pub fn run_directory(&self) -> PathBuf {
        self.state_directory.join("run")
    }

    /// The control socket's path.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.run_directory().join("control.sock")
    }
}

/// Addresses to listen on, by service; an empty list switches a service off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// IMAP over TLS (RFC 8314).
    pub imaps: Vec<SocketAddr>,
    /// IMAP with STARTTLS (RFC 3501).
    pub imap: Vec<SocketAddr>,
    /// Submission over TLS (RFC 8314).
    pub submissions: Vec<SocketAddr>,
    /// Submission with STARTTLS (RFC 6409).
    pub submission: Vec<SocketAddr>,
    /// HTTPS, IMAP and submission, told apart by ALPN (RFC 7301).
    pub https: Vec<SocketAddr>,
    /// HTTP.
    pub http: Vec<SocketAddr>,
    /// Mail from other servers: SMTP with STARTTLS (RFC 5321).
    pub smtp: Vec<SocketAddr>,
}

/// The source of the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// The server signs its own; its key never changes.
    SelfSigned {
        /// Subject alternative names besides the domain: host names and IP addresses.
        names: Vec<String>,
    },
    /// Two PEM files.
    Files {
        /// The chain, the server's own certificate first.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// Bounds of one message, account or client, and of all together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of one message, in bytes.
    pub message_size: u64,
    /// The storage of one account, in bytes.
    pub quota: u64,
    /// The pace at which an account may send.
    pub send_rate: SendRate,
    /// The pace at which another domain, or another network, may send mail here.
    pub inbound_rate: SendRate,
    /// Recipients of one message.
    pub recipients: u32,
    /// The lengths of names and passwords of new accounts.
    pub accounts: AccountRules,
    /// Open connections in all.
    pub connections: u32,
    /// Open connections from one network: an IPv4 address, or a /64 of IPv6.
    pub connections_per_address: u32,
    /// Open connections of one account that have logged in.
    pub connections_per_account: u32,
    /// Free disk below which no account is created, in bytes.
    pub registration_free_disk: u64,
    /// Available memory below which no account is created, in bytes.
    pub registration_free_memory: u64,
}

/// The host and ports in links, where they differ from those listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// The host that clients connect to; the domain, when none is given.
    pub host: Option<String>,
    /// The port of IMAP over TLS; the one listened on, when none is given.
    pub imap_port: Option<u16>,
    /// The port of submission over TLS; the one listened on, when none is given.
    pub smtp_port: Option<u16>,
    /// The port of HTTP in the links of invites; the one listened on, when none is given.
    pub http_port: Option<u16>,
    /// The port of HTTPS in those links and in the autoconfiguration; the one listened on, when none is given.
    pub https_port: Option<u16>,
}

/// The owner's texts about the server, each one line without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// `/shared/comment` (RFC 5464 section 6.2.1).
    pub comment: Option<String>,
    /// `/shared/admin` (RFC 5464 section 6.2.1), a URI.
    pub admin: Option<String>,
}

/// The push service, which wakes phones when a message comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSettings {
    /// The URI that notifications are posted to; none switches push off.
    pub service: Option<Uri>,
    /// The root certificates to trust besides the machine's.
    pub roots: Option<Roots>,
}

/// The listeners for OpenMetrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Addresses to serve `/metrics` on, by plain HTTP; an empty list switches it off.
    pub listen: Vec<SocketAddr>,
}

/// Mail from and to other servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federation {
    /// The servers that mail is sent to.
    pub outbound: Outbound,
    /// A provider that relays our mail.
    pub smarthost: Option<Smarthost>,
    /// Whether servers in private networks get mail, too.
    pub private_networks: bool,
    /// The root certificates to trust besides the machine's.
    pub roots: Option<Roots>,
    /// The domains and addresses whose mail is refused.
    pub blocked: BlockList,
}

/// The servers that mail is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// None: mail stays on this server.
    Off,
    /// Chatmail relays: servers that take `POST /mxdeliv`.
    Relays,
    /// Every mail server that encrypts the connection.
    All,
}

/// A provider that relays our mail (RFC 6409).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smarthost {
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS comes before the first byte (RFC 8314); by STARTTLS otherwise.
    pub implicit_tls: bool,
    /// User name and password.
    pub login: Option<(String, Secret)>,
    /// Whether it gets all mail, or that for servers which are no chatmail relays only.
    pub for_relays: bool,
}

/// The name servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Recursive name servers; the machine's, when there is none here.
    pub servers: Vec<NameServer>,
    /// Name servers that pass signatures on (RFC 4035), for TLSA records; without any there is no DANE.
    pub validating: Vec<NameServer>,
    /// The keys of the root zone by which their answers are proven, as DNSKEY records in a zone file's notation; those that
    /// IANA publishes, when there is none here.
    pub root_keys: Option<String>,
}

/// A recursive name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Its address and port.
    pub address: SocketAddr,
    /// The name in its certificate, for DNS over TLS (RFC 7858).
    pub tls_name: Option<String>,
}

/// The authority that certificates are asked of (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// Its directory.
    pub directory: AcmeDirectory,
    /// The URI at which it reaches the owner.
    pub contact: Option<String>,
    /// The root certificates to trust besides the machine's, when it is asked.
    pub roots: Option<Roots>,
}

/// The directory of an authority (RFC 8555 section 7.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcmeDirectory {
    /// Let's Encrypt.
    LetsEncrypt,
    /// Let's Encrypt's for trying: no client believes its certificates.
    LetsEncryptStaging,
    /// Another authority's, by its URL.
    Url(String),
}

/// The provider of the domain's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsProvider {
    /// deSEC's API.
    Desec {
        /// The token.
        token: Secret,
        /// The API's base, if it is not deSEC's own.
        url: Option<String>,
    },
    /// DuckDNS.
    DuckDns {
        /// The token.
        token: Secret,
        /// The base, if it is not DuckDNS's own.
        url: Option<String>,
    },
    /// The dyndns2 protocol.
    DynDns2 {
        /// The URL for updates, perhaps with a password in it.
        url: Secret,
        /// User and password.
        login: Option<(String, Secret)>,
    },
    /// Dynamic updates (RFC 2136) that are signed (RFC 8945).
    Rfc2136 {
        /// The primary server.
        server: SocketAddr,
        /// The zone, if it is not to be asked for.
        zone: Option<String>,
        /// The key's name.
        key_name: String,
        /// The key's algorithm.
        key_algorithm: TsigAlgorithm,
        /// The key in base64.
        key: Secret,
    },
}

/// The algorithm of a TSIG key (RFC 8945 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
}

/// The router between the server and the internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// Whether it is asked to forward the server's ports.
    pub port_mapping: bool,
    /// The URL of a service that answers with the address that it is asked from.
    pub address_service: Option<String>,
}
