//! Requests to the kernel about interfaces, addresses and routes, by a netlink socket (`rtnetlink(7)`), and about a
//! WireGuard interface, by generic netlink. Ours, because some fifteen requests are needed, for which `rtnetlink` would
//! bring an async runtime, and `netlink-packet-wireguard` four other crates and a second way to write attributes.

mod bytes;
mod generic;
mod message;
mod policy;
mod publishable;

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

pub(crate) use generic::WireGuard;
pub use message::{DefaultRoute, Gateway, InterfaceAddress, Link, LinkKind, Usability};
pub use publishable::address_to_publish;

use crate::Error;
use crate::wireguard::{Family, Network, Rule};
use bytes::{frames, outcome};
use message::Message;

/// Bytes of the longest datagram from the kernel (`NLMSG_GOODSIZE`, and 32 KiB in a dump).
const DATAGRAM_LIMIT: usize = 32 * 1024;
/// The time for an answer, which the kernel gives at once.
const ANSWER_TIMEOUT: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// Interfaces or addresses in a list; more is an error.
const LIST_LIMIT: usize = 4096;
/// Datagrams discarded by one call of [`ChangeSubscription::drain`].
const DRAIN_LIMIT: usize = 1000;
/// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x001 | 0x010 | 0x100;

/// A connection to the kernel's routing tables.
#[derive(Debug)]
pub struct Netlink {
    connection: Connection,
}

impl Netlink {
    /// Opens the connection.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { connection: Connection::open(None)? })
    }

    /// All interfaces. Needs no privilege.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer with a list.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        self.list("list the interfaces", message::list_links, |message| match message {
            Message::Link(link) => Some(link),
            _ => None,
        })
    }

    /// All addresses of all interfaces. Needs no privilege.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer with a list.
    pub fn addresses(&mut self) -> Result<Vec<InterfaceAddress>, Error> {
        self.list("list the addresses", message::list_addresses, |message| match message {
            Message::Address(address) => Some(address),
            _ => None,
        })
    }

    /// The default routes that [`Netlink::set_default_route`] has set, in this process or in a former one. Needs no
    /// privilege.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer with a list.
    pub fn default_routes(&mut self) -> Result<Vec<DefaultRoute>, Error> {
        self.routes(Gateway::leased)
    }

    /// The routers of all default routes of the main table, of both families, whoever has set them. A route with several
    /// routers (`RTA_MULTIPATH`) is left out. Needs no privilege.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer with a list.
    pub fn gateways(&mut self) -> Result<Vec<Gateway>, Error> {
        self.routes(|gateway, _| Some(gateway))
    }

    fn routes<T>(&mut self, pick: impl Fn(Gateway, u8) -> Option<T>) -> Result<Vec<T>, Error> {
        self.list(
            "list the routes",
            |sequence| message::list_routes(sequence, 0),
            |message| match message {
                Message::Route(gateway, origin) => pick(gateway, origin),
                _ => None,
            },
        )
    }

    /// Switches an interface on (`IFF_UP`).
    ///
    /// # Errors
    ///
    /// When the kernel refuses, for example without `CAP_NET_ADMIN`.
    pub fn set_up(&mut self, index: u32) -> Result<(), Error> {
        self.execute("switch an interface on", |sequence| message::set_up(sequence, index))
    }

    /// Adds an address to an interface; one that it has already is no error.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, for example without `CAP_NET_ADMIN`.
    pub fn add_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<(), Error> {
        self.execute("add an address", |sequence| message::add_address(sequence, index, address, prefix))
    }

    /// Removes an address from an interface, with the routes that need it.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, for example because the interface does not have it.
    pub fn delete_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<(), Error> {
        self.execute("delete an address", |sequence| {
            message::delete_address(sequence, index, address, prefix)
        })
    }

    /// Sets an interface's default route, in place of the one before.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, for example without `CAP_NET_ADMIN`.
    pub fn set_default_route(&mut self, index: u32, gateway: Ipv4Addr) -> Result<(), Error> {
        self.execute("set the default route", |sequence| message::set_default_route(sequence, index, gateway))
    }

    /// Removes an interface's default route.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, for example because there is none.
    pub fn delete_default_route(&mut self, index: u32, gateway: Ipv4Addr) -> Result<(), Error> {
        self.execute("delete the default route", |sequence| {
            message::delete_default_route(sequence, index, gateway)
        })
    }

    /// Makes an interface of the kind `wireguard`, or sets the packet size of the one that there is. `Refused` with
    /// `EOPNOTSUPP` means that the kernel has no such kind: its module is not loaded.
    pub(crate) fn set_wireguard_link(&mut self, name: &str, mtu: u32) -> Result<(), Error> {
        self.execute("make the tunnel's interface", |sequence| {
            policy::set_wireguard_link(sequence, name, mtu)
        })
    }

    /// Removes an interface.
    pub(crate) fn delete_link(&mut self, index: u32) -> Result<(), Error> {
        self.execute("remove the tunnel's interface", |sequence| policy::delete_link(sequence, index))
    }

    /// Sets a route of the tunnel's table.
    pub(crate) fn set_tunnel_route(&mut self, index: u32, network: Network) -> Result<(), Error> {
        self.execute("set a route through the tunnel", |sequence| policy::set_route(sequence, index, network))
    }

    /// Removes a route of the tunnel's table.
    pub(crate) fn delete_tunnel_route(&mut self, index: u32, network: Network) -> Result<(), Error> {
        self.execute("remove a route through the tunnel", |sequence| {
            policy::delete_route(sequence, index, network)
        })
    }

    /// The routes of the tunnel's table on an interface.
    pub(crate) fn tunnel_routes(&mut self, index: u32, family: Family) -> Result<Vec<Network>, Error> {
        let request = |sequence| message::list_routes(sequence, policy::number(family));
        self.list("list the tunnel's routes", request, |message| match message {
            Message::TunnelRoute(found, network) if found == index => Some(network),
            _ => None,
        })
    }

    /// Adds a rule; one that is there already is no error.
    pub(crate) fn add_rule(&mut self, rule: Rule) -> Result<(), Error> {
        match self.execute("add a rule for the tunnel", |sequence| policy::add_rule(sequence, rule)) {
            Err(Error::Refused { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                Ok(())
            }
            result => result,
        }
    }

    /// Removes a rule.
    pub(crate) fn delete_rule(&mut self, rule: Rule) -> Result<(), Error> {
        self.execute("remove a rule for the tunnel", |sequence| policy::delete_rule(sequence, rule))
    }

    /// The tunnel's rules of an address family, also those of a former process.
    pub(crate) fn rules(&mut self, family: Family) -> Result<Vec<Rule>, Error> {
        let request = |sequence| policy::list_rules(sequence, family);
        self.list("list the rules", request, |message| match message {
            Message::Rule(rule) => Some(rule),
            _ => None,
        })
    }

    fn execute(&mut self, doing: &'static str, request: impl FnOnce(u32) -> Vec<u8>) -> Result<(), Error> {
        self.connection.exchange(doing, request, |_, _| Some(()))
    }

    fn list<T>(
        &mut self,
        doing: &'static str,
        request: impl FnOnce(u32) -> Vec<u8>,
        pick: impl Fn(Message) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.connection.exchange(doing, request, |kind, body| {
            found.extend(pick(message::parse(kind, body)?));
            (found.len() <= LIST_LIMIT).then_some(())
        })?;
        Ok(found)
    }
}

/// A socket to a part of the kernel, and the number of its last request.
#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    sequence: u32,
}

impl Connection {
    /// No protocol number means `NETLINK_ROUTE`.
    fn open(protocol: Option<Protocol>) -> Result<Self, Error> {
        Ok(Self { socket: socket(protocol, 0, SocketFlags::CLOEXEC)?, sequence: 0 })
    }

    /// Sends the request with the next number, and hands over the type and the body of each message of the answer until the
    /// kernel has said its last word on it. `take` gives none for a message that makes no sense.
    fn exchange(
        &mut self,
        doing: &'static str,
        request: impl FnOnce(u32) -> Vec<u8>,
        mut take: impl FnMut(u16, &[u8]) -> Option<()>,
    ) -> Result<(), Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let malformed = || Error::Malformed { doing };
        self.send(doing, &request(self.sequence))?;
        loop {
            let datagram = self.receive(doing)?;
            let frames = frames(&datagram).ok_or_else(malformed)?;
            // Others are answers to earlier requests that have timed out.
            for (kind, _, body) in frames.into_iter().filter(|(_, sequence, _)| *sequence == self.sequence) {
                match outcome(kind, body).ok_or_else(malformed)? {
                    Some(number) => return check(doing, number),
                    None => take(kind, body).ok_or_else(malformed)?,
                }
            }
        }
    }

    fn send(&self, doing: &'static str, request: &[u8]) -> Result<(), Error> {
        send(&self.socket, request, SendFlags::empty())
            .map(drop)
            .map_err(|source| Error::Socket { doing, source: source.into() })
    }

    fn receive(&self, doing: &'static str) -> Result<Vec<u8>, Error> {
        let failed = |source: Errno| Error::Socket { doing, source: source.into() };
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        if poll(&mut fds, Some(&ANSWER_TIMEOUT)).map_err(failed)? == 0 {
            return Err(failed(Errno::TIMEDOUT));
        }
        let mut buffer = vec![0; DATAGRAM_LIMIT];
        let (length, _) = recv(&self.socket, buffer.as_mut_slice(), RecvFlags::empty()).map_err(failed)?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// A subscription to changes of interfaces and addresses, readable when there was one. The changes themselves are not
/// parsed: the kernel drops notifications when they come too fast, so the tables are read anew after any. Needs no
/// privilege.
#[derive(Debug)]
pub struct ChangeSubscription {
    socket: OwnedFd,
}

impl ChangeSubscription {
    /// Subscribes. To be done before the tables are read, or a change between the two is missed.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: socket(None, GROUPS, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)? })
    }

    /// Discards the notifications that have arrived; does not block.
    pub fn drain(&self) {
        let mut buffer = [0; 512];
        for _ in 0..DRAIN_LIMIT {
            // ENOBUFS: the kernel has dropped notifications. That there was a change is known all the same.
            match recv(&self.socket, &mut buffer, RecvFlags::TRUNC) {
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl AsRawFd for ChangeSubscription {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for ChangeSubscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// No protocol number means `NETLINK_ROUTE`.
fn socket(protocol: Option<Protocol>, groups: u32, flags: SocketFlags) -> Result<OwnedFd, Error> {
    let failed = |source: Errno| Error::Socket { doing: "speak with the kernel", source: source.into() };
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, protocol).map_err(failed)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups)).map_err(failed)?;
    Ok(socket)
}

fn check(doing: &'static str, outcome: i32) -> Result<(), Error> {
    match outcome {
        0 => Ok(()),
        number => {
            let source = std::io::Error::from_raw_os_error(number.wrapping_neg());
            Err(Error::Refused { doing, source })
        }
    }
}
