//! The network of a client, as far as its address tells.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network of an address: with IPv4 the address itself, with IPv6 its /64, of which a host may take any address. The
/// machine's own address stays what it is.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(peer) if !peer.is_loopback() => Ipv6Addr::from_bits(peer.to_bits() >> 64 << 64).into(),
        peer => peer,
    }
}

/// The neighbourhood of an address, which one hand may hold: with IPv4 its /24, with IPv6 its /48.
pub(crate) fn neighbourhood(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(peer) => Ipv4Addr::from_bits(peer.to_bits() >> 8 << 8).into(),
        IpAddr::V6(peer) => Ipv6Addr::from_bits(peer.to_bits() >> 80 << 80).into(),
    }
}
