//! The messages of the network's processes to `hearth init`: one JSON object a line, on their standard output.
//!
//! These processes read packets from any host on the network, so their messages are claims: init takes over no more than
//! the limits below, nothing but addresses in the lists of addresses, and from each process nothing but its own task's
//! messages. There are no messages the other way; a process gets its parameters on its command line, the text of a
//! `wireguard.conf` on its standard input, and ends when its standard output is closed.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// The longest line, in bytes.
pub const LINE_LIMIT: usize = 16 * 1024;
/// The most addresses that init takes over: eight interfaces with a few IPv6 prefixes each.
pub const ADDRESSES_LIMIT: usize = 64;
/// The most name servers that init takes over: `MAXNS` of `<resolv.h>`, since the C library reads no more.
pub const RESOLVERS_LIMIT: usize = 3;

/// The most time servers that init takes over.
pub const TIME_SERVERS_LIMIT: usize = 4;

/// From a network process to `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromNetwork {
    /// The complete list of the box's own addresses, link-local ones excepted.
    Addresses(Vec<IpAddr>),
    /// The complete list of the name servers.
    Resolvers(Vec<Ipv4Addr>),
    /// The complete list of the time servers of the home's network.
    TimeServers(Vec<Ipv4Addr>),
    /// The clock is right, or being slewed by half a second at most.
    Synchronised(Synchronised),
    /// The state of the tunnel, after it has changed and after each handshake.
    Tunnel(Tunnel),
    /// The text of an error that is not final.
    Warning(String),
}

/// A synchronisation of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synchronised {
    /// The kind of servers that have told the time.
    pub source: ClockSource,
    /// The difference that was found, in milliseconds: positive if the clock was behind.
    pub offset: i64,
    /// The number of servers that agree on it.
    pub agreeing: usize,
    /// The number of servers that there are.
    pub servers: usize,
}

/// The kind of servers that have told the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockSource {
    /// Time servers: it is right to fractions of a second.
    TimeServers,
    /// Web servers, by the dates of their answers, since no time server is believed: it is right to about a second.
    WebServers,
}

/// The state of the box's WireGuard tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// Whether anybody is at the other end.
    pub state: TunnelState,
    /// The box's addresses in the tunnel, which are its face to the internet.
    pub addresses: Vec<IpAddr>,
    /// The time of the newest handshake, in seconds since 1970 by the box's clock; none if there was none.
    pub handshake: Option<u64>,
    /// Bytes received through it.
    pub received: u64,
    /// Bytes sent through it.
    pub sent: u64,
}

/// Whether anybody is at the other end of the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TunnelState {
    /// Nothing is known yet.
    Calling,
    /// There was a handshake in the last three minutes.
    Answers,
    /// There was none.
    Silent,
}

impl FromNetwork {
    /// The message without entries that are no address of a host, and cut to the limits.
    #[must_use]
    pub fn bounded(self) -> Self {
        match self {
            Self::Addresses(addresses) => Self::Addresses(hosts(addresses, ADDRESSES_LIMIT)),
            Self::Tunnel(tunnel) => {
                Self::Tunnel(Tunnel { addresses: hosts(tunnel.addresses, ADDRESSES_LIMIT), ..tunnel })
            }
            Self::Resolvers(resolvers) => Self::Resolvers(hosts(resolvers, RESOLVERS_LIMIT)),
            Self::TimeServers(servers) => Self::TimeServers(hosts(servers, TIME_SERVERS_LIMIT)),
            Self::Synchronised(synchronised) => Self::Synchronised(synchronised),
            // As long as its line at most; the log cuts its own lines.
            Self::Warning(text) => Self::Warning(text),
        }
    }
}

pub(crate) fn hosts<A: Copy + Into<IpAddr>>(addresses: Vec<A>, limit: usize) -> Vec<A> {
    addresses.into_iter().filter(|address| is_host((*address).into())).take(limit).collect()
}

/// Loopback is excluded too: to other hosts it means themselves, and no DHCP server can offer a name server there. So are
/// 0.0.0.0/8 and 240.0.0.0/4 (RFC 1122 section 3.2.1.3, RFC 1112 section 4).
fn is_host(address: IpAddr) -> bool {
    let reserved = matches!(address, IpAddr::V4(ipv4) if matches!(ipv4.octets()[0], 0 | 240..));
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback() || reserved)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{ADDRESSES_LIMIT, FromNetwork, RESOLVERS_LIMIT, TIME_SERVERS_LIMIT, Tunnel, TunnelState};

    #[test]
    fn a_list_holds_addresses_of_hosts_only_and_not_too_many() {
        let addresses: Vec<IpAddr> = [
            "0.0.0.0",
            "127.0.0.1",
            "192.0.2.7",
            "224.0.0.251",
            "255.255.255.255",
            "0.1.2.3",
            "240.1.1.1",
            "::",
            "::1",
            "2001:db8::7",
            "ff02::1",
        ]
        .map(|text| text.parse().unwrap())
        .into();
        let expected = vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        assert_eq!(FromNetwork::Addresses(addresses).bounded(), FromNetwork::Addresses(expected));
        let many = vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)); 1000];
        let FromNetwork::Addresses(kept) = FromNetwork::Addresses(many).bounded() else {
            panic!("addresses")
        };
        assert_eq!(kept.len(), ADDRESSES_LIMIT);
        let many = vec![Ipv4Addr::new(192, 0, 2, 1); 1000];
        let FromNetwork::Resolvers(kept) = FromNetwork::Resolvers(many).bounded() else {
            panic!("resolvers")
        };
        assert_eq!(kept.len(), RESOLVERS_LIMIT);
        let many = vec![Ipv4Addr::new(192, 0, 2, 1); 1000];
        let FromNetwork::TimeServers(kept) = FromNetwork::TimeServers(many).bounded() else {
            panic!("time servers")
        };
        assert_eq!(kept.len(), TIME_SERVERS_LIMIT);
        let tunnel = |addresses| Tunnel {
            state: TunnelState::Calling,
            addresses,
            handshake: None,
            received: 0,
            sent: 0,
        };
        let claimed = FromNetwork::Tunnel(tunnel(vec![Ipv4Addr::LOCALHOST.into()]));
        assert_eq!(claimed.bounded(), FromNetwork::Tunnel(tunnel(Vec::new())));
        let none = FromNetwork::Resolvers(vec![Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED]).bounded();
        assert_eq!(none, FromNetwork::Resolvers(Vec::new()));
    }
}
