//! Errors of the lab; their texts say what to do.

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
        /// The error of starting it.
        source: io::Error,
    },
    /// A program of the host ended with a failure.
    #[error("`{tool}` failed while {doing}: {stderr}")]
    ToolFailed {
        /// The program's name.
        tool: String,
        /// The task, as a present participle with its object.
        doing: String,
        /// Its standard error.
        stderr: String,
    },
    /// A file of the host could not be read or written.
    #[error("{doing} {path}: {source}")]
    File {
        /// The operation, as a present participle.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The image file does not exist.
    #[error("there is no image at {0}; `scripts/image --board rpi` (or `--board qemu-virt`) builds it")]
    NoImage(PathBuf),
    /// The card does not hold what the firmware or U-Boot would look for.
    #[error("the card {card} cannot boot: {what}")]
    Card {
        /// The image file.
        card: PathBuf,
        /// The missing or malformed part.
        what: String,
    },
    /// Another guest of this user still ran at the end of the wait.
    #[error("another guest of the lab still runs after {} s (its lock is {path}); end it first", waited.as_secs())]
    Busy {
        /// The lock file held by the other guest.
        path: PathBuf,
        /// The length of the wait.
        waited: Duration,
    },
    /// QEMU ended, or did not start.
    #[error("QEMU is not running: {stderr}\n{console}")]
    QemuEnded {
        /// The last of QEMU's standard error.
        stderr: String,
        /// The last lines of the guest's console.
        console: String,
    },
    /// QMP or qtest answered a command with an error.
    #[error("QEMU refused `{command}`: {answer}")]
    Refused {
        /// The command as sent.
        command: String,
        /// QEMU's answer.
        answer: String,
    },
    /// The connection to QEMU broke.
    #[error("talking to QEMU's {port} port: {source}")]
    Port {
        /// `console`, `monitor` (QMP) or `test` (qtest).
        port: &'static str,
        /// The operating system's error, or a malformed answer.
        source: io::Error,
    },
    /// A wait reached its limit.
    #[error("waited {} s in vain for {what}\n{console}", limit.as_secs())]
    TimedOut {
        /// The awaited event.
        what: String,
        /// The limit given.
        limit: Duration,
        /// The last lines of the guest's console.
        console: String,
    },
    /// The guest's kernel panicked during a wait.
    #[error("the guest's kernel panicked while waiting for {what}\n{console}")]
    Panicked {
        /// The awaited event.
        what: String,
        /// The last lines of the guest's console.
        console: String,
    },
    /// The operation is impossible on this machine or in this state; the text says why.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A pairing link on the console lacks a field that the lab rewrites.
    #[error("the pairing link on the console is not a dclogin link with `ih`, `ip`, `sh` and `sp`")]
    Link,
}

/// The result of the lab's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds operation and path to an error of the file system; for `map_err`.
pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { doing, path, source }
}
