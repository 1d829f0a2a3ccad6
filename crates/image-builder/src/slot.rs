//! One slot: kernel, initramfs and manifest in a FAT16 volume. The same bytes are slot A, slot B and an update.

use std::collections::BTreeMap;

use boot_slot::Extent;
use serde::{Deserialize, Serialize};

use crate::digest::FileRecord;
use crate::error::Error;
use crate::fat::{Kind, VolumeSpec};

/// The kernel's name in a slot.
pub const KERNEL: &str = "Image.gz";
/// The initramfs's name in a slot.
pub const INITRAMFS: &str = "os.cpio.zst";
/// The manifest's name in a slot.
pub const MANIFEST: &str = "manifest.json";

/// `manifest.json`: version and files of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the manifest's format; 1.
    pub format: u32,
    /// Hearth's version.
    pub version: String,
    /// The board's name.
    pub board: String,
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// Digest of the content, as [`crate::initramfs::Build::build_id`].
    pub build_id: String,
    /// Unix time in seconds.
    pub build_time: u64,
    /// The other files by name.
    pub files: BTreeMap<String, FileRecord>,
}

/// The volume up to its last used byte, and the manifest in it.
pub(crate) fn write(
    build: &crate::initramfs::Build,
    extent: Extent,
    kernel: Vec<u8>,
    initramfs: Vec<u8>,
    serial: u32,
) -> Result<(Vec<u8>, Manifest), Error> {
    let files = [(KERNEL, &kernel), (INITRAMFS, &initramfs)];
    let manifest = Manifest {
        format: 1,
        version: build.version.clone(),
        board: build.board.clone(),
        kernel: build.kernel.clone(),
        build_id: build.build_id.clone(),
        build_time: build.build_time,
        files: files.map(|(name, content)| (name.to_owned(), FileRecord::of(content))).into(),
    };
    let mut text =
        serde_json::to_vec_pretty(&manifest).map_err(|source| Error::Json { what: MANIFEST, source })?;
    text.push(b'\n');
    let files = [(KERNEL, kernel), (INITRAMFS, initramfs), (MANIFEST, text)];
    let files = files.map(|(name, content)| (name.to_owned(), content)).into();
    // No trace of the slot in the volume: the same bytes go to A and B, so there is no hidden sector count to be right.
    let spec = VolumeSpec {
        kind: Kind::Fat16,
        size: extent.length,
        cluster: 2048,
        label: "HEARTH-OS".to_owned(),
        serial,
        partition_start: 0,
        time: build.build_time,
    };
    Ok((spec.write(&files)?, manifest))
}
