//! FAT16 and FAT32 volumes of card images: written as a whole, and read.
//!
//! Reading is `fatfs`. Writing is ours: the same files must give the same bytes, each file in one run of clusters, and only
//! the used front of a volume is stored; `fatfs` changes a volume in place, with the clock's time and without an order of
//! its own. No device is opened here.

mod name;
mod read;
mod write;

pub use read::{FileEntry, Volume};
pub use write::VolumeSpec;

/// An error of a FAT volume.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory name that FAT cannot hold, or that some operating systems refuse.
    #[error("{path:?} cannot be stored on a FAT volume: {reason}")]
    Name {
        /// The path as given.
        path: String,
        /// The fault.
        reason: &'static str,
    },
    /// The files do not fit into the volume.
    #[error(
        "volume {label} is too small: its files need {needed} bytes, it holds {capacity}; see `image-builder build --help` for the sizes to keep"
    )]
    Full {
        /// The volume's label.
        label: String,
        /// Needed bytes, in whole clusters.
        needed: u64,
        /// Bytes in the volume's clusters.
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
        /// The resulting number of clusters.
        clusters: u64,
        /// FAT16 or FAT32.
        kind: Kind,
    },
    /// The bytes read are no FAT volume, or a damaged one.
    #[error("the FAT volume at byte {offset} cannot be read: {reason}")]
    Damaged {
        /// The volume's first byte in the image.
        offset: u64,
        /// The fault.
        reason: String,
    },
    /// No regular file has the path.
    #[error("there is no file {path:?} on the FAT volume at byte {offset}")]
    NoSuchFile {
        /// The volume's first byte in the image.
        offset: u64,
        /// The path that was looked for.
        path: String,
    },
    /// The image could not be read.
    #[error("reading the FAT volume at byte {offset} failed")]
    Read {
        /// The volume's first byte in the image.
        offset: u64,
        /// The operating system's error.
        source: std::io::Error,
    },
}

impl Error {
    /// Tells failures of the image file from faults of the volume, which `fatfs` reports as `io::Error` too.
    fn reading(offset: u64, error: std::io::Error) -> Self {
        match error.kind() {
            _ if error.raw_os_error().is_some() => Self::Read { offset, source: error },
            std::io::ErrorKind::UnexpectedEof => {
                Self::Damaged { offset, reason: "it ends too early".to_owned() }
            }
            _ => Self::Damaged { offset, reason: error.to_string() },
        }
    }
}

/// The FAT type, which the number of clusters determines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 16-bit entries, root directory of fixed size: the slots.
    Fat16,
    /// 32-bit entries, root directory in clusters: the boot partition.
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

/// In bytes.
const SECTOR_SIZE: u64 = 512;
/// Size of a directory entry in bytes.
const ENTRY_SIZE: usize = 32;
const ATTRIBUTE_VOLUME: u8 = 0x08;
const ATTRIBUTE_DIRECTORY: u8 = 0x10;
const ATTRIBUTE_ARCHIVE: u8 = 0x20;
const ATTRIBUTE_LONG_NAME: u8 = 0x0f;

#[cfg(test)]
mod tests;
