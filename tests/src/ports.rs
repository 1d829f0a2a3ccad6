//! Ports that a server keeps over restarts, on a machine where many programs are given ports at random.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// A TCP port of 127.0.0.1 that the kernel gives to no other socket as long as this exists.
///
/// Its socket is bound but does not listen. With `SO_REUSEADDR` on both sides (socket(7)) a server that names the port
/// may listen on it; one that asks for any port, or a client on its way out, is never given it. Without this, a port
/// would be anybody's while its server is restarted.
pub struct ReservedPort {
    _socket: OwnedFd,
    number: u16,
}

impl ReservedPort {
    /// A free port.
    pub fn new() -> Result<Self> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).context("binding a free port")?;
        let address = SocketAddrV4::try_from(getsockname(&socket)?)?;
        Ok(Self { _socket: socket, number: address.port() })
    }

    /// The port's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::ReservedPort;

    #[test]
    fn a_server_listens_on_a_reserved_port_again_and_again() {
        let port = ReservedPort::new().unwrap();
        let address = ("127.0.0.1", port.number());
        for _ in 0..3 {
            assert!(TcpStream::connect(address).is_err(), "nothing listens yet");
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(address).unwrap();
            let (server, _) = listener.accept().unwrap();
            drop((listener, server, client));
        }
    }
}
