//! What can go wrong in the lab, in words that say what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A failure of the lab, of a tool it needs, or of the guest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program of the host is missing or cannot be started.
    #[error("cannot start `{tool}` ({source}); `scripts/prepare try` installs what the lab needs")]
    ToolMissing {
        /// The program's name.
        tool: String,
        /// Why it did not start.
        source: io::Error,
    },
    /// A program of the host ran and refused.
    #[error("`{tool}` failed while {doing}: {said}")]
    ToolFailed {
        /// The program's name.
        tool: String,
        /// What it was to do.
        doing: String,
        /// What it wrote to its standard error.
        said: String,
    },
    /// A file of the host could not be read or written.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The image is not there.
    #[error("there is no image at {0}; `scripts/image --board rpi` (or `--board qemu-virt`) builds it")]
    NoImage(PathBuf),
    /// The card does not hold what the firmware or U-Boot would look for.
    #[error("the card {card} cannot boot: {what}")]
    Card {
        /// The image file.
        card: PathBuf,
        /// What is missing or wrong.
        what: String,
    },
    /// Another guest was running for too long.
    #[error("another guest of the lab still runs after {} s (its lock is {path}); end it first", waited.as_secs())]
    Busy {
        /// The lock file that the other guest holds.
        path: PathBuf,
        /// How long this one waited.
        waited: Duration,
    },
    /// QEMU ended, or never began.
    #[error("QEMU is not running: {said}\n{console}")]
    QemuEnded {
        /// The last words of QEMU itself.
        said: String,
        /// The last lines of the guest's console.
        console: String,
    },
    /// QEMU's monitor or test port answered with a refusal.
    #[error("QEMU refused `{command}`: {said}")]
    Refused {
        /// The command as sent.
        command: String,
        /// QEMU's answer.
        said: String,
    },
    /// The connection to QEMU broke.
    #[error("talking to QEMU's {port} port: {source}")]
    Port {
        /// Which port: console, monitor or test.
        port: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Something awaited did not happen in time.
    #[error("waited {} s in vain for {what}\n{console}", limit.as_secs())]
    TimedOut {
        /// What was awaited.
        what: String,
        /// The limit given.
        limit: Duration,
        /// The last lines of the guest's console.
        console: String,
    },
    /// The guest's kernel gave up while something else was awaited.
    #[error("the guest's kernel panicked while waiting for {what}\n{console}")]
    Panicked {
        /// What was awaited.
        what: String,
        /// The last lines of the guest's console.
        console: String,
    },
    /// This machine cannot do what was asked.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The console showed a pairing link that the lab does not understand.
    #[error("the pairing link on the console is not a dclogin link with `ih`, `ip`, `sh` and `sp`")]
    Link,
}

/// What the lab's functions give back.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds what was being done to an error of the file system.
pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { doing, path, source }
}
