//! The few routing messages that are needed, as bytes (`<linux/netlink.h>`, `<linux/rtnetlink.h>`). No socket here.

use std::net::{IpAddr, Ipv4Addr};

use super::bytes::{
    AF_INET, AF_INET6, IFLA_IFNAME, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, RT_TABLE_MAIN,
    RTA_OIF, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWLINK, RTM_NEWROUTE, attribute, attributes, family, half, ip,
    link_body, octets, request, word,
};
use super::policy::{self, RTM_NEWRULE};
use crate::wireguard::{Network, Rule};

const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

const IFLA_ADDRESS: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;

const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_LOWER_UP: u32 = 0x1_0000;
const ARPHRD_ETHER: u16 = 1;

const RT_SCOPE_UNIVERSE: u8 = 0;
const RTPROT_DHCP: u8 = 16;
/// `IFA_F_DADFAILED`, `IFA_F_DEPRECATED`, `IFA_F_TENTATIVE`.
const UNUSABLE: u32 = 0x08 | 0x20 | 0x40;
/// `IFA_F_TEMPORARY`: a privacy address (RFC 8981), which changes daily and is of no use as a destination.
const TEMPORARY: u32 = 0x01;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's interface index.
    pub index: u32,
    /// The interface's name, such as `eth0`.
    pub name: String,
    /// The kind of device.
    pub kind: LinkKind,
    /// The hardware address, if it has six bytes.
    pub mac: Option<[u8; 6]>,
    /// Whether the interface is switched on (`IFF_UP`).
    pub is_up: bool,
    /// Whether the interface has a carrier (`IFF_LOWER_UP`): a cable with a live device at its other end.
    pub has_carrier: bool,
}

/// The kind of an interface, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// The loopback interface.
    Loopback,
    /// Ethernet, or a device with Ethernet's frames (`ARPHRD_ETHER`).
    Ethernet,
    /// Anything else.
    Other,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The kernel's interface index.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// The prefix length of its network.
    pub prefix: u8,
    /// Whether to announce the address.
    pub usability: Usability,
}

impl InterfaceAddress {
    /// Whether an address is in this one's network.
    #[must_use]
    pub fn is_near(&self, other: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                prefix == 0 || differing.checked_shr(32_u32.saturating_sub(prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                prefix == 0 || differing.checked_shr(128_u32.saturating_sub(prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// An IPv4 default route from a DHCP lease (`RTPROT_DHCP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// The kernel's index of the interface.
    pub index: u32,
    /// The router's address.
    pub gateway: Ipv4Addr,
}

/// A router of a default route, whoever has set it: a DHCP client, a router's advertisement (RFC 4861 section 4.2), a
/// person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The kernel's index of the interface.
    pub index: u32,
    /// The router's address; of IPv6 most often a link-local one, which means something on that interface only.
    pub address: IpAddr,
    /// The route's metric (`RTA_PRIORITY`): the kernel takes the route with the lowest.
    pub priority: u32,
}

/// Whether an address is of use to other machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usability {
    /// Of global scope, valid, and no privacy address.
    Global,
    /// Of link or host scope, tentative, deprecated, or a privacy address.
    Restricted,
}

/// A message from the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Link(Link),
    Address(InterfaceAddress),
    /// A default route of the main table, with its origin (`rtm_protocol`).
    Route(Gateway, u8),
    /// A route of the tunnel's table: the index of its interface, and its destination.
    TunnelRoute(u32, Network),
    /// A rule of the tunnel's.
    Rule(Rule),
    /// A message of another type.
    Other,
}

pub(super) fn list_links(sequence: u32) -> Vec<u8> {
    request(RTM_GETLINK, NLM_F_DUMP, sequence, &link_body(0, 0, 0))
}

pub(super) fn list_addresses(sequence: u32) -> Vec<u8> {
    request(RTM_GETADDR, NLM_F_DUMP, sequence, &[0; 8])
}

/// The routes of a family, or of both (0).
pub(super) fn list_routes(sequence: u32, family: u8) -> Vec<u8> {
    let mut body = [0; 12];
    body[0] = family;
    request(RTM_GETROUTE, NLM_F_DUMP, sequence, &body)
}

pub(super) fn set_up(sequence: u32, index: u32) -> Vec<u8> {
    request(RTM_NEWLINK, NLM_F_ACK, sequence, &link_body(index, IFF_UP, IFF_UP))
}

pub(super) fn add_address(sequence: u32, index: u32, address: IpAddr, prefix: u8) -> Vec<u8> {
    let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    request(RTM_NEWADDR, flags, sequence, &address_body(index, address, prefix))
}

pub(super) fn delete_address(sequence: u32, index: u32, address: IpAddr, prefix: u8) -> Vec<u8> {
    request(RTM_DELADDR, NLM_F_ACK, sequence, &address_body(index, address, prefix))
}

pub(super) fn set_default_route(sequence: u32, index: u32, gateway: Ipv4Addr) -> Vec<u8> {
    let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    request(RTM_NEWROUTE, flags, sequence, &route_body(index, gateway))
}

pub(super) fn delete_default_route(sequence: u32, index: u32, gateway: Ipv4Addr) -> Vec<u8> {
    request(RTM_DELROUTE, NLM_F_ACK, sequence, &route_body(index, gateway))
}

/// `struct ifaddrmsg` and its attributes.
fn address_body(index: u32, address: IpAddr, prefix: u8) -> Vec<u8> {
    let mut body = vec![family(address), prefix, 0, RT_SCOPE_UNIVERSE];
    body.extend(index.to_ne_bytes());
    attribute(&mut body, IFA_LOCAL, &octets(address));
    attribute(&mut body, IFA_ADDRESS, &octets(address));
    if let IpAddr::V4(address) = address
        && prefix < 31
    {
        let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        attribute(&mut body, IFA_BROADCAST, &(u32::from(address) | host).to_be_bytes());
    }
    body
}

/// `struct rtmsg` of a default route and its attributes. Each interface has a priority of its own, so that two cables
/// do not fight over one route.
fn route_body(index: u32, gateway: Ipv4Addr) -> Vec<u8> {
    const RTN_UNICAST: u8 = 1;
    /// The gateway counts as reachable although it is outside the network, as some providers' routers are.
    const RTNH_F_ONLINK: u32 = 4;
    const PRIORITY: u32 = 100;
    let mut body = vec![AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_DHCP, RT_SCOPE_UNIVERSE, RTN_UNICAST];
    body.extend(RTNH_F_ONLINK.to_ne_bytes());
    attribute(&mut body, RTA_GATEWAY, &gateway.octets());
    attribute(&mut body, RTA_OIF, &index.to_ne_bytes());
    attribute(&mut body, RTA_PRIORITY, &PRIORITY.saturating_add(index).to_ne_bytes());
    body
}

/// Reads a message. `None` when its bytes make no sense.
pub(super) fn parse(kind: u16, body: &[u8]) -> Option<Message> {
    Some(match kind {
        RTM_NEWLINK => Message::Link(link(body)?),
        RTM_NEWADDR => address(body)?.map_or(Message::Other, Message::Address),
        RTM_NEWROUTE => route(body)?,
        RTM_NEWRULE => policy::rule(body)?.map_or(Message::Other, Message::Rule),
        _ => Message::Other,
    })
}

fn link(body: &[u8]) -> Option<Link> {
    let (hardware, index, flags) = (half(body, 2)?, word(body, 4)?, word(body, 8)?);
    let (mut name, mut mac) = (String::new(), None);
    for (kind, value) in attributes(body.get(16..)?)? {
        match kind {
            IFLA_IFNAME => name = text(value),
            IFLA_ADDRESS => mac = value.try_into().ok(),
            _ => {}
        }
    }
    let kind = match hardware {
        _ if flags & IFF_LOOPBACK != 0 => LinkKind::Loopback,
        ARPHRD_ETHER => LinkKind::Ethernet,
        _ => LinkKind::Other,
    };
    let (is_up, has_carrier) = (flags & IFF_UP != 0, flags & IFF_LOWER_UP != 0);
    Some(Link { index, name, kind, mac, is_up, has_carrier })
}

fn address(body: &[u8]) -> Option<Option<InterfaceAddress>> {
    let [family, prefix, short_flags, scope] = *body.first_chunk()?;
    let index = word(body, 4)?;
    let mut flags = u32::from(short_flags);
    let (mut local, mut peer) = (None, None);
    for (kind, value) in attributes(body.get(8..)?)? {
        match kind {
            IFA_LOCAL => local = ip(family, value),
            IFA_ADDRESS => peer = ip(family, value),
            IFA_FLAGS => flags = word(value, 0)?,
            _ => {}
        }
    }
    // On a point-to-point interface IFA_ADDRESS is the other end.
    Some(local.or(peer).map(|address| {
        let temporary = family == AF_INET6 && flags & TEMPORARY != 0;
        let usable = scope == RT_SCOPE_UNIVERSE && flags & UNUSABLE == 0 && !temporary;
        let usability = if usable { Usability::Global } else { Usability::Restricted };
        InterfaceAddress { index, address, prefix, usability }
    }))
}

fn route(body: &[u8]) -> Option<Message> {
    if let Some((gateway, origin)) = default_route(body)? {
        return Some(Message::Route(gateway, origin));
    }
    let route = policy::tunnel_route(body)?;
    Some(route.map_or(Message::Other, |(index, network)| Message::TunnelRoute(index, network)))
}

/// A default route and its origin; `Some(None)` for a route of another kind.
fn default_route(body: &[u8]) -> Option<Option<(Gateway, u8)>> {
    let [family, prefix, _, _, table, origin, ..] = *body.first_chunk::<12>()?;
    let (mut index, mut address, mut priority) = (None, None, 0);
    for (kind, value) in attributes(body.get(12..)?)? {
        match kind {
            RTA_OIF => index = word(value, 0),
            RTA_GATEWAY => address = ip(family, value),
            RTA_PRIORITY => priority = word(value, 0)?,
            _ => {}
        }
    }
    let is_default = (prefix, table) == (0, RT_TABLE_MAIN);
    let gateway = index.zip(address).filter(|_| is_default);
    Some(gateway.map(|(index, address)| (Gateway { index, address, priority }, origin)))
}

impl Gateway {
    /// The route, if it is one of ours: IPv4, from a lease.
    pub(super) fn leased(self, origin: u8) -> Option<DefaultRoute> {
        match self.address {
            IpAddr::V4(gateway) if origin == RTPROT_DHCP => Some(DefaultRoute { index: self.index, gateway }),
            _ => None,
        }
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::{
        DefaultRoute, Gateway, InterfaceAddress, Link, LinkKind, Message, Usability, add_address, attribute,
        request, set_default_route,
    };
    use crate::netlink::bytes::{frames, outcome};

    const HOME: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 7);

    /// The messages in a datagram, each with its sequence number.
    fn parse(bytes: &[u8]) -> Option<Vec<(u32, Message)>> {
        let frames = frames(bytes)?.into_iter();
        frames.map(|(kind, sequence, body)| Some((sequence, super::parse(kind, body)?))).collect()
    }

    fn link_message(flags: u32) -> Vec<u8> {
        let mut body = vec![0, 0, 1, 0];
        body.extend(2_u32.to_ne_bytes());
        body.extend(flags.to_ne_bytes());
        body.extend(0_u32.to_ne_bytes());
        attribute(&mut body, 3, b"usb0\0");
        attribute(&mut body, 1, &[0xb8, 0x27, 0xeb, 1, 2, 3]);
        attribute(&mut body, 0x8000 | 18, &[1, 2, 3]);
        request(16, 0, 9, &body)
    }

    #[test]
    fn a_link_is_read_with_its_cable() {
        let link = |is_up, has_carrier| {
            let mac = Some([0xb8, 0x27, 0xeb, 1, 2, 3]);
            Message::Link(Link {
                index: 2,
                name: "usb0".to_owned(),
                kind: LinkKind::Ethernet,
                mac,
                is_up,
                has_carrier,
            })
        };
        for (flags, expected) in
            [(0, link(false, false)), (1, link(true, false)), (0x1_0041, link(true, true))]
        {
            assert_eq!(parse(&link_message(flags)), Some(vec![(9, expected)]));
        }
    }

    #[test]
    fn an_address_that_is_set_is_read_back() {
        let [global, restricted] = [0, 0x40].map(|flags| {
            let mut bytes = add_address(3, 2, HOME.into(), 24);
            bytes[18] = flags;
            let messages = parse(&bytes).unwrap();
            let [(3, Message::Address(found))] = &messages[..] else { panic!("{messages:?}") };
            found.clone()
        });
        let expected = |usability| InterfaceAddress { index: 2, address: HOME.into(), prefix: 24, usability };
        assert_eq!(global, expected(Usability::Global));
        assert_eq!(restricted, expected(Usability::Restricted), "deprecated");
    }

    #[test]
    fn the_broadcast_address_ends_in_ones() {
        let bytes = add_address(1, 2, HOME.into(), 20);
        assert!(bytes.windows(8).any(|part| part == [8, 0, 4, 0, 192, 168, 15, 255]));
        let alone = add_address(1, 2, HOME.into(), 32);
        assert_eq!(alone.len(), 16 + 8 + 16, "one address has no broadcast");
    }

    #[test]
    fn a_route_is_aligned_and_has_its_own_length() {
        let bytes = set_default_route(1, 2, HOME);
        assert_eq!(bytes.len(), 16 + 12 + 24);
        assert_eq!(bytes[..4], u32::try_from(bytes.len()).unwrap().to_ne_bytes());
    }

    #[test]
    fn a_route_that_is_set_is_read_back_and_others_are_not() {
        let bytes = set_default_route(1, 2, HOME);
        let gateway = Gateway { index: 2, address: HOME.into(), priority: 102 };
        assert_eq!(parse(&bytes), Some(vec![(1, Message::Route(gateway, 16))]));
        assert_eq!(gateway.leased(16), Some(DefaultRoute { index: 2, gateway: HOME }));
        assert_eq!(gateway.leased(10), None, "another origin");
        for (at, what) in [(16, "IPv6, with an address too short"), (17, "a network"), (20, "another table")]
        {
            let mut other = bytes.clone();
            other[at] = 10;
            assert_eq!(parse(&other), Some(vec![(1, Message::Other)]), "{what}");
        }
    }

    #[test]
    fn an_advertised_router_is_read_with_its_interface() {
        let router: Ipv6Addr = "fe80::1".parse().unwrap();
        let mut body = vec![10, 0, 0, 0, 254, 9, 0, 1, 0, 0, 0, 0];
        attribute(&mut body, 5, &router.octets());
        attribute(&mut body, 4, &3_u32.to_ne_bytes());
        attribute(&mut body, 6, &1024_u32.to_ne_bytes());
        let gateway = Gateway { index: 3, address: router.into(), priority: 1024 };
        assert_eq!(parse(&request(24, 2, 7, &body)), Some(vec![(7, Message::Route(gateway, 9))]));
        assert_eq!(gateway.leased(16), None, "IPv6");
    }

    #[test]
    fn several_messages_come_in_one_datagram() {
        let mut bytes = link_message(1);
        bytes.extend(request(3, 2, 9, &[0; 4]));
        bytes.extend(request(2, 0, 10, &(-17_i32).to_ne_bytes()));
        bytes.extend(request(99, 0, 11, &[]));
        let outcomes: Vec<_> = frames(&bytes).unwrap().into_iter().skip(1).collect();
        let outcomes = outcomes.iter().map(|(kind, sequence, body)| (*sequence, outcome(*kind, body)));
        let expected = [(9, Some(Some(0))), (10, Some(Some(-17))), (11, Some(None))];
        assert_eq!(outcomes.collect::<Vec<_>>(), expected);
        assert_eq!(parse(&bytes).unwrap().last(), Some(&(11, Message::Other)));
    }

    #[test]
    fn cut_or_lying_messages_are_refused() {
        let whole = link_message(1);
        for length in 1..whole.len() - 1 {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
        let mut lying = whole.clone();
        lying[32] = 3;
        assert_eq!(parse(&lying), None, "an attribute shorter than its own header");
        let mut endless = whole;
        endless[..4].copy_from_slice(&0_u32.to_ne_bytes());
        assert_eq!(parse(&endless), None);
    }

    #[test]
    fn an_address_is_near_when_it_shares_the_network() {
        let rows = [
            ("192.168.1.7", 24, "192.168.1.200", true),
            ("192.168.1.7", 24, "192.168.2.200", false),
            ("192.168.1.7", 32, "192.168.1.7", true),
            ("192.168.1.7", 0, "9.9.9.9", true),
            ("fd00::7", 64, "fd00::1:2:3:4", true),
            ("fd00::7", 64, "fd00:0:0:1::7", false),
            ("fd00::7", 64, "192.168.1.7", false),
        ];
        for (own, prefix, other, expected) in rows {
            let address = own.parse().unwrap();
            let own = InterfaceAddress { index: 2, address, prefix, usability: Usability::Global };
            assert_eq!(own.is_near(other.parse().unwrap()), expected, "{own:?} {other}");
        }
    }
}
