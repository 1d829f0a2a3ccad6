//! The network of a client, as far as its address tells.

use std::net::{IpAddr, Ipv6Addr};

/// The network of an address: with IPv4 the address itself, with IPv6 its /64, of which a host may take any address.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(peer) => Ipv6Addr::from_bits(peer.to_bits() >> 64 << 64).into(),
        peer => peer,
    }
}
