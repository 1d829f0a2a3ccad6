//! The IPv6 address to publish, of those that a machine has.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};

use super::{InterfaceAddress, Usability};

/// The bits of the interface identifier (RFC 4291 section 2.5.1), which stays when the prefix changes.
const SUFFIX_MASK: u128 = u64::MAX as u128;

/// The one of these addresses under which others should find the machine by IPv6; none if none is routed everywhere.
/// Temporary and deprecated ones are never taken. The name leads to it and the router's firewall opens for it, so all who
/// choose have to choose here.
///
/// The previous one stays for as long as it is there. Otherwise one with the suffix of the previous one comes first (the same
/// interface identifier below a new prefix), then one that is made of the interface's hardware address.
#[must_use]
pub fn address_to_publish<'a>(
    addresses: impl IntoIterator<Item = &'a InterfaceAddress>,
    previous: Option<Ipv6Addr>,
) -> Option<Ipv6Addr> {
    let rank = |address: &Ipv6Addr| {
        (
            previous == Some(*address),
            previous.is_some_and(|previous| suffix(previous) == suffix(*address)),
            is_of_hardware(*address),
            Reverse(*address),
        )
    };
    let lasting = addresses.into_iter().filter(|found| found.usability == Usability::Global);
    let six = lasting.filter_map(|found| match found.address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(address),
    });
    six.filter(|address| is_global_unicast(*address)).max_by_key(rank)
}

/// Whether an address is routed everywhere: in 2000::/3, the only space that is given out (RFC 4291 section 2.4), but not for
/// protocols (2001::/23: Teredo and others, RFC 2928), of 6to4 (2002::/16, RFC 7526) or for documentation (2001:db8::/32 and
/// 3fff::/20, RFC 3849 and RFC 9637). Unique local addresses (RFC 4193) are none of it.
fn is_global_unicast(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let special = match first {
        0x2001 => second < 0x0200 || second == 0x0db8,
        0x2002 => true,
        0x3fff => second < 0x1000,
        _ => false,
    };
    first & 0xe000 == 0x2000 && !special
}

fn suffix(address: Ipv6Addr) -> u128 {
    address.to_bits() & SUFFIX_MASK
}

/// Whether the suffix is a modified EUI-64 made of a hardware address (RFC 4291 appendix A).
fn is_of_hardware(address: Ipv6Addr) -> bool {
    let [.., third, fourth, _] = address.segments().map(u16::to_be_bytes);
    third[1] == 0xff && fourth[0] == 0xfe
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::{InterfaceAddress, Usability, address_to_publish, is_global_unicast};

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn interface(text: &str, usability: Usability) -> InterfaceAddress {
        InterfaceAddress { index: 2, address: ip(text).into(), prefix: 64, usability }
    }

    #[track_caller]
    fn check(addresses: &[&str], previous: Option<&str>, expected: Option<&str>) {
        let lasting = |text: &&str| interface(text, Usability::Global);
        let addresses: Vec<_> = addresses.iter().map(lasting).collect();
        assert_eq!(address_to_publish(&addresses, previous.map(ip)), expected.map(ip));
    }

    #[test]
    fn only_addresses_that_are_routed_everywhere_are_published() {
        for text in [
            "::1",
            "fe80::1",
            "fd12::1",
            "fc00::1",
            "ff02::1",
            "::ffff:8.8.8.8",
            "2001:db8::1",
            "3fff::1",
            "2002:808:808::1",
            "2001::1",
            "4000::1",
            "64:ff9b::808:808",
        ] {
            assert!(!is_global_unicast(ip(text)), "{text}");
            check(&[text], None, None);
        }
        for text in ["2001:470::1", "2606:4700::1", "2a02:8071::1", "2003:c0::1", "3ffe::1"] {
            assert!(is_global_unicast(ip(text)), "{text}");
        }
        check(&[], Some("2606:4700::1"), None);
    }

    #[test]
    fn the_suffix_is_kept_below_a_new_prefix() {
        let new = ["2003:c1::1:2:3:4", "2003:c1::ba27:ebff:fe12:3456", "2003:c1::9"];
        check(&new, Some("2003:c0::9"), Some("2003:c1::9"));
        check(&new, None, Some("2003:c1::ba27:ebff:fe12:3456"));
        check(&new, Some("2003:c1::1:2:3:4"), Some("2003:c1::1:2:3:4"));
    }

    #[test]
    fn an_address_stays_while_it_is_there() {
        let both = ["2003:c0::9", "2003:c1::ba27:ebff:fe12:3456"];
        check(&both, Some("2003:c0::9"), Some("2003:c0::9"));
        check(&both[1..], Some("2003:c0::9"), Some("2003:c1::ba27:ebff:fe12:3456"));
    }

    #[test]
    fn temporary_and_deprecated_addresses_are_left_out() {
        let temporary = interface("2003:c0::aaaa:bbbb:cccc:1", Usability::Restricted);
        let both = [temporary, interface("2003:c0::7", Usability::Global)];
        let previous = Some(ip("2003:c0::aaaa:bbbb:cccc:1"));
        assert_eq!(address_to_publish(&both, previous), Some(ip("2003:c0::7")));
        assert_eq!(address_to_publish(&both[..1], previous), None);
    }
}
