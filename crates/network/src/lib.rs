//! The box's place in the home network: addresses by DHCP, routes and addresses set by netlink, its name by multicast
//! DNS. Knows nothing of mail and of what its caller does with the addresses.
//!
//! What decides is pure and is told the time: [`dhcp::Client`], [`mdns::Responder`], the message codecs. What touches the
//! network is [`netlink::Netlink`], `packet_socket`, and the loops [`configuration::follow`] and [`mdns::answer`].
#![forbid(unsafe_code)]

mod clock;
pub mod configuration;
pub mod dhcp;
pub mod mdns;
pub mod netlink;
mod packet_socket;

/// What can go wrong with the network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A socket could not be had or used.
    #[error("cannot {doing}: {source}")]
    Socket {
        /// What was being done.
        doing: &'static str,
        /// The kernel's word.
        source: std::io::Error,
    },
    /// The kernel refused a change by netlink.
    #[error("the kernel refuses to {doing}: {source}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The kernel's word.
        source: std::io::Error,
    },
    /// The kernel answered something that is no netlink message.
    #[error("the kernel's answer makes no sense while trying to {doing}")]
    Nonsense {
        /// What was being done.
        doing: &'static str,
    },
}
