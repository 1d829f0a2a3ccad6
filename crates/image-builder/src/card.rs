//! Reads a card, as an image file or a device: partition table, boot state, files of the boot partition and of both slots.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use boot_slot::layout::{BOOT_PARTITION, Layout};
use boot_slot::mbr::PartitionTable;
use boot_slot::{BLOCK_SIZE, BootState, Extent, Slot};
use serde::Serialize;

use crate::digest::FileRecord;
use crate::error::Error;
use crate::fat::Volume;
use crate::slot::{MANIFEST, Manifest};

/// A card that is open for reading.
#[derive(Debug)]
pub struct CardReader {
    path: PathBuf,
    file: File,
    table: PartitionTable,
}

impl CardReader {
    /// Opens an image file or a device and reads its partition table.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let mut sector = [0; 512];
        match file.read_exact(&mut sector) {
            // A file shorter than a sector is refused below, as a sector without a table is.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
            other => other.map_err(failed)?,
        }
        let table = PartitionTable::decode(&sector)?;
        Ok(Self { path: path.to_owned(), file, table })
    }

    /// The partition table.
    #[must_use]
    pub fn table(&self) -> &PartitionTable {
        &self.table
    }

    /// The undecoded bytes of both copies of the boot state; a copy behind the end of the file is empty.
    pub fn boot_state_blocks(&mut self) -> Result<[Vec<u8>; 2], Error> {
        let [copy_1, copy_2] = Layout::new().boot_state;
        Ok([self.bytes(copy_1)?, self.bytes(copy_2)?])
    }

    /// The volume of the boot partition.
    pub fn boot(&self) -> Result<Volume<File>, Error> {
        self.volume(BOOT_PARTITION)
    }

    /// The volume of a slot.
    pub fn slot(&self, slot: Slot) -> Result<Volume<File>, Error> {
        self.volume(Layout::partition_number(slot))
    }

    /// The slot that boots next.
    pub fn active_slot(&mut self) -> Result<Slot, Error> {
        let [copy_1, copy_2] = self.boot_state_blocks()?;
        Ok(boot_slot::choose(&copy_1, &copy_2).slot)
    }

    fn volume(&self, number: usize) -> Result<Volume<File>, Error> {
        let extent = self.table.partition(number).map(|partition| partition.extent);
        let start = extent.ok_or(boot_slot::Error::PartitionNumber(number))?.start;
        let file = self.file.try_clone().map_err(|source| self.failed(source))?;
        Ok(Volume::open(file, start)?)
    }

    fn bytes(&mut self, extent: Extent) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(BLOCK_SIZE);
        let read = self.file.seek(SeekFrom::Start(extent.start));
        let read = read.and_then(|_| (&self.file).take(extent.length).read_to_end(&mut bytes));
        read.map_err(|source| self.failed(source))?;
        Ok(bytes)
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Read { path: self.path.clone(), source }
    }
}

/// The content of a card, as `inspect` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The image or device.
    pub path: PathBuf,
    /// The MBR's disk signature in hexadecimal digits, as in `PARTUUID=1ab50001-02`.
    pub disk_id: String,
    /// The partitions, by number.
    pub partitions: BTreeMap<usize, PartitionReport>,
    /// The boot state in force.
    pub boot_state: BootState,
    /// Both copies of the boot state.
    pub boot_state_copies: [CopyReport; 2],
    /// The slot that boots next.
    pub active_slot: Slot,
    /// The slots with a readable manifest.
    pub slots: BTreeMap<Slot, SlotReport>,
}

/// One copy of the boot state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyReport {
    /// A valid copy.
    Good(BootState),
    /// An invalid copy, with the reason.
    Bad(String),
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionReport {
    /// First byte.
    pub start: u64,
    /// Size in bytes.
    pub length: u64,
    /// The partition type byte of the MBR.
    pub kind: u8,
    /// Whether the entry is marked active.
    pub active: bool,
    /// The volume's label, if it is a readable FAT volume.
    pub label: Option<String>,
    /// The volume's files by path, with their sizes in bytes.
    pub files: BTreeMap<String, u64>,
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotReport {
    /// The slot's manifest.
    pub manifest: Manifest,
    /// Files that are missing, or whose digest is not the manifest's.
    pub damaged: Vec<String>,
}

/// Reads a card, and checks the digest of every file of the slots.
pub fn inspect(path: &Path) -> Result<Report, Error> {
    let mut card = CardReader::open(path)?;
    let blocks = card.boot_state_blocks()?;
    let [copy_1, copy_2] = &blocks;
    let copies = [copy_1, copy_2].map(|block| match BootState::decode(block) {
        Ok(state) => CopyReport::Good(state),
        Err(error) => CopyReport::Bad(error.to_string()),
    });
    let mut partitions = BTreeMap::new();
    for (number, partition) in card.table.iter() {
        let mut report = PartitionReport {
            start: partition.extent.start,
            length: partition.extent.length,
            kind: partition.kind,
            active: partition.active,
            label: None,
            files: BTreeMap::new(),
        };
        // The data partition is no FAT volume, and an unused slot holds older content of the card: neither is an error.
        if let Ok(mut volume) = card.volume(number)
            && let Ok(files) = volume.files()
        {
            report.label = Some(volume.label());
            report.files = files.into_iter().map(|file| (file.path, file.size)).collect();
        }
        partitions.insert(number, report);
    }
    let mut slots = BTreeMap::new();
    for slot in [Slot::A, Slot::B] {
        if let Some(report) = slot_report(&card, slot) {
            slots.insert(slot, report);
        }
    }
    Ok(Report {
        path: path.to_owned(),
        disk_id: format!("{:08x}", card.table.disk_id),
        partitions,
        boot_state: BootState::in_force(copy_1, copy_2),
        boot_state_copies: copies,
        active_slot: boot_slot::choose(copy_1, copy_2).slot,
        slots,
    })
}

/// The report on a slot; `None` without a readable manifest.
fn slot_report(card: &CardReader, slot: Slot) -> Option<SlotReport> {
    let mut volume = card.slot(slot).ok()?;
    let text = volume.read(MANIFEST).ok()?;
    let manifest: Manifest = serde_json::from_slice(&text).ok()?;
    let mut damaged = Vec::new();
    for (name, record) in &manifest.files {
        let whole = volume.read(name).is_ok_and(|content| FileRecord::of(&content) == *record);
        if !whole {
            damaged.push(name.clone());
        }
    }
    Some(SlotReport { manifest, damaged })
}
