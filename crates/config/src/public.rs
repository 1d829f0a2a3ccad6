//! Domains that mean the same everywhere, so that other servers can find this one by them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mail_types::Domain;

/// Domains that are nobody's, or each household's own: RFC 6761, RFC 6762 appendix G, RFC 8375, RFC 7686, and names that
/// home routers give.
const PRIVATE: [&str; 12] = [
    "local",
    "localhost",
    "test",
    "example",
    "invalid",
    "lan",
    "home",
    "internal",
    "home.arpa",
    "localdomain",
    "onion",
    "fritz.box",
];

/// True when other servers may find a server by this domain: a host name with a dot that is not of a home's own kind,
/// or an address that is routed everywhere.
#[must_use]
pub fn is_public(domain: &Domain) -> bool {
    match domain {
        Domain::Name(name) => name.contains('.') && !PRIVATE.iter().any(|private| is_below(name, private)),
        Domain::Ipv4(address) => is_routed((*address).into()),
        Domain::Ipv6(address) => is_routed((*address).into()),
    }
}

/// True for a name that no authority knows: of multicast DNS, without a dot, or with an underscore, which is in no host
/// name (RFC 952).
pub(crate) fn is_of_a_home(domain: &Domain) -> bool {
    matches!(domain, Domain::Name(name) if !name.contains('.') || name.contains('_') || is_below(name, "local"))
}

/// True for a domain below another.
fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|labels| labels.ends_with('.'))
}

/// True for addresses that are neither of a machine, a link or a house nor reserved for documentation (RFC 6890).
#[must_use]
pub fn is_routed(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !(is_special_v4(address) || address.is_multicast()),
        IpAddr::V6(address) => !(is_special_v6(address) || address.is_multicast()),
    }
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    // RFC 791 "this network", RFC 1112 class E, RFC 6890 IETF, RFC 2544 benchmarks.
    first == 0
        || first >= 240
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && second & 0xfe == 18)
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_documentation()
        || address.is_broadcast()
        // RFC 6598: addresses behind a provider's translation.
        || (first == 100 && second & 0xc0 == 64)
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || (first == 0x2001 && second == 0x0db8)
        // RFC 4291 compatible ones, RFC 3879 site-local, RFC 3056 6to4, RFC 6052: each leads to another address.
        || address.segments().iter().take(6).all(|segment| *segment == 0)
        || first & 0xffc0 == 0xfec0
        || first == 0x2002
        || (first == 0x64 && second == 0xff9b)
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn a_name_or_an_address_of_the_internet_is_public() {
        for (domain, expected) in [
            ("chat.example.org", true),
            ("_chat.example.org", true),
            ("hearth-1a2b.local", false),
            ("hearth", false),
            ("box.test", false),
            ("local", false),
            ("notlocal.org", true),
            ("box.home.arpa", false),
            ("[8.8.8.8]", true),
            ("[192.168.1.2]", false),
            ("[100.64.0.1]", false),
            ("[100.128.0.1]", true),
            ("[IPv6:2606:4700::1]", true),
            ("[IPv6:fd00::1]", false),
            ("[0.1.2.3]", false),
            ("[240.0.0.1]", false),
            ("[192.0.0.8]", false),
            ("[198.18.0.1]", false),
            ("[IPv6:64:ff9b::7f00:1]", false),
            ("[IPv6:2002:7f00:1::1]", false),
            ("[IPv6:fec0::1]", false),
            ("[IPv6:::127.0.0.1]", false),
            ("[IPv6:::ffff:10.0.0.1]", false),
        ] {
            assert_eq!(is_public(&domain.parse().unwrap()), expected, "{domain}");
        }
    }
}
