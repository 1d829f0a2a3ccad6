//! Puts a card together in memory: partition table, boot state, boot partition, slot A. Nothing is written to disk here but
//! scratch files, and the same inputs give the same bytes.

use std::path::Path;

use boot_slot::layout::{BOOT_PARTITION, Layout, MIB};
use boot_slot::mbr::{Kind, Partition, PartitionTable};
use boot_slot::{BootState, Slot};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::compress::{self, Effort};
use crate::cpio::{Archive, Node};
use crate::describe::{Board, Project};
use crate::digest::hex;
use crate::error::Error;
use crate::initramfs::{self, Build};
use crate::parts::Parts;
use crate::progress::Progress;
use crate::slot::{self, Manifest};
use crate::{boot, ext4};

/// The inputs of a build.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The descriptions.
    pub project: &'a Project,
    /// The board.
    pub board: &'a Board,
    /// Kernel, packages' files and certificate roots.
    pub parts: &'a dyn Parts,
    /// The product's static binary.
    pub binary: &'a [u8],
    /// Hearth's version.
    pub version: &'a str,
    /// Unix time in seconds; every time stamp on the card is this one.
    pub time: u64,
    /// The effort of compression.
    pub effort: Effort,
    /// A folder for temporary files.
    pub scratch: &'a Path,
}

/// The content of a card image; bytes that no piece covers are zero.
#[derive(Debug, Clone)]
pub struct Card {
    /// Pairs of byte offset and content, ascending and without overlap.
    pub pieces: Vec<(u64, Vec<u8>)>,
    /// Size of the image file in bytes.
    pub length: u64,
    /// The manifest of slot A.
    pub manifest: Manifest,
    /// The sizes of the parts.
    pub sizes: Sizes,
}

/// Sizes in bytes, for the build's summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The product's binary.
    pub binary: u64,
    /// Files of the boot partition.
    pub boot_files: u64,
    /// The compressed kernel.
    pub kernel: u64,
    /// The compressed initramfs.
    pub initramfs: u64,
    /// The initramfs before compression, which is its size in the box's memory.
    pub initramfs_unpacked: u64,
    /// A slot up to its last used byte, which is the size of an update.
    pub slot: u64,
    /// The image file.
    pub raw: u64,
}

/// Builds a card.
pub fn assemble(inputs: &Inputs<'_>, progress: &dyn Progress) -> Result<Card, Error> {
    let Inputs { project, board, parts, binary, time, effort, .. } = *inputs;
    let layout = Layout::new();
    let step = |text: &str| progress.begin(text, None);
    step("making the data file system");
    let data_template = ext4::template(inputs.scratch, time)?;
    progress.end();
    step("collecting the initramfs");
    let image = project.image()?;
    let mut archive = initramfs::archive(project, &image, board, parts, binary.to_vec(), &data_template)?;
    let kernel = parts.kernel()?;
    let boot_files = boot::files(project, &image, board, parts, time)?;
    let digest = content_digest(&archive, &kernel, &boot_files, inputs);
    let build = Build {
        version: inputs.version.to_owned(),
        build_time: time,
        board: board.name.clone(),
        kernel: parts.kernel_release().to_owned(),
        build_id: hex(&digest).chars().take(BUILD_ID_DIGITS).collect(),
    };
    initramfs::put_build(&mut archive, &build)?;
    let unpacked = archive.write();
    progress.end();
    step("compressing the kernel");
    let kernel = compress::gzip("the kernel", &kernel, effort)?;
    progress.end();
    step("compressing the initramfs");
    let initramfs = compress::zstd("the initramfs", &unpacked, effort)?;
    progress.end();
    step("writing the file systems");
    // The first bytes of the digest are the card's identity; zero would be no identity at all.
    let disk_id = digest.first_chunk().map_or(1, |bytes| u32::from_be_bytes(*bytes)).max(1);
    let mut sizes = Sizes {
        binary: binary.len() as u64,
        boot_files: boot_files.values().map(|file| file.len() as u64).sum(),
        kernel: kernel.len() as u64,
        initramfs: initramfs.len() as u64,
        initramfs_unpacked: unpacked.len() as u64,
        slot: 0,
        raw: 0,
    };
    let boot_volume = boot::write(&boot_files, layout.boot, disk_id, time)?;
    let slot_a = layout.slot(Slot::A);
    let (slot_volume, manifest) = slot::write(&build, slot_a, kernel, initramfs, disk_id)?;
    sizes.slot = slot_volume.len() as u64;
    // Whole mebibytes, because some card writers and emulators refuse odd sizes.
    sizes.raw = (slot_a.start + sizes.slot).next_multiple_of(MIB);
    let state = BootState::fresh().encode()?;
    let [copy_1, copy_2] = layout.boot_state;
    let pieces = vec![
        (0, table(disk_id)?.encode()?.to_vec()),
        (copy_1.start, state.clone()),
        (copy_2.start, state),
        (layout.boot.start, boot_volume),
        (slot_a.start, slot_volume),
    ];
    progress.end();
    Ok(Card { pieces, length: sizes.raw, manifest, sizes })
}

/// The table of a fresh card. The box adds the data partition on its first boot, since only the box knows the card's size.
fn table(disk_id: u32) -> Result<PartitionTable, Error> {
    let layout = Layout::new();
    let mut table = PartitionTable::new(disk_id);
    let boot = Partition { kind: Kind::Fat32 as u8, active: true, extent: layout.boot };
    table.set(BOOT_PARTITION, boot)?;
    for slot in [Slot::A, Slot::B] {
        let partition = Partition { kind: Kind::Fat16 as u8, active: false, extent: layout.slot(slot) };
        table.set(Layout::partition_number(slot), partition)?;
    }
    Ok(table)
}

/// The SHA-256 of everything on the card, each name and content behind its length, so that no two inputs are the same bytes.
fn content_digest(
    archive: &Archive,
    kernel: &[u8],
    boot_files: &std::collections::BTreeMap<String, Vec<u8>>,
    inputs: &Inputs<'_>,
) -> Vec<u8> {
    let mut digest = Sha256::new();
    let mut add = |name: &str, content: &[u8]| {
        digest.update((name.len() as u64).to_be_bytes());
        digest.update(name);
        digest.update((content.len() as u64).to_be_bytes());
        digest.update(content);
    };
    for (path, node) in archive.iter() {
        match node {
            Node::Folder => add(path, b"folder"),
            Node::File(content) | Node::Program(content) => add(path, content),
            Node::Link(target) => add(path, target.as_bytes()),
            Node::Device(major, minor) => add(path, format!("{major}:{minor}").as_bytes()),
        }
    }
    add("kernel", kernel);
    for (path, content) in boot_files {
        add(path, content);
    }
    add("version", inputs.version.as_bytes());
    add("time", &inputs.time.to_be_bytes());
    add("effort", format!("{:?}", inputs.effort).as_bytes());
    digest.finalize().to_vec()
}

const BUILD_ID_DIGITS: usize = 16;
