//! What can go wrong between a description and a card. Each message says what was being done and what the person can do.

use std::path::PathBuf;

use crate::{debian, describe, ext4, fat, modules, tool};

/// Trouble while building, reading or flashing an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A board or image description.
    #[error(transparent)]
    Describe(#[from] describe::Error),
    /// A program of the host.
    #[error(transparent)]
    Tool(#[from] tool::Error),
    /// The data file system.
    #[error(transparent)]
    Ext4(#[from] ext4::Error),
    /// A FAT volume.
    #[error(transparent)]
    Fat(#[from] fat::Error),
    /// The card's map or state.
    #[error(transparent)]
    Map(#[from] boot_slot::Error),
    /// Debian's packages.
    #[error(transparent)]
    Debian(#[from] debian::Error),
    /// The kernel's modules.
    #[error(transparent)]
    Modules(#[from] modules::Error),
    /// The product's binary cannot be on a card.
    #[error(
        "{path} cannot go on a card: {reason}; build it with `scripts/toolchain cargo build --release -p hearth`"
    )]
    Binary {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {path}{}", hint(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A compressor failed.
    #[error("compressing {what} failed")]
    Compress {
        /// What was compressed.
        what: &'static str,
        /// What the compressor said.
        source: std::io::Error,
    },
    /// A JSON text could not be made.
    #[error("{what} could not be written as JSON")]
    Json {
        /// The file.
        what: &'static str,
        /// What was wrong.
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
