//! The way to the home's routers, as the kernel's routing table has it. Read by netlink, which any process may ask: unlike
//! the files below /proc/net it tells of IPv6 addresses which are deprecated or change daily.

use std::net::{IpAddr, Ipv6Addr};

use network::netlink::{Gateway, InterfaceAddress, Netlink, Usability, address_to_publish};

use crate::router::Route;
use crate::words::{Family, family};

/// The home's routers, one for each family of addresses at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// The way to the IPv4 router.
    pub v4: Option<Route>,
    /// The way to the IPv6 router, for this machine's stable public address.
    pub v6: Option<Route>,
    /// Our IPv6 address of the last way to a router: the name goes on to lead there while a router is away.
    published: Option<Ipv6Addr>,
}

impl Home {
    /// Reads the routing table and the addresses, and stays with our IPv6 address of this one if it can. The kernel answers at
    /// once.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket, or does not answer with lists.
    pub fn read_anew(&self) -> Result<Self, network::Error> {
        let mut netlink = Netlink::open()?;
        Ok(self.choose(&netlink.gateways()?, &netlink.addresses()?))
    }

    /// The way of a family.
    #[must_use]
    pub fn route(&self, family: Family) -> Option<Route> {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    fn choose(&self, gateways: &[Gateway], addresses: &[InterfaceAddress]) -> Self {
        let route = |wanted: Family| {
            let mut gateways: Vec<_> =
                gateways.iter().filter(|gateway| family(gateway.address) == wanted).collect();
            gateways.sort_by_key(|gateway| gateway.priority);
            gateways.into_iter().find_map(|gateway| {
                let own = self.own_address(gateway, addresses)?;
                Some(Route { own, router: gateway.address, interface: gateway.index })
            })
        };
        let v6 = route(Family::V6);
        let published = v6.and_then(|route| match route.own {
            IpAddr::V4(_) => None,
            IpAddr::V6(own) => Some(own),
        });
        Self { v4: route(Family::V4), v6, published: published.or(self.published) }
    }

    /// The address by which this machine speaks with a router: of IPv4 one in its network, if there is one, of IPv6 the one to
    /// which the name leads.
    fn own_address(&self, gateway: &Gateway, addresses: &[InterfaceAddress]) -> Option<IpAddr> {
        let there = || addresses.iter().filter(|address| address.index == gateway.index);
        match family(gateway.address) {
            Family::V4 => {
                let usable =
                    || there().filter(|own| own.usability == Usability::Global && own.address.is_ipv4());
                let near = usable().find(|own| own.is_near(gateway.address));
                near.or_else(|| usable().next()).map(|own| own.address)
            }
            Family::V6 => address_to_publish(there(), self.published).map(IpAddr::from),
        }
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
            InterfaceAddress { usability: Usability::Restricted, ..address(2, "2003:c0::9", 64) },
            address(2, "fd00::7", 64),
            address(2, "2003:c0::7", 64),
        ];
        let home = Home::default().choose(&gateways, &addresses);
        assert_eq!(home.v4, route("192.168.1.7", "192.168.1.1", 2));
        assert_eq!(home.v6, route("2003:c0::7", "fe80::1", 2));
        let on_link = Home::default().choose(&gateways[1..2], &addresses[1..2]);
        assert_eq!(on_link.v4, route("172.16.0.7", "192.168.1.1", 2));
        assert_eq!(Home::default().choose(&gateways, &[]), Home::default());
        assert_eq!(Home::default().choose(&[], &addresses), Home::default());
    }

    #[test]
    fn the_ipv6_router_opens_for_the_address_that_the_name_leads_to() {
        let gateways = [gateway(2, "fe80::1", 1024)];
        let first = [address(2, "2003:c0::1:2:3:4", 64), address(2, "2003:c0::ba27:ebff:fe12:3456", 64)];
        let home = Home::default().choose(&gateways, &first);
        assert_eq!(home.v6, route("2003:c0::ba27:ebff:fe12:3456", "fe80::1", 2));
        let more =
            [address(2, "2003:c0::1", 64), first[0].clone(), address(2, "2003:c1::ba27:ebff:fe12:3456", 64)];
        assert_eq!(home.choose(&gateways, &more).v6, route("2003:c1::ba27:ebff:fe12:3456", "fe80::1", 2));
        // The router was away for a moment, and a better address has come meanwhile.
        let both = [first[0].clone(), first[1].clone()];
        let alone = Home::default().choose(&gateways, &first[..1]);
        let away = alone.choose(&[], &both);
        assert_eq!((away.v6, away.choose(&gateways, &both).v6), (None, alone.v6));
        let documentation = [address(2, "2001:db8::7", 64)];
        assert_eq!(home.choose(&gateways, &documentation).v6, None, "no name leads there");
    }

    #[test]
    fn the_kernel_is_asked_without_privileges() {
        Home::default().read_anew().unwrap();
    }
}
