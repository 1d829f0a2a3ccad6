//! The NAT Port Mapping Protocol (RFC 6886), as bytes.

use std::net::Ipv4Addr;

use super::pcp::{half, word};
use crate::words::{Transport, WantedPort};

const VERSION: u8 = 0;
const RESPONSE: u8 = 0x80;

/// A response that belongs to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response<T> {
    /// The result code 0.
    Done {
        /// The router's epoch time in seconds (section 3.6).
        epoch: u32,
        /// The answer.
        answer: T,
    },
    /// Another result code (section 3.5).
    Error(u16),
}

/// A mapping (section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The external port.
    pub port: u16,
    /// Seconds until the mapping ends; 0 after a removal.
    pub lifetime: u32,
}

/// A request for the external address (section 3.2).
#[must_use]
pub fn address_request() -> Vec<u8> {
    vec![VERSION, 0]
}

/// A request for a mapping (section 3.3); a lifetime of 0 removes it (section 3.4).
#[must_use]
pub fn map_request(wanted: WantedPort, lifetime: u32) -> Vec<u8> {
    let mut bytes = vec![VERSION, opcode(wanted), 0, 0];
    bytes.extend(wanted.internal.get().to_be_bytes());
    let suggested = if lifetime == 0 { 0 } else { wanted.external.get() };
    bytes.extend(suggested.to_be_bytes());
    bytes.extend(lifetime.to_be_bytes());
    bytes
}

/// Reads a response to [`address_request`]; `None` for one that is none.
#[must_use]
pub fn address_response(bytes: &[u8]) -> Option<Response<Ipv4Addr>> {
    response(bytes, 0, |bytes| Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(8..12)?).ok()?)))
}

/// Reads a response to [`map_request`]; `None` for one that is none, or belongs to another request.
#[must_use]
pub fn map_response(bytes: &[u8], wanted: WantedPort) -> Option<Response<Mapped>> {
    response(bytes, opcode(wanted), |bytes| {
        let mapped = Mapped { port: half(bytes, 10)?, lifetime: word(bytes, 12)? };
        let is_ours = half(bytes, 8)? == wanted.internal.get() && (mapped.port != 0 || mapped.lifetime == 0);
        is_ours.then_some(mapped)
    })
}

fn response<T>(bytes: &[u8], opcode: u8, read: impl Fn(&[u8]) -> Option<T>) -> Option<Response<T>> {
    let [version, answered] = *bytes.first_chunk()?;
    if version != VERSION || answered != RESPONSE | opcode {
        return None;
    }
    match half(bytes, 2)? {
        0 => Some(Response::Done { epoch: word(bytes, 4)?, answer: read(bytes)? }),
        error => Some(Response::Error(error)),
    }
}

fn opcode(wanted: WantedPort) -> u8 {
    match wanted.transport {
        Transport::Udp => 1,
        Transport::Tcp => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::{Mapped, Response, address_response, map_request, map_response};
    use crate::words::WantedPort;

    #[test]
    fn a_mapping_is_asked_for_in_twelve_bytes_and_granted_in_sixteen() {
        let wanted = WantedPort::tcp(443).unwrap();
        assert_eq!(map_request(wanted, 7200), [0, 2, 0, 0, 1, 187, 1, 187, 0, 0, 0x1c, 0x20]);
        assert_eq!(map_request(wanted, 0), [0, 2, 0, 0, 1, 187, 0, 0, 0, 0, 0, 0]);
        let granted = [0, 0x82, 0, 0, 0, 0, 0, 9, 1, 187, 0x1f, 0x90, 0, 0, 0, 120];
        let answer = Mapped { port: 8080, lifetime: 120 };
        assert_eq!(map_response(&granted, wanted), Some(Response::Done { epoch: 9, answer }));
        for length in 0..granted.len() {
            assert_eq!(map_response(&granted[..length], wanted), None, "{length}");
        }
        assert_eq!(map_response(&granted, WantedPort::udp(443).unwrap()), None);
        assert_eq!(map_response(&granted, WantedPort::tcp(25).unwrap()), None);
    }

    #[test]
    fn the_external_address_and_an_error_are_read() {
        let address = [0, 0x80, 0, 0, 0, 0, 0, 9, 5, 6, 7, 8];
        let expected = Response::Done { epoch: 9, answer: "5.6.7.8".parse().unwrap() };
        assert_eq!(address_response(&address), Some(expected));
        assert_eq!(address_response(&address[..11]), None);
        assert_eq!(address_response(&[0, 0x80, 0, 3]), Some(Response::Error(3)));
        assert_eq!(address_response(&[2, 0x80, 0, 3]), None);
    }
}
