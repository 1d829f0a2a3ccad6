//! The frame of netlink messages and their attributes (`<linux/netlink.h>`), and the parts that several kinds of messages
//! share. No socket here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Messages and attributes start at multiples of this (`NLMSG_ALIGNTO`, `NLA_ALIGNTO`).
const ALIGNMENT: usize = 4;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
pub(super) const RTM_GETROUTE: u16 = 26;
const NLM_F_REQUEST: u16 = 0x001;
pub(super) const NLM_F_ACK: u16 = 0x004;
pub(super) const NLM_F_REPLACE: u16 = 0x100;
pub(super) const NLM_F_DUMP: u16 = 0x300;
pub(super) const NLM_F_CREATE: u16 = 0x400;
pub(super) const IFLA_IFNAME: u16 = 3;
pub(super) const RTA_OIF: u16 = 4;
pub(super) const AF_INET: u8 = 2;
pub(super) const AF_INET6: u8 = 10;
pub(super) const RT_TABLE_MAIN: u8 = 254;

pub(super) fn request(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((flags | NLM_F_REQUEST).to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(body);
    bytes
}

/// `struct ifinfomsg`.
pub(super) fn link_body(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend(change.to_ne_bytes());
    body
}

/// `AF_INET` or `AF_INET6`.
pub(super) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// The bytes of an address, in the order of the network.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

pub(super) fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(ALIGNMENT), 0);
}

/// Divides a datagram into its messages: type, sequence number, body.
pub(super) fn frames(mut bytes: &[u8]) -> Option<Vec<(u16, u32, &[u8])>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let length = usize::try_from(word(bytes, 0)?).ok()?;
        frames.push((half(bytes, 4)?, word(bytes, 8)?, bytes.get(HEADER..length)?));
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    Some(frames)
}

/// The kernel's last word on a request, at the end of a list too: 0, or a negative error number. `Some(None)` for a message of
/// another type, `None` for one that is too short.
pub(super) fn outcome(kind: u16, body: &[u8]) -> Option<Option<i32>> {
    let number = body.first_chunk().copied().map(i32::from_ne_bytes);
    match kind {
        NLMSG_ERROR => number.map(Some),
        NLMSG_DONE => Some(Some(number.unwrap_or_default())),
        _ => Some(None),
    }
}

pub(super) fn attributes(mut bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    /// The upper bits tell nesting and byte order.
    const KIND: u16 = 0x3fff;
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(half(bytes, 0)?);
        found.push((half(bytes, 2)? & KIND, bytes.get(4..length)?));
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    Some(found)
}

pub(super) fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(value).ok().map(|octets| Ipv4Addr::from(octets).into()),
        AF_INET6 => <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}
