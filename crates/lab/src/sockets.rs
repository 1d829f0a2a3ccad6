//! The unix sockets between the lab and QEMU: the lab listens first, QEMU connects while it starts, nobody polls.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::Deadline;
use crate::error::{Error, Result, file};
use crate::process::Qemu;

/// How long QEMU may take to connect; it does so within its first milliseconds, unless the host is swamped.
const CONNECT_LIMIT: Duration = Duration::from_secs(120);
/// How often a wait looks whether QEMU is still there.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// One socket on which QEMU is expected.
pub(crate) struct Expected {
    name: &'static str,
    path: PathBuf,
    listener: UnixListener,
}

impl Expected {
    /// Listens in `folder` under `name`.
    pub(crate) fn new(folder: &Path, name: &'static str) -> Result<Self> {
        let path = folder.join(name);
        // A restart listens at the same path again.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(file("listening on", &path))?;
        Ok(Self { name, path, listener })
    }

    /// The path, for QEMU's command line.
    pub(crate) fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Waits until QEMU has connected.
    pub(crate) fn accept(self, qemu: &Qemu) -> Result<UnixStream> {
        let deadline = Deadline::after(CONNECT_LIMIT);
        let broken = |source| Error::Port { port: self.name, source };
        loop {
            let mut descriptors = [PollFd::new(&self.listener, PollFlags::IN)];
            if poll(&mut descriptors, Some(&LOOK)).map_err(|error| broken(error.into()))? > 0 {
                let (stream, _) = self.listener.accept().map_err(broken)?;
                return Ok(stream);
            }
            if qemu.ended() {
                return Err(Error::QemuEnded { said: qemu.said(), console: String::new() });
            }
            if deadline.left().is_none() {
                let what = format!("QEMU to connect its {} port", self.name);
                return Err(Error::TimedOut { what, limit: CONNECT_LIMIT, console: String::new() });
            }
        }
    }
}
