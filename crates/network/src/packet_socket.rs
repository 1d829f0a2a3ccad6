//! A packet socket (`packet(7)`) for whole Ethernet frames on one interface.
//!
//! smoltcp opens and binds it, since no safe library offers the bind; but its own reading and writing panic when the
//! interface goes away, as a USB adapter does, and it does not hand its descriptor out. So the descriptor is duplicated by
//! its number with `pidfd_getfd` on this very process, and used with calls that return errors.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use smoltcp::phy::{Medium, RawSocket};

use crate::Error;

/// Bytes of the receive buffer: an Ethernet frame with MTU 1500, and room for tags. A longer frame is cut.
const FRAME_LIMIT: usize = 1600;

/// An open packet socket; it needs `CAP_NET_RAW` to open, nothing to use.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    socket: OwnedFd,
}

impl PacketSocket {
    /// Opens a socket on the interface of this name.
    pub(crate) fn open(interface: &str) -> Result<Self, Error> {
        let failed = |source| Error::Socket { doing: "open a socket for whole frames", source };
        let original = RawSocket::new(interface, Medium::Ethernet).map_err(failed)?;
        let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
        let socket = pidfd_getfd(own, original.as_raw_fd(), PidfdGetfdFlags::empty())
            .map_err(|error| failed(error.into()))?;
        Ok(Self { socket })
    }

    /// The next frame in the socket's queue; does not block.
    pub(crate) fn receive(&self) -> Result<Option<Vec<u8>>, Error> {
        let mut frame = vec![0; FRAME_LIMIT];
        match recv(&self.socket, frame.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((length, _)) => {
                frame.truncate(length);
                Ok(Some(frame))
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(Error::Socket { doing: "receive frames", source: error.into() }),
        }
    }

    /// Sends a frame; does not block. A frame for which the queue has no room is dropped, as on any network.
    pub(crate) fn send(&self, frame: &[u8]) -> Result<(), Error> {
        match send(&self.socket, frame, SendFlags::DONTWAIT) {
            Ok(_) | Err(Errno::WOULDBLOCK | Errno::NOBUFS | Errno::INTR) => Ok(()),
            Err(error) => Err(Error::Socket { doing: "send a frame", source: error.into() }),
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
