//! FAT16 and FAT32 volumes, written from and read into memory. Made for images: a volume is written once, files lie in one
//! piece, the same files give the same bytes. No volume is ever changed in place, and no device is opened here.

mod name;
mod read;
mod write;

pub use read::{FileEntry, Volume};
pub use write::VolumeSpec;

/// Trouble with a FAT volume.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder name FAT cannot hold.
    #[error("{path:?} cannot be stored on a FAT volume: {reason}")]
    Name {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The files are larger than the volume.
    #[error(
        "volume {label} is too small: its files need {needed} bytes, it holds {capacity}; see `image-builder build --help` for the sizes to keep"
    )]
    Full {
        /// The volume's label.
        label: String,
        /// Bytes needed, in whole clusters.
        needed: u64,
        /// Bytes there are.
        capacity: u64,
    },
    /// The requested size does not make a volume of the requested kind.
    #[error(
        "a volume of {size} bytes with clusters of {cluster} bytes would have {clusters} clusters, which is not {kind}"
    )]
    Geometry {
        /// Volume size in bytes.
        size: u64,
        /// Cluster size in bytes.
        cluster: u64,
        /// How many clusters would result.
        clusters: u64,
        /// FAT16 or FAT32.
        kind: Kind,
    },
    /// What is read is no FAT volume, or a damaged one.
    #[error("the FAT volume at byte {offset} cannot be read: {reason}")]
    Damaged {
        /// Where the volume starts.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A file that should be there is not.
    #[error("there is no file {path:?} on the FAT volume at byte {offset}")]
    NoSuchFile {
        /// Where the volume starts.
        offset: u64,
        /// The path that was looked for.
        path: String,
    },
    /// Reading failed.
    #[error("reading the FAT volume at byte {offset} failed")]
    Read {
        /// Where the volume starts.
        offset: u64,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Which FAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 16-bit entries, fixed root folder: the slots.
    Fat16,
    /// 32-bit entries, root folder like any other: the boot partition.
    Fat32,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fat16 => "FAT16 (4085 to 65524 clusters)",
            Self::Fat32 => "FAT32 (65525 clusters and more)",
        })
    }
}

const SECTOR: u64 = 512;
const ENTRY: usize = 32;
const ATTRIBUTE_VOLUME: u8 = 0x08;
const ATTRIBUTE_FOLDER: u8 = 0x10;
const ATTRIBUTE_ARCHIVE: u8 = 0x20;
const ATTRIBUTE_LONG_NAME: u8 = 0x0f;

#[cfg(test)]
mod tests;
