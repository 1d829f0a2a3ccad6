//! The words of the crate: wanted ports, the ways to ask, what a router grants or refuses.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

/// A port that others are to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedPort {
    /// The transport protocol.
    pub transport: Transport,
    /// The port at the router's external address, as others know it.
    pub external: NonZeroU16,
    /// The port on which this machine listens.
    pub internal: NonZeroU16,
}

impl WantedPort {
    /// A TCP port of the same number inside and outside; `None` for 0.
    #[must_use]
    pub fn tcp(port: u16) -> Option<Self> {
        let port = NonZeroU16::new(port)?;
        Some(Self { transport: Transport::Tcp, external: port, internal: port })
    }

    /// A UDP port of the same number inside and outside; `None` for 0.
    #[must_use]
    pub fn udp(port: u16) -> Option<Self> {
        Some(Self { transport: Transport::Udp, ..Self::tcp(port)? })
    }
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4, where the router translates addresses.
    V4,
    /// IPv6, where the router has a firewall at most.
    V6,
}

/// The family of an address.
#[must_use]
pub fn family(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// A protocol by which a router is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// The Port Control Protocol (RFC 6887).
    Pcp,
    /// The NAT Port Mapping Protocol (RFC 6886); IPv4 only.
    NatPmp,
    /// UPnP's Internet Gateway Device, version 1 or 2; for IPv6 its firewall control (`WANIPv6FirewallControl:1`).
    Upnp,
}

impl Method {
    /// The protocol's name, as routers' settings have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        }
    }
}

/// The secret by which a router knows the client that has made a mapping (RFC 6887 section 11.2). One for all mappings
/// of a box; kept over a restart, since the router refuses a renewal with another one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub(crate) [u8; 12]);

impl Nonce {
    /// A nonce of random bytes.
    #[must_use]
    pub fn new(random: [u8; 12]) -> Self {
        Self(random)
    }
}

impl std::fmt::Debug for Nonce {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Nonce(..)")
    }
}

/// The answer to a request for a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The router forwards the port.
    Granted(Granted),
    /// The router does not.
    Refused {
        /// The reason.
        refusal: Refusal,
        /// The router's external address, where it tells that all the same.
        address: Option<IpAddr>,
    },
}

/// A mapping that a router has made or renewed: the wanted external port leads to this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The protocol used.
    pub method: Method,
    /// The external address, as the router tells it; for IPv6 this machine's own.
    pub address: Option<IpAddr>,
    /// The time until the router forgets the mapping; a day for one that it never forgets.
    pub lifetime: Duration,
    /// The sign of whether the router still knows what it was asked before.
    pub sign: Sign,
}

/// A sign of whether a router remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Seconds since the router lost its mappings or, mostly, was started (RFC 6887 section 8.5, RFC 6886 section 3.6).
    Epoch(u32),
    /// The mapping stood in the router's table before.
    Kept,
    /// The mapping was to stand in the router's table, and did not.
    Lost,
    /// No sign.
    None,
}

/// The reason for which a port is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The router speaks a protocol, but may not forward: switched off in its settings, or not for this device or port.
    Policy,
    /// Another device has the port.
    Held {
        /// The other device's address, where the router tells it.
        by: Option<IpAddr>,
    },
    /// The router has no room for more mappings.
    NoResources,
    /// The router says that it is not connected to the internet, or has no address there.
    NoInternet,
    /// The router speaks a protocol, but cannot do this, or fails.
    Failed,
    /// Nothing answers: there is no router that speaks any of the protocols.
    NoRouter,
}
