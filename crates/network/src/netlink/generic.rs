//! The kernel's WireGuard by generic netlink (`<linux/genetlink.h>`, `<linux/wireguard.h>`): two commands, and the question
//! for the number of their family.

use std::net::{IpAddr, SocketAddr};

use rustix::net::netlink;

use super::Connection;
use super::bytes::{
    AF_INET, AF_INET6, NLM_F_ACK, NLM_F_DUMP, attribute, attributes, family, half, octets, request,
};
use crate::Error;
use crate::wireguard::{Conf, Endpoint, Key, Peer, PeerStatus, TABLE};

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const WG_CMD_GET_DEVICE: u8 = 0;
const WG_CMD_SET_DEVICE: u8 = 1;
const WGDEVICE_A_IFINDEX: u16 = 1;
const WGDEVICE_A_PRIVATE_KEY: u16 = 3;
const WGDEVICE_A_LISTEN_PORT: u16 = 6;
const WGDEVICE_A_FWMARK: u16 = 7;
const WGDEVICE_A_PEERS: u16 = 8;
const WGPEER_A_PUBLIC_KEY: u16 = 1;
const WGPEER_A_PRESHARED_KEY: u16 = 2;
const WGPEER_A_FLAGS: u16 = 3;
const WGPEER_A_ENDPOINT: u16 = 4;
const WGPEER_A_KEEPALIVE: u16 = 5;
const WGPEER_A_LAST_HANDSHAKE_TIME: u16 = 6;
const WGPEER_A_RX_BYTES: u16 = 7;
const WGPEER_A_TX_BYTES: u16 = 8;
const WGPEER_A_ALLOWEDIPS: u16 = 9;
const WGALLOWEDIP_A_FAMILY: u16 = 1;
const WGALLOWEDIP_A_IPADDR: u16 = 2;
const WGALLOWEDIP_A_CIDR_MASK: u16 = 3;
const WGPEER_F_REMOVE_ME: u32 = 1;
const WGPEER_F_REPLACE_ALLOWEDIPS: u32 = 2;
const WGPEER_F_UPDATE_ONLY: u32 = 4;
/// An attribute that holds attributes.
const NLA_F_NESTED: u16 = 0x8000;
/// Peers in an answer of the kernel; more is an error.
const LIST_LIMIT: usize = 64;

/// A connection to the kernel's WireGuard. Its requests need `CAP_NET_ADMIN`.
#[derive(Debug)]
pub(crate) struct WireGuard {
    connection: Connection,
    /// The number of the family, which the kernel gives when the module is loaded.
    family: u16,
}

impl WireGuard {
    /// Opens the connection. `Refused` with `ENOENT` means that the kernel's module is not loaded.
    pub(crate) fn open() -> Result<Self, Error> {
        let connection = Connection::open(Some(netlink::GENERIC))?;
        let mut this = Self { connection, family: GENL_ID_CTRL };
        let mut body = generic_header(CTRL_CMD_GETFAMILY);
        attribute(&mut body, CTRL_ATTR_FAMILY_NAME, b"wireguard\0");
        let mut family = None;
        this.exchange("find the kernel's WireGuard", NLM_F_ACK, &body, |body| {
            family = family_number(body)?;
            Some(())
        })?;
        this.family = family.ok_or(Error::Malformed { doing: "find the kernel's WireGuard" })?;
        Ok(this)
    }

    /// Gives an interface its keys and peers. Peers that it has already keep their sessions; `strangers` are removed.
    pub(crate) fn configure(&mut self, index: u32, conf: &Conf, strangers: &[Key]) -> Result<(), Error> {
        let body = device_body(index, conf, strangers);
        self.exchange("configure the tunnel", NLM_F_ACK, &body, |_| Some(()))
    }

    /// Tells where a peer listens.
    pub(crate) fn set_endpoint(
        &mut self,
        index: u32,
        peer: &Peer,
        endpoint: SocketAddr,
    ) -> Result<(), Error> {
        let body = endpoint_body(index, peer, endpoint);
        self.exchange("set the other end of the tunnel", NLM_F_ACK, &body, |_| Some(()))
    }

    /// The peers of an interface.
    pub(crate) fn peers(&mut self, index: u32) -> Result<Vec<(Key, PeerStatus)>, Error> {
        let doing = "look at the tunnel";
        let mut body = generic_header(WG_CMD_GET_DEVICE);
        attribute(&mut body, WGDEVICE_A_IFINDEX, &index.to_ne_bytes());
        let mut found: Vec<(Key, PeerStatus)> = Vec::new();
        self.exchange(doing, NLM_F_DUMP, &body, |body| {
            // A peer whose networks do not fit into one message is continued in the next.
            for (key, status) in device_peers(body)? {
                if found.last().is_none_or(|(last, _)| *last != key) {
                    found.push((key, status));
                }
            }
            (found.len() <= LIST_LIMIT).then_some(())
        })?;
        Ok(found)
    }

    fn exchange(
        &mut self,
        doing: &'static str,
        flags: u16,
        body: &[u8],
        mut take: impl FnMut(&[u8]) -> Option<()>,
    ) -> Result<(), Error> {
        let family = self.family;
        self.connection.exchange(
            doing,
            |sequence| request(family, flags, sequence, body),
            |kind, body| if kind == family { take(body) } else { Some(()) },
        )
    }
}

/// `struct genlmsghdr`: the version of both families is 1 (`ctrl` takes any).
fn generic_header(command: u8) -> Vec<u8> {
    vec![command, 1, 0, 0]
}

fn family_number(body: &[u8]) -> Option<Option<u16>> {
    let attributes = attributes(body.get(4..)?)?;
    let number = attributes.iter().find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID);
    Some(number.and_then(|(_, value)| half(value, 0)))
}

fn nested(body: &mut Vec<u8>, kind: u16, content: &[u8]) {
    attribute(body, kind | NLA_F_NESTED, content);
}

fn device_body(index: u32, conf: &Conf, strangers: &[Key]) -> Vec<u8> {
    let mut body = generic_header(WG_CMD_SET_DEVICE);
    attribute(&mut body, WGDEVICE_A_IFINDEX, &index.to_ne_bytes());
    attribute(&mut body, WGDEVICE_A_PRIVATE_KEY, conf.interface.private_key.expose());
    attribute(&mut body, WGDEVICE_A_FWMARK, &TABLE.to_ne_bytes());
    if let Some(port) = conf.interface.listen_port {
        attribute(&mut body, WGDEVICE_A_LISTEN_PORT, &port.to_ne_bytes());
    }
    let mut peers = Vec::new();
    for stranger in strangers {
        let mut content = Vec::new();
        attribute(&mut content, WGPEER_A_PUBLIC_KEY, stranger.expose());
        attribute(&mut content, WGPEER_A_FLAGS, &WGPEER_F_REMOVE_ME.to_ne_bytes());
        nested(&mut peers, 0, &content);
    }
    for peer in &conf.peers {
        nested(&mut peers, 0, &peer_content(peer));
    }
    nested(&mut body, WGDEVICE_A_PEERS, &peers);
    body
}

fn peer_content(peer: &Peer) -> Vec<u8> {
    let mut content = Vec::new();
    attribute(&mut content, WGPEER_A_PUBLIC_KEY, peer.public_key.expose());
    attribute(&mut content, WGPEER_A_FLAGS, &WGPEER_F_REPLACE_ALLOWEDIPS.to_ne_bytes());
    // Zeros take away what a former process has set.
    let preshared = peer.preshared_key.as_ref().map_or([0; 32], |key| *key.expose());
    attribute(&mut content, WGPEER_A_PRESHARED_KEY, &preshared);
    if let Some(Endpoint::Address(endpoint)) = peer.endpoint {
        attribute(&mut content, WGPEER_A_ENDPOINT, &socket_address(endpoint));
    }
    attribute(&mut content, WGPEER_A_KEEPALIVE, &peer.keepalive.to_ne_bytes());
    let mut networks = Vec::new();
    for network in &peer.allowed_ips {
        let mut entry = Vec::new();
        attribute(&mut entry, WGALLOWEDIP_A_FAMILY, &u16::from(family(network.address)).to_ne_bytes());
        attribute(&mut entry, WGALLOWEDIP_A_IPADDR, &octets(network.address));
        attribute(&mut entry, WGALLOWEDIP_A_CIDR_MASK, &[network.prefix]);
        nested(&mut networks, 0, &entry);
    }
    nested(&mut content, WGPEER_A_ALLOWEDIPS, &networks);
    content
}

fn endpoint_body(index: u32, peer: &Peer, endpoint: SocketAddr) -> Vec<u8> {
    let mut content = Vec::new();
    attribute(&mut content, WGPEER_A_PUBLIC_KEY, peer.public_key.expose());
    attribute(&mut content, WGPEER_A_FLAGS, &WGPEER_F_UPDATE_ONLY.to_ne_bytes());
    attribute(&mut content, WGPEER_A_ENDPOINT, &socket_address(endpoint));
    // A change of the keepalive is what makes the kernel send one at once, and with it a handshake: off and on.
    let mut off = Vec::new();
    attribute(&mut off, WGPEER_A_PUBLIC_KEY, peer.public_key.expose());
    attribute(&mut off, WGPEER_A_FLAGS, &WGPEER_F_UPDATE_ONLY.to_ne_bytes());
    attribute(&mut off, WGPEER_A_KEEPALIVE, &0_u16.to_ne_bytes());
    attribute(&mut content, WGPEER_A_KEEPALIVE, &peer.keepalive.to_ne_bytes());
    let mut peers = Vec::new();
    nested(&mut peers, 0, &off);
    nested(&mut peers, 0, &content);
    let mut body = generic_header(WG_CMD_SET_DEVICE);
    attribute(&mut body, WGDEVICE_A_IFINDEX, &index.to_ne_bytes());
    nested(&mut body, WGDEVICE_A_PEERS, &peers);
    body
}

/// `struct sockaddr_in` or `struct sockaddr_in6`.
fn socket_address(endpoint: SocketAddr) -> Vec<u8> {
    let port = endpoint.port().to_be_bytes();
    match endpoint.ip() {
        IpAddr::V4(address) => {
            [&u16::from(AF_INET).to_ne_bytes()[..], &port, &address.octets(), &[0; 8]].concat()
        }
        IpAddr::V6(address) => {
            [&u16::from(AF_INET6).to_ne_bytes()[..], &port, &[0; 4], &address.octets(), &[0; 4]].concat()
        }
    }
}

/// The peers in one message of a list.
fn device_peers(body: &[u8]) -> Option<Vec<(Key, PeerStatus)>> {
    let mut found = Vec::new();
    for (kind, value) in attributes(body.get(4..)?)? {
        if kind == WGDEVICE_A_PEERS {
            for (_, peer) in attributes(value)? {
                found.push(peer_status(peer)?);
            }
        }
    }
    Some(found)
}

fn peer_status(bytes: &[u8]) -> Option<(Key, PeerStatus)> {
    let (mut key, mut status) = (None, PeerStatus::default());
    for (kind, value) in attributes(bytes)? {
        match kind {
            WGPEER_A_PUBLIC_KEY => key = Key::from_bytes(value),
            // `struct __kernel_timespec`: two numbers of 64 bits.
            WGPEER_A_LAST_HANDSHAKE_TIME => {
                let nanoseconds = u32::try_from(long(value, 8)?).ok()?;
                status.handshake = (long(value, 0)?, nanoseconds);
            }
            WGPEER_A_RX_BYTES => status.received = long(value, 0)?,
            WGPEER_A_TX_BYTES => status.sent = long(value, 0)?,
            _ => {}
        }
    }
    Some((key?, status))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests;
