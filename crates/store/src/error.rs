//! The store's errors, told apart by the caller's ways out.

use std::io;
use std::path::PathBuf;

/// The result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the store.
///
/// Every read may end with [`Error::Io`], [`Error::Damaged`], [`Error::MailboxDamaged`] or [`Error::Bug`]. Every change may
/// end with these too, and with [`Error::Poisoned`], [`Error::Closed`], [`Error::DiskFull`] or [`Error::TooLarge`]; after
/// an error nothing was changed, except after `Poisoned`, where it is unknown until the store is opened again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// The operation, an infinitive.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        cause: io::Error,
    },
    /// A sync failed. The data may be lost although it can still be read, so the store refuses changes until it is opened
    /// again.
    #[error("cannot make {} durable: {cause}", path.display())]
    Sync {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        cause: io::Error,
    },
    /// Another process has the directory open.
    #[error("the store in {} is in use by another process; stop it first", .0.display())]
    Locked(PathBuf),
    /// The directory holds no store.
    #[error("there is no store in {}", .0.display())]
    NoStore(PathBuf),
    /// The target of an export is not empty.
    #[error("{} is not empty; name a directory that is new or empty", .0.display())]
    NotEmpty(PathBuf),
    /// A file was written by a release whose format this one cannot read.
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
        /// The damage.
        what: String,
    },
    /// A mailbox's records and its counters do not agree, and making the index again did not help.
    #[error("a mailbox's records are not what they should be; stop the server and run `hearth store check`")]
    MailboxDamaged,
    /// An earlier write failed, so that the content of the disk is unknown: the store must be opened again.
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
        /// The value that is too large.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// An account of that name exists.
    #[error("the account exists already")]
    AccountExists,
    /// A deleted account had that name; names are never given out twice.
    #[error("the name was used by an account that is gone, and is not given out again")]
    NameRetired,
    /// No account of that name exists.
    #[error("there is no such account")]
    NoSuchAccount,
    /// A mailbox of that name exists.
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
    /// A mailbox knows as many keywords as it can, and a change would add another.
    #[error("the mailbox has as many keywords as it can have; use those, or another mailbox")]
    KeywordsFull,
    /// The invite cannot be used.
    #[error("the invite {0}")]
    InviteInvalid(InviteFlaw),
    /// A fault in the store itself: a broken invariant.
    #[error("mistake in the store: {0}; please report it")]
    Bug(&'static str),
}

/// The reason for which an invite cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteFlaw {
    /// No invite has this digest (any more).
    #[error("does not exist")]
    Unknown,
    /// All its uses are spent.
    #[error("is used up")]
    UsedUp,
    /// Its time of expiry has passed.
    #[error("has expired")]
    Expired,
}

impl Error {
    /// For `map_err`: adds the operation and its object.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io { action, path, cause },
        }
    }
}
