//! One slot: kernel, initramfs and manifest in a FAT16 volume. The same bytes serve slot A, slot B and an update.

use std::collections::BTreeMap;

use boot_slot::layout::Extent;
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

/// `manifest.json`: what a slot holds, for the lab, for updates and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this file; 1.
    pub format: u32,
    /// Hearth's version.
    pub version: String,
    /// The board the slot is for.
    pub board: String,
    /// The kernel's release.
    pub kernel: String,
    /// Names the content.
    pub build_id: String,
    /// Unix seconds.
    pub build_time: u64,
    /// The other files by name.
    pub files: BTreeMap<String, FileRecord>,
}

/// The volume's used bytes and the manifest in it.
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
