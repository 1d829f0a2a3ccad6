//! The kernel's notifications of added and removed devices (uevents), to wait for instead of sleeping. Their content is
//! not read: after each the caller looks again.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use host::clock::{poll_timeout, uptime};

/// The multicast group of the kernel's own uevents; udevd would use group 2.
const KERNEL_GROUP: u32 = 1;
/// One event is at most a page.
const EVENT_LIMIT: usize = 4096;
/// Events read after one wake-up: a burst of them is one reason to look, not thousands.
const EVENTS_PER_WAKE: usize = 1000;

/// The longest wait between two looks, in case an event was missed.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Looks for something now and whenever a device came or went, at most for `limit`.
pub(super) fn wait_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = uptime() + limit;
    let events = Uevents::listen().ok();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        let left = end.saturating_sub(uptime());
        if left.is_zero() {
            return None;
        }
        events.as_ref()?.wait(left.min(POLL_INTERVAL));
    }
}

/// A subscription to device events. It must be opened before the first look, or an event between the two is missed.
#[derive(Debug)]
struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    /// Subscribes.
    fn listen() -> rustix::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(Self { socket })
    }

    /// Waits until a device was added or removed since the last call, at most for `limit`.
    fn wait(&self, limit: Duration) {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        if let Ok(1..) = poll(&mut fds, Some(&poll_timeout(limit))) {
            let mut event = [0; EVENT_LIMIT];
            for _ in 0..EVENTS_PER_WAKE {
                if recv(&self.socket, &mut event, RecvFlags::empty()).is_err() {
                    break;
                }
            }
        }
    }
}
