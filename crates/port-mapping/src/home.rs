//! The way to the home's routers, as the kernel's routing table has it. Read by netlink, which any process may ask: unlike
//! the files below /proc/net it tells of IPv6 addresses which are deprecated or change daily.

use std::net::IpAddr;

use network::netlink::{Gateway, InterfaceAddress, Netlink, Usability};

use crate::router::Route;
use crate::words::{Family, family};

/// The home's routers, one for each family of addresses at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// The way to the IPv4 router.
    pub v4: Option<Route>,
    /// The way to the IPv6 router, for this machine's stable public address.
    pub v6: Option<Route>,
}

impl Home {
    /// Reads the routing table and the addresses. The kernel answers at once.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket, or does not answer with lists.
    pub fn read() -> Result<Self, network::Error> {
        let mut netlink = Netlink::open()?;
        Ok(Self::choose(&netlink.gateways()?, &netlink.addresses()?))
    }

    /// The way of a family.
    #[must_use]
    pub fn route(&self, family: Family) -> Option<Route> {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    fn choose(gateways: &[Gateway], addresses: &[InterfaceAddress]) -> Self {
        let route = |wanted: Family| {
            let mut gateways: Vec<_> =
                gateways.iter().filter(|gateway| family(gateway.address) == wanted).collect();
            gateways.sort_by_key(|gateway| gateway.priority);
            gateways.into_iter().find_map(|gateway| {
                let own = own_address(gateway, addresses)?;
                Some(Route { own, router: gateway.address, interface: gateway.index })
            })
        };
        Self { v4: route(Family::V4), v6: route(Family::V6) }
    }
}

/// The address by which this machine speaks with a router: of IPv4 one in its network, if there is one, of IPv6 one that
/// others can reach.
fn own_address(gateway: &Gateway, addresses: &[InterfaceAddress]) -> Option<IpAddr> {
    let is_usable = |address: &&InterfaceAddress| {
        address.index == gateway.index
            && address.usability == Usability::Global
            && family(address.address) == family(gateway.address)
            && is_reachable(address.address)
    };
    let usable = || addresses.iter().filter(is_usable);
    let near = usable().find(|address| address.address.is_ipv4() && address.is_near(gateway.address));
    near.or_else(|| usable().next()).map(|address| address.address)
}

/// Whether an IPv6 address is a global unicast one (2000::/3, RFC 4291 section 2.4, IANA's registry); an IPv4 router
/// translates any.
fn is_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => matches!(address.segments(), [first, ..] if first & 0xe000 == 0x2000),
    }
}

#[cfg(test)]
mod tests {
    use network::netlink::{Gateway, InterfaceAddress, Usability};

    use super::Home;
    use crate::router::Route;

    fn gateway(index: u32, address: &str, priority: u32) -> Gateway {
        Gateway { index, address: address.parse().unwrap(), priority }
    }

    fn address(index: u32, address: &str, prefix: u8) -> InterfaceAddress {
        let address = address.parse().unwrap();
        InterfaceAddress { index, address, prefix, usability: Usability::Global }
    }

    fn route(own: &str, router: &str, interface: u32) -> Option<Route> {
        Some(Route { own: own.parse().unwrap(), router: router.parse().unwrap(), interface })
    }

    #[test]
    fn the_routers_of_both_families_and_our_addresses_towards_them_are_chosen() {
        let gateways = [
            gateway(3, "10.0.0.1", 600),
            gateway(2, "192.168.1.1", 100),
            gateway(2, "fe80::1", 1024),
            gateway(4, "fe80::2", 5),
        ];
        let addresses = [
            address(3, "10.0.0.7", 24),
            address(2, "172.16.0.7", 16),
            address(2, "192.168.1.7", 24),
            InterfaceAddress { usability: Usability::Restricted, ..address(2, "2001:db8::9", 64) },
            address(2, "fd00::7", 64),
            address(2, "2001:db8::7", 64),
        ];
        let home = Home::choose(&gateways, &addresses);
        assert_eq!(home.v4, route("192.168.1.7", "192.168.1.1", 2));
        assert_eq!(home.v6, route("2001:db8::7", "fe80::1", 2));
        let on_link = Home::choose(&gateways[1..2], &addresses[1..2]);
        assert_eq!(on_link.v4, route("172.16.0.7", "192.168.1.1", 2));
        assert_eq!(Home::choose(&gateways, &[]), Home::default());
        assert_eq!(Home::choose(&[], &addresses), Home::default());
    }

    #[test]
    fn the_kernel_is_asked_without_privileges() {
        Home::read().unwrap();
    }
}
