//! The unix sockets between the lab and QEMU: the lab listens first, and QEMU connects while it starts.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::Deadline;
use crate::error::{Error, Result, file};
use crate::process::Qemu;

/// QEMU connects within its first milliseconds, unless the host is overloaded.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(120);
/// An ended QEMU is noticed after this time at most.
const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A listening socket for one connection of QEMU.
pub(crate) struct Listener {
    name: &'static str,
    path: PathBuf,
    listener: UnixListener,
}

impl Listener {
    /// Listens in `folder` under `name`.
    pub(crate) fn new(folder: &Path, name: &'static str) -> Result<Self> {
        let path = folder.join(name);
        // A restart listens at the same path again.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(file("listening on", &path))?;
        Ok(Self { name, path, listener })
    }

    /// The socket's path, for QEMU's command line.
    pub(crate) fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Waits until QEMU has connected.
    pub(crate) fn accept(self, qemu: &Qemu) -> Result<UnixStream> {
        let deadline = Deadline::after(CONNECT_TIMEOUT);
        let broken = |source| Error::Port { port: self.name, source };
        loop {
            let mut descriptors = [PollFd::new(&self.listener, PollFlags::IN)];
            if poll(&mut descriptors, Some(&POLL_INTERVAL)).map_err(|error| broken(error.into()))? > 0 {
                let (stream, _) = self.listener.accept().map_err(broken)?;
                return Ok(stream);
            }
            if qemu.ended() {
                return Err(Error::QemuEnded { stderr: qemu.stderr_tail(), console: String::new() });
            }
            if deadline.left().is_none() {
                let what = format!("QEMU to connect its {} port", self.name);
                return Err(Error::TimedOut { what, limit: CONNECT_TIMEOUT, console: String::new() });
            }
        }
    }
}
