//! FAT16 and FAT32 volumes, read without trust: directories, and the places of the bytes of files. Nothing is written.
//!
//! ```text
//! | boot sector, reserved | FAT | its copy | root directory (FAT16 only) | clusters 2, 3, ...
//! ```
//!
//! A volume comes from a card that any computer may have written to, or that is worn out. All numbers are checked against
//! the volume's own size, the table is read once, directories and files have limits, and a chain of clusters that is longer
//! than what it belongs to ends there: a circle costs no more than a straight chain.
//!
//! Ours, since the owner's file is changed in place: that takes the places of its bytes, and those of free clusters, which
//! `fatfs` does not tell. Names and sections in comments are those of Microsoft's FAT specification of August 2005.
#![forbid(unsafe_code)]

mod bytes;
mod directory;
mod geometry;
mod table;
mod volume;

pub use directory::{Entry, EntryKind};
pub use volume::Volume;

/// Bytes of a sector.
pub const SECTOR: u64 = 512;
/// The largest table that is read, in bytes: that of a volume of 2 GiB with the smallest clusters.
pub const LARGEST_TABLE: u64 = 16 << 20;
/// The largest directory, in bytes: 65 536 entries (section 6).
pub const LARGEST_DIRECTORY: u64 = 2 << 20;

/// An error of a FAT volume.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The first sector is no boot sector of a volume that can be read here.
    #[error("this is no FAT16 or FAT32 volume: {0}")]
    NotFat(&'static str),
    /// The volume contradicts itself.
    #[error("the FAT volume is damaged: {0}")]
    Damaged(&'static str),
    /// The file or directory is longer than its reader bears.
    #[error("{what} has more than {limit} bytes")]
    TooLong {
        /// The file or directory.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The operating system's error.
    #[error("the FAT volume cannot be read")]
    Read(#[source] std::io::Error),
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Damaged("it ends too early"),
            _ => Self::Read(error),
        }
    }
}
