//! Errors of flashing, and the reasons for which a target is not written to.

use std::io;
use std::path::PathBuf;

use serde::Serialize;

/// A failure to judge, write or verify a target.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's list of block devices could not be read.
    #[error("cannot read {path}")]
    Drives {
        /// The file or directory below sysfs.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The image file does not begin with a partition table.
    #[error("{image} is not a card image: {reason}")]
    NotAnImage {
        /// The image file.
        image: PathBuf,
        /// The missing or malformed part.
        reason: String,
    },
    /// The target must not be written to.
    #[error("{target} is not written to: {refusal}")]
    Refused {
        /// The target's path.
        target: PathBuf,
        /// The reason.
        refusal: UnsafeTarget,
    },
    /// Reading or decompressing the image failed.
    #[error("reading {image} failed: is it whole?")]
    Image {
        /// The image file.
        image: PathBuf,
        /// The error of the operating system or of the decompressor.
        source: io::Error,
    },
    /// Reading or writing the target failed.
    #[error("{doing} {target} failed; the card is not usable, try again or take another one")]
    Target {
        /// The target's path.
        target: PathBuf,
        /// The operation, as a present participle: `writing to`.
        doing: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// The SHA-256 of the bytes read back differs from that of the bytes written.
    #[error("{target} does not hold what was written to it: the card or the reader is bad, take another one")]
    Verify {
        /// The target's path.
        target: PathBuf,
    },
}

/// The reason for which a target is not written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum UnsafeTarget {
    /// The drive holds a file system of the running operating system.
    #[error("this computer runs from it (it is mounted at {at})")]
    System {
        /// The mount point.
        at: String,
    },
    /// The drive or one of its partitions is mounted.
    #[error("it is mounted at {at}; unmount it first, if it really is the card (`umount {at}`)")]
    Mounted {
        /// The mount point.
        at: String,
    },
    /// The drive is swap space, or part of a RAID, an encrypted or a logical volume.
    #[error("it is in use by {by}")]
    InUse {
        /// The holder: a device name such as `dm-0`, or `swap space`.
        by: String,
    },
    /// The drive is built in.
    #[error("it is not removable, so it may be this computer's own disk")]
    NotRemovable,
    /// The drive is write-protected.
    #[error("it is write-protected: look at the switch on the card's side")]
    ReadOnly,
    /// The card reader is empty, or the card is too small.
    #[error(
        "it holds {capacity} bytes, which is too little; a card of 1 GB is enough, 8 GB and more are sensible"
    )]
    TooSmall {
        /// The drive's size in bytes.
        capacity: u64,
    },
    /// The device is a partition, not a whole drive.
    #[error("it is a partition; name the whole drive, {drive}")]
    Partition {
        /// The drive that holds the partition.
        drive: PathBuf,
    },
    /// The path names neither a block device nor a regular file.
    #[error("it is neither a drive nor a file")]
    Neither,
}
