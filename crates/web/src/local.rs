//! Addresses of the home network: the pairing code is shown to them only.

use std::net::IpAddr;

/// True for addresses of this machine or its own network only: loopback, private (RFC 1918), link-local (RFC 3927,
/// RFC 4291), unique local (RFC 4193). A home's global IPv6 addresses cannot be told apart from others, so a browser that
/// connects from one is not at home; by the box's `.local` name it connects from a local one.
pub(crate) fn is_local(peer: IpAddr) -> bool {
    match peer.to_canonical() {
        IpAddr::V4(peer) => peer.is_loopback() || peer.is_private() || peer.is_link_local(),
        IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local() || peer.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_addresses_of_the_house_are_local() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("192.168.1.20", true),
            ("10.0.2.2", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("100.64.0.1", false),
            ("8.8.8.8", false),
            ("::1", true),
            ("fe80::1", true),
            ("fd12::1", true),
            ("2001:db8::1", false),
            ("::ffff:192.168.1.20", true),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(is_local(address.parse().unwrap()), expected, "{address}");
        }
    }
}
