//! Questions and orders to the kernel about interfaces, addresses and routes, by a netlink socket.

mod message;

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

pub use message::{InterfaceAddress, Link, LinkKind, Usability};

use crate::Error;
use message::Message;

/// The kernel's datagrams are at most this long (`NLMSG_GOODSIZE` and the dump's own limit).
const DATAGRAM_LIMIT: usize = 32 * 1024;
/// The kernel answers at once; more means that something is very wrong.
const ANSWER_LIMIT: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// No machine of ours has as many interfaces or addresses.
const LIST_LIMIT: usize = 4096;
/// Datagrams swallowed at once by [`Changes::drain`].
const STORM: usize = 1000;
/// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x001 | 0x010 | 0x100;

/// A connection to the kernel's routing tables.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens the connection.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: socket(0, SocketFlags::CLOEXEC)?, sequence: 0 })
    }

    /// All interfaces.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer with a list.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        let sequence = self.next();
        self.list("list the interfaces", sequence, &message::list_links(sequence), |message| match message {
            Message::Link(link) => Some(link),
            _ => None,
        })
    }

    /// All addresses of all interfaces.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer with a list.
    pub fn addresses(&mut self) -> Result<Vec<InterfaceAddress>, Error> {
        let sequence = self.next();
        self.list("list the addresses", sequence, &message::list_addresses(sequence), |message| match message
        {
            Message::Address(address) => Some(address),
            _ => None,
        })
    }

    /// Switches an interface on.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_up(&mut self, index: u32) -> Result<(), Error> {
        let sequence = self.next();
        self.order("switch an interface on", &message::set_up(sequence, index))
    }

    /// Gives an interface an address, also one that it has already.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn add_address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) -> Result<(), Error> {
        let sequence = self.next();
        self.order("add an address", &message::add_address(sequence, index, address, prefix))
    }

    /// Takes an address from an interface, with the routes that need it.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, for example because it has none.
    pub fn delete_address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) -> Result<(), Error> {
        let sequence = self.next();
        self.order("delete an address", &message::delete_address(sequence, index, address, prefix))
    }

    /// Sets an interface's way to the world, in place of the one before.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_default_route(&mut self, index: u32, gateway: Ipv4Addr) -> Result<(), Error> {
        let sequence = self.next();
        self.order("set the default route", &message::set_default_route(sequence, index, gateway))
    }

    /// Takes an interface's way to the world away.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, for example because there is none.
    pub fn delete_default_route(&mut self, index: u32, gateway: Ipv4Addr) -> Result<(), Error> {
        let sequence = self.next();
        self.order("delete the default route", &message::delete_default_route(sequence, index, gateway))
    }

    fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn order(&mut self, doing: &'static str, request: &[u8]) -> Result<(), Error> {
        self.send(doing, request)?;
        loop {
            for (sequence, message) in self.receive(doing)? {
                if let (true, Message::Outcome(outcome)) = (sequence == self.sequence, message) {
                    return check(doing, outcome);
                }
            }
        }
    }

    fn list<T>(
        &mut self,
        doing: &'static str,
        sequence: u32,
        request: &[u8],
        pick: impl Fn(Message) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        self.send(doing, request)?;
        let mut found = Vec::new();
        loop {
            for (number, message) in self.receive(doing)? {
                match message {
                    // The answer to an earlier question that was given up.
                    _ if number != sequence => {}
                    Message::Done => return Ok(found),
                    Message::Outcome(outcome) => check(doing, outcome)?,
                    message => found.extend(pick(message)),
                }
            }
            if found.len() > LIST_LIMIT {
                return Err(Error::Nonsense { doing });
            }
        }
    }

    fn send(&self, doing: &'static str, request: &[u8]) -> Result<(), Error> {
        send(&self.socket, request, SendFlags::empty())
            .map(drop)
            .map_err(|source| Error::Socket { doing, source: source.into() })
    }

    fn receive(&self, doing: &'static str) -> Result<Vec<(u32, Message)>, Error> {
        let failed = |source: Errno| Error::Socket { doing, source: source.into() };
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        if poll(&mut fds, Some(&ANSWER_LIMIT)).map_err(failed)? == 0 {
            return Err(failed(Errno::TIMEDOUT));
        }
        let mut buffer = vec![0; DATAGRAM_LIMIT];
        let (length, _) = recv(&self.socket, buffer.as_mut_slice(), RecvFlags::empty()).map_err(failed)?;
        buffer.get(..length).and_then(message::parse).ok_or(Error::Nonsense { doing })
    }
}

/// An ear for changes of interfaces and addresses. Which they are is found out by asking.
#[derive(Debug)]
pub struct Changes {
    socket: OwnedFd,
}

impl Changes {
    /// Starts to listen. Listen before asking, or a change between the two is missed.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket.
    pub fn listen() -> Result<Self, Error> {
        Ok(Self { socket: socket(GROUPS, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)? })
    }

    /// Forgets what has been heard.
    pub fn drain(&self) {
        let mut buffer = [0; 512];
        for _ in 0..STORM {
            // "No buffer space" only means that there were more changes than could be told.
            match recv(&self.socket, &mut buffer, RecvFlags::TRUNC) {
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn socket(groups: u32, flags: SocketFlags) -> Result<OwnedFd, Error> {
    let failed = |source: Errno| Error::Socket { doing: "speak with the kernel", source: source.into() };
    // No protocol number means NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, None).map_err(failed)?;
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
