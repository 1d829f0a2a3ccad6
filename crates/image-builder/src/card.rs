//! Reads a card, as an image file or a device: table, boot state, files of the boot partition and of both slots. For
//! `inspect`, `extract` and tests; nothing is ever written here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use boot_slot::layout::{BOOT_PARTITION, Extent, Layout};
use boot_slot::mbr::PartitionTable;
use boot_slot::{BLOCK_SIZE, BootState, Slot};
use serde::Serialize;

use crate::digest::FileRecord;
use crate::error::Error;
use crate::fat::Volume;
use crate::slot::{MANIFEST, Manifest};

/// A card that is being read.
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
            // Shorter than a sector is as little a card as a sector without a table.
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

    /// The two copies of the boot state as they are; a copy that lies behind the end of the file is empty.
    pub fn boot_state_blocks(&mut self) -> Result<[Vec<u8>; 2], Error> {
        let [copy_1, copy_2] = Layout::new().boot_state;
        Ok([self.bytes(copy_1)?, self.bytes(copy_2)?])
    }

    /// The boot partition.
    pub fn boot(&self) -> Result<Volume<File>, Error> {
        self.volume(BOOT_PARTITION)
    }

    /// A slot.
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

/// What `inspect` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The image or device.
    pub path: PathBuf,
    /// The card's identity, as in `PARTUUID=<disk id>-02`.
    pub disk_id: String,
    /// The partitions, by number.
    pub partitions: BTreeMap<usize, PartitionReport>,
    /// The boot state in force.
    pub boot_state: BootState,
    /// Each copy: what it says, or why it is not believed.
    pub boot_state_copies: [CopyReport; 2],
    /// The slot that boots next.
    pub active_slot: Slot,
    /// What the slots hold; a slot that holds nothing is missing.
    pub slots: BTreeMap<Slot, SlotReport>,
}

/// One copy of the boot state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyReport {
    /// It is whole.
    Good(BootState),
    /// It is not.
    Bad(String),
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionReport {
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// The table's type byte.
    pub kind: u8,
    /// Whether it is marked active.
    pub active: bool,
    /// The volume's label, when it is a FAT volume with something in it.
    pub label: Option<String>,
    /// The files on it with their sizes.
    pub files: BTreeMap<String, u64>,
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotReport {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Files whose content is not what the manifest says.
    pub damaged: Vec<String>,
}

/// Reads everything `inspect` tells; every file of the slots is hashed.
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
        // The data partition is no FAT volume, and an unused slot holds whatever was on the card before: nothing to
        // complain about.
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

/// A slot without a readable manifest holds no system of ours.
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
