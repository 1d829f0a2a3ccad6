//! Errors between a description and a card. Each text names the operation and, if there is one, the remedy.

use std::path::PathBuf;

use crate::{debian, describe, ext4, fat, modules, tool};

/// An error of building or reading an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of a board or image description.
    #[error(transparent)]
    Describe(#[from] describe::Error),
    /// An error of a program of the host.
    #[error(transparent)]
    Tool(#[from] tool::Error),
    /// An error of making the data file system.
    #[error(transparent)]
    Ext4(#[from] ext4::Error),
    /// An error of a FAT volume.
    #[error(transparent)]
    Fat(#[from] fat::Error),
    /// An error of the partition table or the boot state.
    #[error(transparent)]
    Map(#[from] boot_slot::Error),
    /// An error of Debian's packages.
    #[error(transparent)]
    Debian(#[from] debian::Error),
    /// An error of the kernel's modules.
    #[error(transparent)]
    Modules(#[from] modules::Error),
    /// The product's binary is no static aarch64 program.
    #[error(
        "{path} cannot go on a card: {reason}; build it with `scripts/toolchain cargo build --release -p hearth`"
    )]
    Binary {
        /// The file.
        path: PathBuf,
        /// The fault, as a clause.
        reason: &'static str,
    },
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {path}{}", hint(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A compressor failed.
    #[error("compressing {what} failed")]
    Compress {
        /// The data.
        what: &'static str,
        /// The compressor's error.
        source: std::io::Error,
    },
    /// A JSON file could not be serialised.
    #[error("{what} could not be written as JSON")]
    Json {
        /// The file.
        what: &'static str,
        /// The serialiser's error.
        source: serde_json::Error,
    },
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            ": the disk is full; a build needs about 300 MB. Nothing half-written was left behind"
        }
        std::io::ErrorKind::PermissionDenied => ": you may not write there",
        _ => "",
    }
}
