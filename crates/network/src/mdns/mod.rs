//! The box's name in the household's network, by multicast DNS (RFC 6762): one name, its addresses, nothing else.
//! [`Responder`] decides for one link; [`answer`] is the loop that owns the sockets.

mod message;
mod responder;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};

pub use responder::{Output, Responder};

use crate::Error;
use crate::clock::{now, timespec};
use crate::configuration::Listening;
use crate::netlink::{Changes, InterfaceAddress, LinkKind, Netlink, Usability};
use message::MESSAGE_LIMIT;
use responder::PORT;

const GROUP4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// RFC 6762, 11: packets of multicast DNS carry the greatest hop limit.
const HOPS: u32 = 255;
/// Packets read before anything else has its turn.
const BURST: usize = 64;
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Answers for `NAME.local` on every Ethernet interface, until `trouble` says that nobody listens any more. Trouble is
/// told and tried again.
///
/// # Errors
///
/// When the kernel cannot be spoken with at all.
pub fn answer(name: &str, trouble: impl FnMut(String) -> Listening) -> Result<(), Error> {
    let changes = Changes::listen()?;
    let (ipv4, ipv6) = (Some(open_ipv4()?), open_ipv6().ok());
    let mut links = Links { name, netlink: Netlink::open()?, ipv4, ipv6, links: BTreeMap::new(), trouble };
    let mut listening = links.look();
    while listening == Listening::Yes {
        let changed = links.wait(&changes)?;
        listening = links.serve();
        if changed {
            changes.drain();
            listening = links.look();
        }
    }
    Ok(())
}

struct Link {
    responder: Responder,
    own: Vec<InterfaceAddress>,
}

struct Links<'a, T> {
    name: &'a str,
    netlink: Netlink,
    ipv4: Option<UdpSocket>,
    ipv6: Option<UdpSocket>,
    links: BTreeMap<u32, Link>,
    trouble: T,
}

impl<T: FnMut(String) -> Listening> Links<'_, T> {
    fn wait(&self, changes: &Changes) -> Result<bool, Error> {
        let now = now();
        let wake = self.links.values().filter_map(|link| link.responder.wake_at()).min();
        let limit =
            wake.map_or(LONGEST_WAIT, |wake| wake.saturating_sub(now)).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        let mut fds = vec![PollFd::new(changes, PollFlags::IN)];
        let sockets = [&self.ipv4, &self.ipv6].into_iter().flatten();
        fds.extend(sockets.map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)));
        match poll(&mut fds, Some(&timespec(limit))) {
            Ok(_) => Ok(fds.first().is_some_and(|fd| !fd.revents().is_empty())),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Compares the interfaces and their addresses with what is known.
    fn look(&mut self) -> Listening {
        match self.look_again() {
            Ok(listening) => listening,
            Err(error) => (self.trouble)(error.to_string()),
        }
    }

    fn look_again(&mut self) -> Result<Listening, Error> {
        let links = self.netlink.links()?;
        let addresses = self.netlink.addresses()?;
        let alive = |index: u32| {
            links
                .iter()
                .any(|link| link.index == index && link.kind == LinkKind::Ethernet && link.has_carrier)
        };
        self.links.retain(|index, _| alive(*index));
        for link in links.iter().filter(|link| alive(link.index)) {
            let own: Vec<_> =
                addresses.iter().filter(|address| address.index == link.index).cloned().collect();
            if !self.links.contains_key(&link.index)
                && let Some(responder) = Responder::new(self.name)
            {
                self.join(link.index);
                self.links.insert(link.index, Link { responder, own: Vec::new() });
            }
            if let Some(known) = self.links.get_mut(&link.index) {
                let mut told: Vec<IpAddr> =
                    own.iter().filter(|own| is_told(own)).map(|own| own.address).collect();
                told.sort();
                known.own = own;
                known.responder.set_addresses(now(), &told);
            }
        }
        Ok(self.send_outputs())
    }

    /// Joins the groups; having joined already is what was wanted, too.
    fn join(&self, index: u32) {
        if let Some(socket) = &self.ipv4 {
            let _ =
                sockopt::set_ip_add_membership_with_ifindex(socket, &GROUP4, &Ipv4Addr::UNSPECIFIED, index);
        }
        if let Some(socket) = &self.ipv6 {
            let _ = sockopt::set_ipv6_add_membership(socket, &GROUP6, index);
        }
    }

    fn serve(&mut self) -> Listening {
        let mut packets = Vec::new();
        for socket in [&self.ipv4, &self.ipv6].into_iter().flatten() {
            let mut buffer = vec![0; MESSAGE_LIMIT];
            for _ in 0..BURST {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { break };
                packets.push((from, buffer.get(..length).unwrap_or_default().to_owned()));
            }
        }
        let now = now();
        for (from, packet) in packets {
            if let Some(link) =
                self.links.iter_mut().find_map(|(index, link)| link.has(*index, from).then_some(link))
            {
                link.responder.handle(now, from, &packet);
            }
        }
        self.links.values_mut().for_each(|link| link.responder.tick(now));
        self.send_outputs()
    }

    fn send_outputs(&mut self) -> Listening {
        let mut outputs = Vec::new();
        for (index, link) in &mut self.links {
            outputs.extend(std::iter::from_fn(|| link.responder.poll()).map(|output| (*index, output)));
        }
        let mut listening = Listening::Yes;
        for (index, output) in outputs {
            match output {
                Output::ToAll(packet) => self.send_to_all(index, &packet),
                Output::To(to, packet) => {
                    let socket = if to.is_ipv4() { &self.ipv4 } else { &self.ipv6 };
                    // Lost as any datagram may be.
                    let _ = socket.as_ref().map(|socket| socket.send_to(&packet, to));
                }
                Output::Conflict => {
                    let text = format!(
                        "another device answers for {}.local; its name does not lead here",
                        self.name
                    );
                    listening = (self.trouble)(text);
                }
            }
        }
        listening
    }

    fn send_to_all(&self, index: u32, packet: &[u8]) {
        if let Some(socket) = &self.ipv4 {
            let chosen =
                sockopt::set_ip_multicast_if_with_ifindex(socket, &GROUP4, &Ipv4Addr::UNSPECIFIED, index);
            let _ = chosen.map(|()| socket.send_to(packet, (GROUP4, PORT)));
        }
        if let Some(socket) = &self.ipv6 {
            let _ = socket.send_to(packet, SocketAddrV6::new(GROUP6, PORT, 0, index));
        }
    }
}

impl Link {
    /// Whether a packet from there comes from this link (RFC 6762, 11): others are ignored.
    fn has(&self, index: u32, from: SocketAddr) -> bool {
        match from {
            SocketAddr::V6(from) if from.ip().is_unicast_link_local() => from.scope_id() == index,
            _ => self.own.iter().any(|own| same_network(own, from.ip())),
        }
    }
}

/// Addresses that others on the link can use; link-local ones need a zone that a name does not carry.
fn is_told(address: &InterfaceAddress) -> bool {
    address.usability == Usability::Global
}

fn same_network(own: &InterfaceAddress, other: IpAddr) -> bool {
    let prefix = u32::from(own.prefix);
    match (own.address, other) {
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

fn open_ipv4() -> Result<UdpSocket, Error> {
    let open = || {
        let socket = open_udp(AddressFamily::INET)?;
        sockopt::set_ip_multicast_ttl(&socket, HOPS)?;
        sockopt::set_ip_ttl(&socket, HOPS)?;
        bind(&socket, &SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)))?;
        Ok(socket.into())
    };
    open().map_err(|error: rustix::io::Errno| failed(error.into()))
}

fn open_ipv6() -> Result<UdpSocket, Error> {
    let open = || {
        let socket = open_udp(AddressFamily::INET6)?;
        sockopt::set_ipv6_v6only(&socket, true)?;
        sockopt::set_ipv6_multicast_hops(&socket, HOPS)?;
        bind(&socket, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)))?;
        Ok(socket.into())
    };
    open().map_err(|error: rustix::io::Errno| failed(error.into()))
}

fn open_udp(family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
    // Other responders on a development machine share the port.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    Ok(socket)
}

fn failed(source: std::io::Error) -> Error {
    Error::Socket { doing: "answer for the name", source }
}

#[cfg(test)]
mod tests {
    use super::{InterfaceAddress, Usability, same_network};

    #[test]
    fn a_packet_is_from_the_link_when_its_sender_shares_the_network() {
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
            assert_eq!(same_network(&own, other.parse().unwrap()), expected, "{own:?} {other}");
        }
    }
}
