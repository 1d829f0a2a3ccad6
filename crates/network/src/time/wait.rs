//! The wait for packets.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use host::clock::{poll_timeout, uptime};
use rustix::event::{PollFd, PollFlags, poll};

/// Waits until one of the sockets has a packet or an error; false when the deadline, an uptime, has passed before.
pub(super) fn wait_for(sockets: &[&UdpSocket], deadline: Duration) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_sub(uptime());
        if left.is_zero() {
            return Ok(false);
        }
        let mut fds: Vec<PollFd<'_>> =
            sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&poll_timeout(left))) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}
