//! The SD card of a guest: a private, sparse copy of an image, read as the Pi firmware and U-Boot read it.
//!
//! QEMU writes to the copy while it runs; the lab reads it only between runs, and writes one thing, the boot state, whose try
//! counter U-Boot would decrement during a trial.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use boot_slot::layout::{BOOT_PARTITION, Layout};
use boot_slot::mbr::PartitionTable;
use boot_slot::{Extent, Slot, choose};

use crate::error::{Error, Result, file};

/// In bytes; no file that firmware or U-Boot loads is larger than a slot.
const MAX_FILE_SIZE: u64 = 64 * 1024 * 1024;
/// In bytes; a block of zeros becomes a hole of the copy.
const COPY_BLOCK_SIZE: usize = 1024 * 1024;

/// A card image that belongs to one guest.
#[derive(Debug)]
pub(crate) struct Card {
    path: PathBuf,
}

/// The files and arguments with which U-Boot would start the kernel.
#[derive(Debug)]
pub(crate) struct System {
    /// The kernel, gzipped or not; QEMU takes both.
    pub(crate) kernel: Vec<u8>,
    /// The initramfs.
    pub(crate) initramfs: Vec<u8>,
    /// The parameters that U-Boot adds to the kernel's command line.
    pub(crate) arguments: String,
}

impl Card {
    /// Copies `image` to `path` and grows it to `size` bytes, which must be a power of two for QEMU's SD card.
    pub(crate) fn copy(image: &Path, path: &Path, size: u64) -> Result<Self> {
        let mut source = File::open(image).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoImage(image.into()),
            _ => file("opening the image", image)(error),
        })?;
        // Under another name until it is whole: half a card must not look like one to the next start.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempfile_in(folder);
        let unfinished = unfinished.map_err(file("creating the card in", folder))?;
        let target = unfinished.as_file();
        let mut block = vec![0; COPY_BLOCK_SIZE];
        let mut offset = 0;
        loop {
            let length = fill(&mut source, &mut block).map_err(file("reading the image", image))?;
            let Some(content @ [_, ..]) = block.get(..length) else { break };
            if content.iter().any(|&byte| byte != 0) {
                target.write_all_at(content, offset).map_err(file("writing the card", path))?;
            }
            offset += length as u64;
        }
        let size = size.max(offset.next_power_of_two());
        target.set_len(size).map_err(file("growing the card", path))?;
        unfinished.persist(path).map_err(|error| file("naming the card", path)(error.error))?;
        Ok(Self { path: path.into() })
    }

    /// Uses a card that is already there, as it is.
    pub(crate) fn existing(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// The image file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the boot partition, as the Pi firmware would read it.
    pub(crate) fn boot_file(&self, name: &str) -> Result<Vec<u8>> {
        let extent = self.partition(&self.table()?, BOOT_PARTITION)?;
        self.fat_file(extent, name)
    }

    /// Does the work of U-Boot's script: chooses the slot, counts down the tries of a trial, loads the slot's files.
    pub(crate) fn boot(&self) -> Result<System> {
        let table = self.table()?;
        let slot = self.choose_slot()?;
        let number = Layout::partition_number(slot);
        let extent = self.partition(&table, number)?;
        Ok(System {
            kernel: self.fat_file(extent, "Image.gz")?,
            initramfs: self.fat_file(extent, "os.cpio.zst")?,
            arguments: format!("hearth.slot={slot} hearth.boot={}", table.partition_uuid(number)),
        })
    }

    fn choose_slot(&self) -> Result<Slot> {
        let copies = Layout::new().boot_state;
        let [copy_1, copy_2] = copies.map(|extent| self.bytes(extent));
        let choice = choose(&copy_1?, &copy_2?);
        if let Some(state) = choice.write_first {
            let block = state.encode().map_err(|error| self.broken(error.to_string()))?;
            let card =
                File::options().write(true).open(&self.path).map_err(file("opening the card", &self.path))?;
            for copy in copies {
                card.write_all_at(&block, copy.start)
                    .map_err(file("writing the boot state to", &self.path))?;
            }
        }
        Ok(choice.slot)
    }

    fn table(&self) -> Result<PartitionTable> {
        let sector: Vec<u8> = self.bytes(Extent { start: 0, length: boot_slot::mbr::SECTOR })?;
        let sector = sector.try_into().map_err(|_| self.broken("its first sector is short".into()))?;
        PartitionTable::decode(&sector).map_err(|error| self.broken(error.to_string()))
    }

    fn partition(&self, table: &PartitionTable, number: usize) -> Result<Extent> {
        let partition =
            table.partition(number).ok_or_else(|| self.broken(format!("it has no partition {number}")))?;
        Ok(partition.extent)
    }

    fn bytes(&self, extent: Extent) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.window(extent)?.take(extent.length).read_to_end(&mut bytes);
        read.map_err(file("reading the card", &self.path))?;
        Ok(bytes)
    }

    fn window(&self, extent: Extent) -> Result<Window> {
        let card = File::open(&self.path).map_err(file("opening the card", &self.path))?;
        Ok(Window { card, extent, position: 0 })
    }

    fn fat_file(&self, extent: Extent, name: &str) -> Result<Vec<u8>> {
        let missing = |error: io::Error| {
            self.broken(format!(
                "{name} in the partition at {} MiB: {error}",
                extent.start / boot_slot::layout::MIB
            ))
        };
        let volume =
            fatfs::FileSystem::new(self.window(extent)?, fatfs::FsOptions::new()).map_err(missing)?;
        let mut content = Vec::new();
        let file = volume.root_dir().open_file(name).map_err(missing)?;
        file.take(MAX_FILE_SIZE).read_to_end(&mut content).map_err(missing)?;
        Ok(content)
    }

    fn broken(&self, what: String) -> Error {
        Error::Card { card: self.path.clone(), what }
    }
}

fn fill(source: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest @ [_, ..]) = block.get_mut(filled..) {
        match source.read(rest)? {
            0 => break,
            length => filled += length,
        }
    }
    Ok(filled)
}

/// A partition as a read-only file of its own. Bytes behind the end of the image file are zeros, as on a fresh card.
struct Window {
    card: File,
    extent: Extent,
    position: u64,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.extent.length.saturating_sub(self.position);
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(buffer @ [_, ..]) = buffer.get_mut(..wanted) else { return Ok(0) };
        let mut length = self.card.read_at(buffer, self.extent.start + self.position)?;
        if length == 0 {
            buffer.fill(0);
            length = buffer.len();
        }
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.extent.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl Write for Window {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use boot_slot::mbr::{Kind, Partition};
    use boot_slot::{BootState, layout::MIB};

    use super::*;

    /// A card with a boot partition and both slots, whose kernels say which slot they are.
    fn card(folder: &Path) -> Card {
        let path = folder.join("image");
        let image = File::options().create(true).truncate(true).read(true).write(true).open(&path).unwrap();
        image.set_len(184 * MIB).unwrap();
        let layout = Layout::new();
        let mut table = PartitionTable::new(0x1ab5_0001);
        let parts =
            [(1, layout.boot, Kind::Fat32), (2, layout.slot_a, Kind::Fat16), (3, layout.slot_b, Kind::Fat16)];
        for (number, extent, kind) in parts {
            table.set(number, Partition { kind: kind as u8, active: number == 1, extent }).unwrap();
            let mut volume = io::Cursor::new(vec![0; usize::try_from(extent.length).unwrap()]);
            fatfs::format_volume(&mut volume, fatfs::FormatVolumeOptions::new()).unwrap();
            {
                let fat = fatfs::FileSystem::new(&mut volume, fatfs::FsOptions::new()).unwrap();
                let root = fat.root_dir();
                root.create_dir("overlays").unwrap();
                for name in ["config.txt", "overlays/hearth.dtbo", "Image.gz", "os.cpio.zst"] {
                    let content = format!("{name} of partition {number}");
                    root.create_file(name).unwrap().write_all(content.as_bytes()).unwrap();
                }
            }
            image.write_all_at(volume.get_ref(), extent.start).unwrap();
        }
        image.write_all_at(&table.encode().unwrap(), 0).unwrap();
        Card::copy(&path, &folder.join("card"), 512 * MIB).unwrap()
    }

    fn kernel(card: &Card) -> String {
        String::from_utf8(card.boot().unwrap().kernel).unwrap()
    }

    #[test]
    fn a_copy_is_grown_to_a_power_of_two_and_a_fresh_card_boots_slot_a() {
        let folder = tempfile::tempdir().unwrap();
        let card = card(folder.path());
        assert_eq!(std::fs::metadata(card.path()).unwrap().len(), 512 * MIB);
        assert_eq!(card.boot_file("overlays/hearth.dtbo").unwrap(), b"overlays/hearth.dtbo of partition 1");
        let system = card.boot().unwrap();
        assert_eq!(system.arguments, "hearth.slot=A hearth.boot=1ab50001-02");
        assert_eq!(system.initramfs, b"os.cpio.zst of partition 2");
    }

    #[test]
    fn a_trial_costs_a_try_at_each_boot_and_ends_in_the_old_slot() {
        let folder = tempfile::tempdir().unwrap();
        let card = card(folder.path());
        let block = BootState::fresh().begin_trial(Slot::B).encode().unwrap();
        let file = File::options().write(true).open(card.path()).unwrap();
        file.write_all_at(&block, Layout::new().boot_state[0].start).unwrap();
        let booted: Vec<String> = (0..4).map(|_| kernel(&card)).collect();
        let (b, a) = ("Image.gz of partition 3", "Image.gz of partition 2");
        assert_eq!(booted, [b, b, b, a]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Card::copy(&folder.path().join("none.img"), &folder.path().join("card"), MIB);
        assert!(nowhere.unwrap_err().to_string().contains("scripts/image"));
        assert!(!folder.path().join("card").exists(), "nothing that looks like a card is left");
        let card = card(folder.path());
        let error = card.boot_file("u-boot.bin").unwrap_err().to_string();
        assert!(error.contains("u-boot.bin in the partition at 16 MiB"), "{error}");
        std::fs::write(folder.path().join("empty"), [0; 1024]).unwrap();
        assert!(
            Card::existing(&folder.path().join("empty")).boot().unwrap_err().to_string().contains("55 aa")
        );
    }
}
