//! A socket for whole Ethernet frames on one interface.
//!
//! smoltcp opens and binds it, since that needs `unsafe` code we do not write; but its own reading and writing panic
//! when the interface goes away, as a USB adapter does. So the socket is duplicated, by asking for our own descriptor
//! the way a debugger would, and used with calls that return errors.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use smoltcp::phy::{Medium, RawSocket};

use crate::Error;

/// The longest frame that can be DHCP or ARP on Ethernet.
const FRAME_LIMIT: usize = 1600;

/// An open socket.
#[derive(Debug)]
pub(crate) struct Frames {
    socket: OwnedFd,
}

impl Frames {
    /// Opens a socket on the interface.
    pub(crate) fn open(interface: &str) -> Result<Self, Error> {
        let failed = |source| Error::Socket { doing: "open a socket for whole frames", source };
        let original = RawSocket::new(interface, Medium::Ethernet).map_err(failed)?;
        let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
        let socket = pidfd_getfd(own, original.as_raw_fd(), PidfdGetfdFlags::empty())
            .map_err(|error| failed(error.into()))?;
        Ok(Self { socket })
    }

    /// The next frame that has come, if any.
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

    /// Sends a frame. One for which there is no room is lost, as on any network.
    pub(crate) fn send(&self, frame: &[u8]) -> Result<(), Error> {
        match send(&self.socket, frame, SendFlags::DONTWAIT) {
            Ok(_) | Err(Errno::WOULDBLOCK | Errno::NOBUFS | Errno::INTR) => Ok(()),
            Err(error) => Err(Error::Socket { doing: "send a frame", source: error.into() }),
        }
    }
}

impl AsFd for Frames {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
