//! The messages for a tunnel's interface, its routing table and its rules, as bytes (`<linux/if_link.h>`,
//! `<linux/rtnetlink.h>`, `<linux/fib_rules.h>`). No socket here.

use super::bytes::{
    AF_INET, AF_INET6, IFLA_IFNAME, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, RT_TABLE_MAIN,
    RTA_OIF, RTM_DELROUTE, RTM_NEWLINK, RTM_NEWROUTE, attribute, attributes, family, ip, link_body, octets,
    request, word,
};
use crate::wireguard::{Action, Family, Network, PRIORITIES, Rule, TABLE};

const RTM_DELLINK: u16 = 17;
/// A rule, added or listed.
pub(super) const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;
const NLM_F_EXCL: u16 = 0x200;

const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
/// `IFF_UP`, in the flags and in the mask of flags to change.
const UP: u32 = 1;
const RTA_DST: u16 = 1;
const RTA_TABLE: u16 = 15;
/// The table's number is in an attribute, since it does not fit in a byte.
const RT_TABLE_UNSPEC: u8 = 0;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FR_ACT_TO_TBL: u8 = 1;
const FIB_RULE_INVERT: u32 = 2;

/// The kernel's number of a family.
pub(super) fn number(family: Family) -> u8 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

pub(super) fn set_wireguard_link(sequence: u32, name: &str, mtu: u32) -> Vec<u8> {
    let mut body = link_body(0, UP, UP);
    attribute(&mut body, IFLA_IFNAME, format!("{name}\0").as_bytes());
    attribute(&mut body, IFLA_MTU, &mtu.to_ne_bytes());
    let mut kind = Vec::new();
    attribute(&mut kind, IFLA_INFO_KIND, b"wireguard");
    attribute(&mut body, IFLA_LINKINFO, &kind);
    request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE, sequence, &body)
}

pub(super) fn delete_link(sequence: u32, index: u32) -> Vec<u8> {
    request(RTM_DELLINK, NLM_F_ACK, sequence, &link_body(index, 0, 0))
}

pub(super) fn set_route(sequence: u32, index: u32, network: Network) -> Vec<u8> {
    let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    request(RTM_NEWROUTE, flags, sequence, &route_body(index, network))
}

pub(super) fn delete_route(sequence: u32, index: u32, network: Network) -> Vec<u8> {
    request(RTM_DELROUTE, NLM_F_ACK, sequence, &route_body(index, network))
}

/// `struct rtmsg` and its attributes.
fn route_body(index: u32, network: Network) -> Vec<u8> {
    let scope = if network.address.is_ipv4() { RT_SCOPE_LINK } else { 0 };
    let mut body = vec![family(network.address), network.prefix, 0, 0];
    body.extend([RT_TABLE_UNSPEC, RTPROT_STATIC, scope, RTN_UNICAST, 0, 0, 0, 0]);
    if network.prefix > 0 {
        attribute(&mut body, RTA_DST, &octets(network.address));
    }
    attribute(&mut body, RTA_OIF, &index.to_ne_bytes());
    attribute(&mut body, RTA_TABLE, &TABLE.to_ne_bytes());
    body
}

/// The interface and the destination of a route; `Some(None)` if it is in another table.
pub(super) fn tunnel_route(body: &[u8]) -> Option<Option<(u32, Network)>> {
    let [family, prefix, ..] = *body.first_chunk::<12>()?;
    let (mut index, mut destination, mut table) = (None, None, None);
    for (kind, value) in attributes(body.get(12..)?)? {
        match kind {
            RTA_OIF => index = word(value, 0),
            RTA_DST => destination = ip(family, value),
            RTA_TABLE => table = word(value, 0),
            _ => {}
        }
    }
    let zeros: &[u8] = if family == AF_INET { &[0; 4] } else { &[0; 16] };
    let destination = if prefix == 0 { ip(family, zeros) } else { destination };
    let network = destination.and_then(|address| Network::of(address, prefix));
    Some(index.zip(network).filter(|_| table == Some(TABLE)))
}

pub(super) fn list_rules(sequence: u32, family: Family) -> Vec<u8> {
    let mut body = [0; 12];
    body[0] = number(family);
    request(RTM_GETRULE, NLM_F_DUMP, sequence, &body)
}

pub(super) fn add_rule(sequence: u32, rule: Rule) -> Vec<u8> {
    request(RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sequence, &rule_body(rule))
}

pub(super) fn delete_rule(sequence: u32, rule: Rule) -> Vec<u8> {
    request(RTM_DELRULE, NLM_F_ACK, sequence, &rule_body(rule))
}

/// `struct fib_rule_hdr` and its attributes.
fn rule_body(rule: Rule) -> Vec<u8> {
    let bits = rule.source.map_or(0, |source| if source.is_ipv4() { 32 } else { 128 });
    let (table, flags) = match rule.action {
        Action::MainWithoutDefault | Action::Main => (u32::from(RT_TABLE_MAIN), 0),
        Action::Tunnel => (TABLE, 0),
        Action::TunnelIfUnmarked => (TABLE, FIB_RULE_INVERT),
    };
    let mut body = vec![number(rule.family), 0, bits, 0, RT_TABLE_UNSPEC, 0, 0, FR_ACT_TO_TBL];
    body.extend(flags.to_ne_bytes());
    if let Some(source) = rule.source {
        attribute(&mut body, FRA_SRC, &octets(source));
    }
    attribute(&mut body, FRA_PRIORITY, &rule.priority.to_ne_bytes());
    attribute(&mut body, FRA_TABLE, &table.to_ne_bytes());
    match rule.action {
        Action::MainWithoutDefault => attribute(&mut body, FRA_SUPPRESS_PREFIXLEN, &0_u32.to_ne_bytes()),
        Action::TunnelIfUnmarked => attribute(&mut body, FRA_FWMARK, &TABLE.to_ne_bytes()),
        Action::Main | Action::Tunnel => {}
    }
    body
}

/// Reads a rule; `Some(None)` if it is not the tunnel's.
pub(super) fn rule(body: &[u8]) -> Option<Option<Rule>> {
    let [family, ..] = *body.first_chunk::<12>()?;
    let is_inverted = word(body, 8)? & FIB_RULE_INVERT != 0;
    let (mut priority, mut source, mut table, mut suppress) = (0, None, 0, None);
    for (kind, value) in attributes(body.get(12..)?)? {
        match kind {
            FRA_SRC => source = ip(family, value),
            FRA_PRIORITY => priority = word(value, 0)?,
            FRA_TABLE => table = word(value, 0)?,
            FRA_SUPPRESS_PREFIXLEN => suppress = word(value, 0),
            _ => {}
        }
    }
    let is_main = table == u32::from(RT_TABLE_MAIN);
    let action = match (is_main, is_inverted) {
        (true, _) if suppress == Some(0) => Action::MainWithoutDefault,
        (true, _) => Action::Main,
        (false, true) => Action::TunnelIfUnmarked,
        (false, false) => Action::Tunnel,
    };
    let family = match family {
        AF_INET => Family::V4,
        AF_INET6 => Family::V6,
        _ => return Some(None),
    };
    let is_ours = PRIORITIES.contains(&priority) && (is_main || table == TABLE);
    Some(is_ours.then_some(Rule { family, priority, source, action }))
}

#[cfg(test)]
mod tests {
    use super::{Action, Family, Network, Rule, add_rule, rule, set_route, set_wireguard_link, tunnel_route};

    /// Bytes of `struct nlmsghdr`.
    const HEADER: usize = 16;

    #[test]
    fn an_interface_is_made_by_its_kind() {
        let bytes = set_wireguard_link(1, "wg0", 1420);
        let mut expected =
            vec![8, 0, 3, 0, b'w', b'g', b'0', 0, 8, 0, 4, 0, 0x8c, 5, 0, 0, 20, 0, 18, 0, 13, 0, 1, 0];
        expected.extend(b"wireguard\0\0\0");
        assert_eq!(bytes[HEADER + 16..], expected);
    }

    #[test]
    fn routes_are_read_as_they_are_set() {
        for (address, prefix) in [("0.0.0.0", 0), ("10.8.0.0", 24), ("::", 0), ("2001:db8::", 32)] {
            let network = Network { address: address.parse().unwrap(), prefix };
            let bytes = set_route(1, 7, network);
            assert_eq!(tunnel_route(&bytes[HEADER..]), Some(Some((7, network))));
        }
        let mut other = set_route(1, 7, Network { address: [10, 0, 0, 0].into(), prefix: 8 });
        let last = other.len() - 4;
        other[last] = 254;
        assert_eq!(tunnel_route(&other[HEADER..]), Some(None), "another table");
    }

    #[test]
    fn rules_are_read_as_they_are_added() {
        let source = Some("192.168.1.5".parse().unwrap());
        for (priority, source, action) in [
            (1000, None, Action::MainWithoutDefault),
            (1001, source, Action::Tunnel),
            (1002, source, Action::Main),
            (1003, None, Action::TunnelIfUnmarked),
        ] {
            let wanted = Rule { family: Family::V4, priority, source, action };
            assert_eq!(rule(&add_rule(1, wanted)[HEADER..]), Some(Some(wanted)));
            let other = Rule { priority: 32766, ..wanted };
            assert_eq!(rule(&add_rule(1, other)[HEADER..]), Some(None));
        }
        assert_eq!(rule(&[2; 11]), None);
    }
}
