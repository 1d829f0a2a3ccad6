//! Datagram sockets for the questions to name servers and time servers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// A socket for one partner, with a random port that the kernel chooses.
pub(crate) fn connect(partner: SocketAddr) -> io::Result<UdpSocket> {
    let any = match partner {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(partner)?;
    Ok(socket)
}
