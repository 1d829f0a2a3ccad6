//! The Port Control Protocol (RFC 6887): the opcode MAP with the option PREFER_FAILURE, as bytes. Ours, since for IPv6 the
//! socket must be bound to the address that the mapping is for (section 8.1), which no library lets its caller do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::words::{Nonce, Transport, WantedPort};

/// The UDP port of PCP and NAT-PMP servers (RFC 6887 section 19.1).
pub(crate) const PORT: u16 = 5351;
/// Bytes of the longest message (RFC 6887 section 7).
pub(crate) const MESSAGE_LIMIT: usize = 1100;

const VERSION: u8 = 2;
const MAP: u8 = 1;
/// The bit of an opcode that tells a response.
const RESPONSE: u8 = 0x80;
const PREFER_FAILURE: u8 = 2;
const HEADER: usize = 24;
const MAP_LENGTH: usize = 36;

/// Whether the router may map another external port than the one that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherPort {
    /// It may: not all routers know the option that says no.
    Allowed,
    /// It is to refuse instead (PREFER_FAILURE, section 13.2). miniupnpd, if it may map none of a box's ports, otherwise
    /// tries all 65535 before it says so, and answers nobody meanwhile.
    Refused,
}

/// A response that belongs to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// SUCCESS (section 11.1).
    Mapped {
        /// Seconds until the mapping ends; 0 after a removal.
        lifetime: u32,
        /// The router's epoch time in seconds.
        epoch: u32,
        /// The external port; never 0 in a mapping, and of no meaning after a removal.
        port: u16,
        /// The external address.
        address: IpAddr,
    },
    /// Another version is spoken here, NAT-PMP most likely (section 9).
    OtherVersion,
    /// Another result code (section 7.4).
    Error(u8),
}

/// A request for a mapping (section 11.1); a lifetime of 0 removes it (section 15).
#[must_use]
pub fn map_request(
    own: IpAddr,
    wanted: WantedPort,
    lifetime: u32,
    nonce: Nonce,
    other_port: OtherPort,
) -> Vec<u8> {
    let mut bytes = vec![VERSION, MAP, 0, 0];
    bytes.extend(lifetime.to_be_bytes());
    bytes.extend(sixteen(own));
    bytes.extend(nonce.0);
    bytes.extend([protocol(wanted.transport), 0, 0, 0]);
    bytes.extend(wanted.internal.get().to_be_bytes());
    let suggested = if lifetime == 0 { 0 } else { wanted.external.get() };
    bytes.extend(suggested.to_be_bytes());
    // Any external address, in the family of the own one.
    bytes.extend(match own {
        IpAddr::V4(_) => sixteen(Ipv4Addr::UNSPECIFIED.into()),
        IpAddr::V6(_) => [0; 16],
    });
    if other_port == OtherPort::Refused && lifetime > 0 {
        bytes.extend([PREFER_FAILURE, 0, 0, 0]);
    }
    bytes
}

/// Reads a response to [`map_request`]; `None` for one that is none, or belongs to another request.
#[must_use]
pub fn map_response(bytes: &[u8], wanted: WantedPort, nonce: Nonce) -> Option<Response> {
    let [version, opcode, _, result, ..] = *bytes.first_chunk::<4>()?;
    if version != VERSION {
        // UNSUPP_VERSION of PCP, and of NAT-PMP, whose result codes have two bytes. A server of either sends the opcode
        // back with the response bit set, some with another opcode.
        return (opcode & RESPONSE != 0 && result == 1).then_some(Response::OtherVersion);
    }
    if opcode != RESPONSE | MAP || bytes.len() > MESSAGE_LIMIT {
        return None;
    }
    let header = bytes.get(..HEADER)?;
    if result == 1 {
        return Some(Response::OtherVersion);
    }
    let body = bytes.get(HEADER..HEADER + MAP_LENGTH);
    let is_ours = body.is_some_and(|body| belongs(body, wanted, nonce));
    match result {
        0 => is_ours.then(|| mapped(header, body?)).flatten(),
        // An error may come back without the request's data.
        _ if is_ours || body.is_none() => Some(Response::Error(result)),
        _ => None,
    }
}

fn belongs(body: &[u8], wanted: WantedPort, nonce: Nonce) -> bool {
    body.get(..12) == Some(&nonce.0[..])
        && body.get(12) == Some(&protocol(wanted.transport))
        && half(body, 16) == Some(wanted.internal.get())
}

fn mapped(header: &[u8], body: &[u8]) -> Option<Response> {
    let (lifetime, epoch, port) = (word(header, 4)?, word(header, 8)?, half(body, 18)?);
    let address = Ipv6Addr::from(<[u8; 16]>::try_from(body.get(20..36)?).ok()?);
    let address = address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4);
    (port != 0 || lifetime == 0).then_some(Response::Mapped { lifetime, epoch, port, address })
}

/// Sixteen bytes of address; IPv4 as mapped IPv6 (section 5).
fn sixteen(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// IANA's protocol number.
fn protocol(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    }
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{OtherPort, Response, map_request, map_response};
    use crate::words::{Nonce, WantedPort};

    const NONCE: Nonce = Nonce([7; 12]);

    fn wanted() -> WantedPort {
        WantedPort::tcp(443).unwrap()
    }

    /// The response that grants this request.
    fn grant(own: &str, epoch: u32) -> Vec<u8> {
        let own: IpAddr = own.parse().unwrap();
        let mut bytes = map_request(own, wanted(), 3600, NONCE, OtherPort::Allowed);
        bytes[1] = 0x81;
        bytes[8..24].fill(0);
        bytes[8..12].copy_from_slice(&epoch.to_be_bytes());
        bytes
    }

    #[test]
    fn a_request_is_sixty_bytes_and_four_more_with_its_option() {
        let own = "192.168.1.7".parse().unwrap();
        let bytes = map_request(own, wanted(), 7200, NONCE, OtherPort::Refused);
        assert_eq!(bytes.len(), 64);
        assert_eq!(bytes[..8], [2, 1, 0, 0, 0, 0, 0x1c, 0x20]);
        assert_eq!(bytes[18..24], [0xff, 0xff, 192, 168, 1, 7]);
        assert_eq!(bytes[24..36], NONCE.0);
        assert_eq!(bytes[36..44], [6, 0, 0, 0, 1, 187, 1, 187]);
        assert_eq!(bytes[54..], [0xff, 0xff, 0, 0, 0, 0, 2, 0, 0, 0]);
        let removal = map_request(own, wanted(), 0, NONCE, OtherPort::Refused);
        assert_eq!((removal.len(), &removal[42..44]), (60, &[0, 0][..]));
    }

    #[test]
    fn a_grant_tells_lifetime_epoch_and_the_outside() {
        let mut bytes = grant("192.168.1.7", 5);
        bytes[56..60].copy_from_slice(&[5, 6, 7, 8]);
        let address = "5.6.7.8".parse().unwrap();
        let expected = Response::Mapped { lifetime: 3600, epoch: 5, port: 443, address };
        assert_eq!(map_response(&bytes, wanted(), NONCE), Some(expected));
        bytes[42..44].fill(0);
        assert_eq!(map_response(&bytes, wanted(), NONCE), None, "port 0");
    }

    #[test]
    fn another_clients_answer_is_passed_over() {
        let bytes = grant("2001:db8::7", 5);
        assert!(map_response(&bytes, wanted(), NONCE).is_some());
        assert_eq!(map_response(&bytes, wanted(), Nonce([8; 12])), None);
        assert_eq!(map_response(&bytes, WantedPort::tcp(25).unwrap(), NONCE), None);
        assert_eq!(map_response(&bytes, WantedPort::udp(443).unwrap(), NONCE), None);
        for length in 0..bytes.len() {
            assert_eq!(map_response(&bytes[..length], wanted(), NONCE), None, "{length}");
        }
    }

    #[test]
    fn errors_come_with_the_request_or_without() {
        let mut bytes = grant("192.168.1.7", 5);
        bytes[3] = 11;
        assert_eq!(map_response(&bytes, wanted(), NONCE), Some(Response::Error(11)));
        assert_eq!(map_response(&bytes[..24], wanted(), NONCE), Some(Response::Error(11)));
        assert_eq!(map_response(&bytes, wanted(), Nonce([8; 12])), None);
        // miniupnpd without PCP, and NAT-PMP servers that never heard of it.
        assert_eq!(map_response(&[0, 0x81, 0, 1, 0, 0, 0, 9], wanted(), NONCE), Some(Response::OtherVersion));
        bytes[3] = 1;
        assert_eq!(map_response(&bytes, wanted(), NONCE), Some(Response::OtherVersion));
    }
}
