//! The machine's host name on the local network, by multicast DNS (RFC 6762): the address records of one name, no
//! services, no queries of our own. [`Responder`] is the state machine for one link; [`run_responder`] is the loop that
//! owns the sockets.
//!
//! Needs no privilege: port 5353 is above 1024, and netlink gives links and addresses to any process. It is meant for a
//! process of its own, since any host on the network may send it packets. Ours, because the mDNS crates register and
//! browse services, with threads or a runtime of their own, and one name is a small part of that.

mod message;
mod responder;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use host::clock::{poll_timeout, uptime};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};

pub use responder::{Output, Responder};

use crate::Error;
use crate::netlink::{ChangeSubscription, InterfaceAddress, LinkKind, Netlink, Usability};
use message::MESSAGE_LIMIT;
use responder::PORT;

/// The multicast groups (RFC 6762, 3).
const GROUP4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// The hop limit of multicast DNS packets (RFC 6762, 11).
const HOP_LIMIT: u32 = 255;
/// Packets read from one socket per round, so that a flood does not starve timers and netlink.
const PACKETS_PER_ROUND: usize = 64;
/// The shortest wait between two rounds: a responder that is always due cannot keep the processor busy.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
/// The longest wait between two rounds.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Runs the responder for `NAME.local` on every Ethernet interface with a carrier, in the calling thread.
///
/// `warn` is called with the text of each error that is not final, and of a name conflict; its error means that the
/// receiver is gone, and ends the loop.
///
/// # Errors
///
/// [`Error::Report`] when `warn` fails; another error when port 5353, netlink or poll cannot be used at all.
pub fn run_responder(name: &str, warn: impl FnMut(String) -> io::Result<()>) -> Result<Infallible, Error> {
    let changes = ChangeSubscription::open()?;
    // A kernel without IPv6 is no error; one without IPv4 is.
    let (ipv4, ipv6) = (open_ipv4()?, open_ipv6().ok());
    let mut server = Server { name, netlink: Netlink::open()?, ipv4, ipv6, links: BTreeMap::new(), warn };
    let report_failed = |source| Error::Report { source };
    server.refresh().map_err(report_failed)?;
    loop {
        let changed = server.wait(&changes)?;
        server.serve().map_err(report_failed)?;
        if changed {
            // Drained before the tables are read: a change between the two is found by the next wait.
            changes.drain();
            server.refresh().map_err(report_failed)?;
        }
    }
}

/// The responder of one link, and the machine's addresses there, announced or not.
struct Link {
    responder: Responder,
    own: Vec<InterfaceAddress>,
}

/// The state of the loop. Its methods return an error only when a warning cannot be delivered.
struct Server<'a, W> {
    name: &'a str,
    netlink: Netlink,
    ipv4: UdpSocket,
    ipv6: Option<UdpSocket>,
    /// By the kernel's interface index.
    links: BTreeMap<u32, Link>,
    warn: W,
}

impl<W: FnMut(String) -> io::Result<()>> Server<'_, W> {
    /// Waits for a packet, a netlink notification or a responder's timeout; true when there was a notification.
    fn wait(&self, changes: &ChangeSubscription) -> Result<bool, Error> {
        let now = uptime();
        let wake = self.links.values().filter_map(|link| link.responder.wake_at()).min();
        let limit =
            wake.map_or(LONGEST_WAIT, |wake| wake.saturating_sub(now)).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        let mut fds = vec![PollFd::new(changes, PollFlags::IN)];
        fds.extend(self.sockets().map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)));
        match poll(&mut fds, Some(&poll_timeout(limit))) {
            Ok(_) => Ok(fds.first().is_some_and(|fd| !fd.revents().is_empty())),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(failed(error.into())),
        }
    }

    fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        std::iter::once(&self.ipv4).chain(&self.ipv6)
    }

    /// Brings the links, and their responders' addresses, in line with the kernel's tables.
    fn refresh(&mut self) -> io::Result<()> {
        if let Err(error) = self.refresh_links() {
            (self.warn)(error.to_string())?;
        }
        self.carry_out()
    }

    fn refresh_links(&mut self) -> Result<(), Error> {
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
                let mut announced: Vec<IpAddr> =
                    own.iter().filter(|own| is_announced(own)).map(|own| own.address).collect();
                announced.sort();
                known.own = own;
                known.responder.set_addresses(uptime(), &announced);
            }
        }
        Ok(())
    }

    /// Joins the multicast groups on a link. The results are ignored: after a lost carrier the membership still exists,
    /// which is an error to the kernel and no harm.
    fn join(&self, index: u32) {
        let _ =
            sockopt::set_ip_add_membership_with_ifindex(&self.ipv4, &GROUP4, &Ipv4Addr::UNSPECIFIED, index);
        if let Some(socket) = &self.ipv6 {
            let _ = sockopt::set_ipv6_add_membership(socket, &GROUP6, index);
        }
    }

    /// Gives the responders the packets that have arrived and a chance to act on their timeouts.
    fn serve(&mut self) -> io::Result<()> {
        let mut packets = Vec::new();
        for socket in self.sockets() {
            let mut buffer = vec![0; MESSAGE_LIMIT];
            for _ in 0..PACKETS_PER_ROUND {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { break };
                packets.push((from, buffer.get(..length).unwrap_or_default().to_owned()));
            }
        }
        let now = uptime();
        for (from, packet) in packets {
            if let Some(link) =
                self.links.iter_mut().find_map(|(index, link)| link.has(*index, from).then_some(link))
            {
                link.responder.handle(now, from, &packet);
            }
        }
        self.links.values_mut().for_each(|link| link.responder.tick(now));
        self.carry_out()
    }

    /// Carries out the outputs of all responders.
    fn carry_out(&mut self) -> io::Result<()> {
        let mut outputs = Vec::new();
        for (index, link) in &mut self.links {
            outputs.extend(std::iter::from_fn(|| link.responder.poll()).map(|output| (*index, output)));
        }
        for (index, output) in outputs {
            match output {
                Output::Multicast(packet) => self.multicast(index, &packet),
                Output::Unicast(to, packet) => {
                    let socket = if to.is_ipv4() { Some(&self.ipv4) } else { self.ipv6.as_ref() };
                    // A datagram that cannot be sent is lost, as any datagram may be.
                    let _ = socket.map(|socket| socket.send_to(&packet, to));
                }
                Output::Conflict => {
                    let text = format!(
                        "another device answers for {}.local; its name does not lead here",
                        self.name
                    );
                    (self.warn)(text)?;
                }
            }
        }
        Ok(())
    }

    fn multicast(&self, index: u32, packet: &[u8]) {
        let chosen =
            sockopt::set_ip_multicast_if_with_ifindex(&self.ipv4, &GROUP4, &Ipv4Addr::UNSPECIFIED, index);
        let _ = chosen.map(|()| self.ipv4.send_to(packet, (GROUP4, PORT)));
        if let Some(socket) = &self.ipv6 {
            let _ = socket.send_to(packet, SocketAddrV6::new(GROUP6, PORT, 0, index));
        }
    }
}

impl Link {
    /// Whether a packet from this sender comes from this link: any other is ignored (RFC 6762, 11).
    fn has(&self, index: u32, from: SocketAddr) -> bool {
        match from {
            SocketAddr::V6(from) if from.ip().is_unicast_link_local() => from.scope_id() == index,
            _ => self.own.iter().any(|own| own.is_near(from.ip())),
        }
    }
}

/// Whether the name leads to this address; not to link-local ones, which need a zone that a DNS record does not carry.
fn is_announced(address: &InterfaceAddress) -> bool {
    address.usability == Usability::Global
}

fn open_ipv4() -> Result<UdpSocket, Error> {
    let open = || {
        let socket = open_udp(AddressFamily::INET)?;
        sockopt::set_ip_multicast_ttl(&socket, HOP_LIMIT)?;
        sockopt::set_ip_ttl(&socket, HOP_LIMIT)?;
        bind(&socket, &SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)))?;
        Ok(socket.into())
    };
    open().map_err(|error: rustix::io::Errno| failed(error.into()))
}

fn open_ipv6() -> Result<UdpSocket, Error> {
    let open = || {
        let socket = open_udp(AddressFamily::INET6)?;
        sockopt::set_ipv6_v6only(&socket, true)?;
        sockopt::set_ipv6_multicast_hops(&socket, HOP_LIMIT)?;
        bind(&socket, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)))?;
        Ok(socket.into())
    };
    open().map_err(|error: rustix::io::Errno| failed(error.into()))
}

fn open_udp(family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
    // Shared with another responder on a development machine.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    Ok(socket)
}

fn failed(source: io::Error) -> Error {
    Error::Socket { doing: "answer for the name", source }
}
