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

/// What a build is given.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Where the descriptions are.
    pub project: &'a Project,
    /// The board to build for.
    pub board: &'a Board,
    /// What comes from outside.
    pub parts: &'a dyn Parts,
    /// The product's static binary.
    pub binary: &'a [u8],
    /// Hearth's version.
    pub version: &'a str,
    /// Unix seconds; every time stamp on the card is this one.
    pub time: u64,
    /// How long compression may take.
    pub effort: Effort,
    /// A folder for temporary files.
    pub scratch: &'a Path,
}

/// A card, in the pieces that are not zero.
#[derive(Debug, Clone)]
pub struct Card {
    /// Offsets and bytes, ascending and without overlap.
    pub pieces: Vec<(u64, Vec<u8>)>,
    /// Size of the image file.
    pub length: u64,
    /// What the slot holds.
    pub manifest: Manifest,
    /// How large the parts became.
    pub sizes: Sizes,
}

/// Sizes in bytes, for people who watch them.
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
    /// The initramfs in the box's memory.
    pub initramfs_unpacked: u64,
    /// Used bytes of a slot: what an update has to carry.
    pub slot: u64,
    /// The image file.
    pub raw: u64,
}

/// Builds a card.
pub fn assemble(request: &Request<'_>, progress: &dyn Progress) -> Result<Card, Error> {
    let Request { project, board, parts, binary, time, effort, .. } = *request;
    let layout = Layout::new();
    let step = |text: &str| progress.begin(text, None);
    step("making the data file system");
    let data_template = ext4::template(request.scratch, time)?;
    progress.end();
    step("collecting the initramfs");
    let image = project.image()?;
    let mut archive = initramfs::archive(project, &image, board, parts, binary.to_vec(), &data_template)?;
    let kernel = parts.kernel()?;
    let boot_files = boot::files(project, &image, board, parts, time)?;
    let digest = content_digest(&archive, &kernel, &boot_files, request);
    let build = Build {
        version: request.version.to_owned(),
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
    // Whole mebibytes, because card writers and emulators like round numbers.
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

/// The table of a fresh card; the box adds the data partition on its first boot, when it knows the card's size.
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

/// Names everything on the card: any other byte, any other name, another digest.
fn content_digest(
    archive: &Archive,
    kernel: &[u8],
    boot_files: &std::collections::BTreeMap<String, Vec<u8>>,
    request: &Request<'_>,
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
    add("version", request.version.as_bytes());
    add("time", &request.time.to_be_bytes());
    add("effort", format!("{:?}", request.effort).as_bytes());
    digest.finalize().to_vec()
}

const BUILD_ID_DIGITS: usize = 16;
