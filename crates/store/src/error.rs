//! What can go wrong in the store, told apart by what the caller can do about it.

use std::io;
use std::path::PathBuf;

/// The result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Trouble in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// Something written could not be made durable. What it was may be lost although it can still be read, so the store
    /// refuses changes until it is opened again.
    #[error("cannot make {} durable: {cause}", path.display())]
    Sync {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// Another process has the directory open.
    #[error("the store in {} is in use by another process; stop it first", .0.display())]
    Locked(PathBuf),
    /// There is no store to look at.
    #[error("there is no store in {}", .0.display())]
    NoStore(PathBuf),
    /// A copy needs a place of its own.
    #[error("{} is not empty; name a directory that is new or empty", .0.display())]
    NotEmpty(PathBuf),
    /// A file was written by a release that this one cannot read.
    #[error("{} has format {found}, this release reads up to {known}; start the newer release again", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The format that a reader must know to read it.
        found: u32,
        /// The newest format that this release knows.
        known: u32,
    },
    /// A file does not hold what was written to it, and nothing else on disk can replace it.
    #[error("{} is damaged ({what}); restore a backup or run `hearth store check`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found wrong.
        what: String,
    },
    /// A mailbox's records and its counters do not agree, and making the index again did not help.
    #[error("a mailbox's records are not what they should be; stop the server and run `hearth store check`")]
    MailboxDamaged,
    /// An earlier write failed, so that nobody knows what is on disk: the store must be opened again.
    #[error("the store refuses changes since a write to disk failed; it must be opened again")]
    Poisoned,
    /// The store was closed while the operation waited.
    #[error("the store is closed")]
    Closed,
    /// No room on the disk for this change. Nothing was changed, and smaller changes may still succeed.
    #[error("the disk is full")]
    DiskFull,
    /// A body or a value is larger than its limit.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// There is an account of that name.
    #[error("the account exists already")]
    AccountExists,
    /// There was an account of that name; names are never given to somebody else.
    #[error("the name was used by an account that is gone, and is not given out again")]
    NameRetired,
    /// There is no account of that name.
    #[error("there is no such account")]
    NoSuchAccount,
    /// There is a mailbox of that name.
    #[error("the mailbox exists already")]
    MailboxExists,
    /// The mailbox does not exist (any more).
    #[error("there is no such mailbox")]
    NoSuchMailbox,
    /// INBOX can be neither deleted nor created.
    #[error("INBOX cannot be deleted")]
    InboxIsFixed,
    /// The message does not exist (any more).
    #[error("there is no such message")]
    NoSuchMessage,
    /// A mailbox has given out all its UIDs or modification sequences.
    #[error("the mailbox has used up its numbers; create a new one")]
    MailboxExhausted,
    /// The invite lets nobody in, and why.
    #[error("the invite {0}")]
    InviteInvalid(InviteFlaw),
    /// A mistake in the store itself.
    #[error("mistake in the store: {0}; please report it")]
    Bug(&'static str),
}

/// Why an invite lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteFlaw {
    /// There is none with this token (any more).
    #[error("does not exist")]
    Unknown,
    /// It has let in as many as it says.
    #[error("is used up")]
    UsedUp,
    /// Its time is over.
    #[error("has expired")]
    Expired,
}

impl Error {
    /// For `map_err`: names what was being done, and to what.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io { action, path, cause },
        }
    }
}
