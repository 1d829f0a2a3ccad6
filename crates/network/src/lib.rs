//! The machine's place in the home network: addresses by DHCP, routes and addresses set by netlink, its host name by
//! multicast DNS, its clock by SNTP and the dates of web servers; and a WireGuard tunnel to a public address. Knows nothing
//! of mail and of what its caller does with the addresses, and speaks no TLS: the caller asks the web servers.
//!
//! Three loops, which share nothing and are meant for a process each:
//!
//! | entry point | does | privileges | reports |
//! |---|---|---|---|
//! | [`configuration::run_configuration`] | DHCP, addresses, routes, tunnel | `CAP_NET_ADMIN`, `CAP_NET_RAW` | [`configuration::Report`] |
//! | [`mdns::run_responder`] | answers for `NAME.local` on UDP port 5353 | none; reads links and addresses by netlink itself | texts of warnings |
//! | [`time::run_time_client`] | asks time servers, or lets web servers be asked, corrects the clock | `CAP_SYS_TIME` | [`time::Report`] |
//!
//! All run in the calling thread for ever, and return an error when their socket to the kernel fails or their report
//! callback does: a child process whose parent has closed the pipe ends with [`Error::Report`]. Port 68 is bound if it may
//! be (`net.ipv4.ip_unprivileged_port_start`, or `CAP_NET_BIND_SERVICE`), and DHCP works without it.
//!
//! All decisions are pure and take the time as an argument: [`dhcp::Client`], [`mdns::Responder`], the crate
//! `time_sync`, the message codecs.
//! Sockets are in [`netlink::Netlink`], `packet_socket`, `udp` and the three loops.
#![forbid(unsafe_code)]

pub mod configuration;
pub mod dhcp;
pub mod dns;
pub mod mdns;
pub mod netlink;
mod packet_socket;
pub mod time;
mod udp;
pub mod wireguard;

/// A failed operation on the network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A socket could not be opened or used.
    #[error("cannot {doing}: {source}")]
    Socket {
        /// The operation, an infinitive.
        doing: &'static str,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The kernel refused a change by netlink, or of its clock.
    #[error("the kernel refuses to {doing}: {source}")]
    Refused {
        /// The operation, an infinitive.
        doing: &'static str,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The kernel's answer is no valid netlink message, or its list has no end.
    #[error("the kernel's answer makes no sense while trying to {doing}")]
    Malformed {
        /// The operation, an infinitive.
        doing: &'static str,
    },
    /// The caller's report callback failed: the receiver of the reports is gone.
    #[error("cannot deliver a report: {source}")]
    Report {
        /// The callback's error.
        source: std::io::Error,
    },
}
