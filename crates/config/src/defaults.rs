//! Every default of the configuration, named, with its reason. `hearth.sample.toml` repeats them; a test compares.

use std::net::{Ipv6Addr, SocketAddr};

use relay_policy::Registration;

/// The mail domain of a box that nobody has named yet; `.local` names are found by multicast DNS at home.
pub(crate) const DOMAIN: &str = "hearth.local";
/// A household's box lets people in by its button (DESIGN decision 13).
pub(crate) const REGISTRATION: Registration = Registration::Pairing;
/// Where the file system hierarchy standard puts a service's state.
pub(crate) const STATE_DIRECTORY: &str = "/var/lib/hearth";

/// IMAP over TLS (RFC 8314).
pub(crate) const IMAPS_PORT: u16 = 993;
/// IMAP with STARTTLS (RFC 3501).
pub(crate) const IMAP_PORT: u16 = 143;
/// Submission over TLS (RFC 8314).
pub(crate) const SUBMISSIONS_PORT: u16 = 465;
/// Submission with STARTTLS (RFC 6409).
pub(crate) const SUBMISSION_PORT: u16 = 587;
/// HTTPS, and by ALPN also IMAP and SMTP (DESIGN decision 11).
pub(crate) const HTTPS_PORT: u16 = 443;
/// HTTP, for the household's network.
pub(crate) const HTTP_PORT: u16 = 80;

/// 30 MiB, what every chatmail relay takes: an attachment of 18 MiB fits with its encoding.
pub(crate) const MESSAGE_SIZE: u64 = 31_457_280;
/// 500 MiB a mailbox, as on public relays.
pub(crate) const QUOTA: u64 = 524_288_000;
/// Messages a minute and account in the long run.
pub(crate) const SENDS_PER_MINUTE: u32 = 60;
/// Messages an account may send at once before the long run counts.
pub(crate) const SEND_BURST: u32 = 10;
/// Recipients of one message, told to clients as `maxsmtprecipients`.
pub(crate) const RECIPIENTS: u32 = 1000;
/// All connections together, where memory bears so many at their worst (`serve::machine_resources`).
pub(crate) const CONNECTIONS: u32 = 2000;
/// Connections from one address; a household behind one router shares it.
pub(crate) const CONNECTIONS_PER_ADDRESS: u32 = 200;
/// New accounts need this much free disk, so that those who are here can go on: 64 MiB.
pub(crate) const REGISTRATION_FREE_DISK: u64 = 67_108_864;
/// New accounts need this much available memory: 32 MiB.
pub(crate) const REGISTRATION_FREE_MEMORY: u64 = 33_554_432;

/// The service that Delta Chat's makers run; the apps' tokens are encrypted to it (chatmail-protocol note section 7).
pub(crate) const PUSH_URL: &str = "https://notifications.delta.chat/notify";

/// A port on all addresses of the machine, IPv4 included.
pub(crate) fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))]
}
