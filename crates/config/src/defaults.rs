//! Every default of the configuration that is not a rule's own, named, with its reason. `hearth.sample.toml` repeats
//! them; a test compares.

use std::net::{Ipv6Addr, SocketAddr};

use relay_policy::Registration;

/// The mail domain of a box without a configured one; `.local` names are resolved by multicast DNS (RFC 6762).
pub(crate) const DOMAIN: &str = "hearth.local";
/// Accounts are created by the button of the box: it serves a household, not the public.
pub(crate) const REGISTRATION: Registration = Registration::Pairing;
/// The directory of a service's state (Filesystem Hierarchy Standard 3.0 section 5.8).
pub(crate) const STATE_DIRECTORY: &str = "/var/lib/hearth";

/// IMAP over TLS (RFC 8314).
pub(crate) const IMAPS_PORT: u16 = 993;
/// IMAP with STARTTLS (RFC 3501).
pub(crate) const IMAP_PORT: u16 = 143;
/// Submission over TLS (RFC 8314).
pub(crate) const SUBMISSIONS_PORT: u16 = 465;
/// Submission with STARTTLS (RFC 6409).
pub(crate) const SUBMISSION_PORT: u16 = 587;
/// HTTPS, and by ALPN also IMAP and SMTP: one port to forward on a home router.
pub(crate) const HTTPS_PORT: u16 = 443;
/// HTTP, for the household's network.
pub(crate) const HTTP_PORT: u16 = 80;

/// SMTP between servers (RFC 5321 section 4.5.4.2).
pub(crate) const SMTP_PORT: u16 = 25;

/// 30 MiB, as on every chatmail relay: an attachment of 18 MiB fits with its encoding.
pub(crate) const MESSAGE_SIZE: u64 = 31_457_280;
/// 500 MiB an account, as on public relays.
pub(crate) const QUOTA: u64 = 524_288_000;
/// Messages from one domain, or one network, a minute in the long run: as many as a whole household sends.
pub(crate) const INBOUND_PER_MINUTE: u32 = 300;
/// Messages from one domain, or one network, at once: what another relay has kept while this one was down.
pub(crate) const INBOUND_BURST: u32 = 1000;
/// Recipients of one message, told to clients as `maxsmtprecipients`.
pub(crate) const RECIPIENTS: u32 = 1000;
/// Open connections in all; fewer where the machine's memory does not bear so many at their worst.
pub(crate) const CONNECTIONS: u32 = 2000;
/// Open connections from one network, which a household behind one router shares.
pub(crate) const CONNECTIONS_PER_ADDRESS: u32 = 200;
/// Open connections of one account: a dozen devices with four or five each.
pub(crate) const CONNECTIONS_PER_ACCOUNT: u32 = 64;
/// 64 MiB of free disk, below which no account is created, so that the existing ones can go on.
pub(crate) const REGISTRATION_FREE_DISK: u64 = 67_108_864;
/// 32 MiB of available memory, below which no account is created.
pub(crate) const REGISTRATION_FREE_MEMORY: u64 = 33_554_432;

/// The push service that the apps' tokens are encrypted to (chatmail/notifiers).
pub(crate) const PUSH_URL: &str = "https://notifications.delta.chat/notify";

/// A port on all addresses of the machine: an IPv6 socket that takes IPv4 as well (RFC 3493 section 5.3).
pub(crate) fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))]
}
