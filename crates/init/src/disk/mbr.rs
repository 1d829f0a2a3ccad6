//! The partition table of the card: the disk's signature, and the extent of the data partition. Bytes in, bytes out.

use boot_slot::Extent;
use boot_slot::layout::{DATA_PARTITION, Layout, MIB};
use boot_slot::mbr::{Kind, Partition, PartitionTable, SECTOR};

/// Bytes of the table, and of a sector.
pub(crate) const MBR: usize = 512;
/// The number of the data partition.
pub(crate) const DATA_NUMBER: u8 = 4;

/// The bytes of the data partition's entry in the table, the fourth of four.
const DATA_ENTRY: std::ops::Range<usize> = 494..510;

/// The table's entry for the data partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataEntry {
    /// It is there.
    Present(Extent),
    /// The entry is empty; the partition would go here.
    Missing(Extent),
}

/// The reason why the table is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TableError {
    /// The sector is no partition table at all.
    #[error("the first sector of the disk is no partition table")]
    NoTable,
    /// Entry 4 belongs to something else.
    #[error("partition 4 has type 0x{0:02x} and is not ours (0x83 would be)")]
    Foreign(u8),
    /// Another partition lies where data would go.
    #[error("partition {0} reaches into the place of the data partition (184 MiB and up)")]
    Occupied(u8),
    /// The disk has no room.
    #[error("the disk has {0} MiB; at least 216 MiB are needed")]
    TooSmall(u64),
    /// An entry lies beyond the end of the disk.
    #[error("partition 4 ends behind the end of the disk; was the card copied to a smaller one?")]
    BeyondDisk,
}

/// The disk's signature, if the sector is a partition table.
pub(crate) fn disk_signature(table: &[u8; MBR]) -> Option<u32> {
    PartitionTable::decode(table).ok().map(|table| table.disk_id)
}

/// Finds the data partition, or its place on a disk of `disk_sectors` sectors.
pub(crate) fn find_data(table: &[u8; MBR], disk_sectors: u64) -> Result<DataEntry, TableError> {
    let table = PartitionTable::decode(table).map_err(|_| TableError::NoTable)?;
    let disk_size = disk_sectors.saturating_mul(SECTOR);
    match table.partition(DATA_PARTITION) {
        None => place(&table, disk_size).map(DataEntry::Missing),
        Some(found) if found.kind != Kind::Linux as u8 => Err(TableError::Foreign(found.kind)),
        Some(found) if found.extent.end() > disk_size => Err(TableError::BeyondDisk),
        Some(found) => Ok(DataEntry::Present(found.extent)),
    }
}

/// The same table with the data partition in it; no other byte changes.
pub(crate) fn with_data(table: &[u8; MBR], data: Extent) -> Result<[u8; MBR], TableError> {
    let mut entries = PartitionTable::decode(table).map_err(|_| TableError::NoTable)?;
    let partition = Partition { kind: Kind::Linux as u8, active: false, extent: data };
    entries.set(DATA_PARTITION, partition).map_err(|_| TableError::BeyondDisk)?;
    let bytes = entries.encode().map_err(|_| TableError::BeyondDisk)?;
    let mut new = *table;
    if let (Some(old), Some(bytes)) = (new.get_mut(DATA_ENTRY), bytes.get(DATA_ENTRY)) {
        old.copy_from_slice(bytes);
    }
    Ok(new)
}

fn place(table: &PartitionTable, disk_size: u64) -> Result<Extent, TableError> {
    let layout = Layout::new();
    for (number, partition) in table.iter() {
        if partition.extent.end() > layout.data_start {
            return Err(TableError::Occupied(u8::try_from(number).unwrap_or(DATA_NUMBER)));
        }
    }
    layout.data(disk_size).map_err(|_| TableError::TooSmall(disk_size / MIB))
}

#[cfg(test)]
mod tests {
    use super::{DataEntry, Extent, MBR, MIB, SECTOR, TableError, disk_signature, find_data, with_data};

    const GIBIBYTE: u64 = 2 * 1024 * 1024;

    /// A table as the image has it: boot files, slot A, slot B.
    fn image() -> [u8; MBR] {
        let mut table = [0; MBR];
        table[440..444].copy_from_slice(&0x1ab5_0001_u32.to_le_bytes());
        table[510..].copy_from_slice(&[0x55, 0xaa]);
        for (at, kind, start, sectors) in [(446, 0x0c, 16, 40), (462, 0x0e, 56, 64), (478, 0x0e, 120, 64_u32)]
        {
            table[at + 4] = kind;
            table[at + 8..at + 12].copy_from_slice(&(start * 2048_u32).to_le_bytes());
            table[at + 12..at + 16].copy_from_slice(&(sectors * 2048).to_le_bytes());
        }
        table
    }

    #[test]
    fn a_fresh_card_gets_its_data_partition_behind_the_slots_up_to_the_aligned_end() {
        let sectors = GIBIBYTE + 5000;
        let Ok(DataEntry::Missing(place)) = find_data(&image(), sectors) else { panic!("not missing") };
        assert_eq!(place, Extent { start: 184 * MIB, length: (1024 - 184) * MIB });
        let table = with_data(&image(), place).unwrap();
        assert_eq!(find_data(&table, sectors), Ok(DataEntry::Present(place)));
        assert_eq!(table[..494], image()[..494], "nothing else changes");
        assert_eq!(disk_signature(&table), Some(0x1ab5_0001));
    }

    #[test]
    fn a_disk_beyond_two_tebibytes_is_used_up_to_there() {
        let Ok(DataEntry::Missing(place)) = find_data(&image(), 10_000_000_000) else {
            panic!("not missing")
        };
        assert!(place.end() / SECTOR <= u64::from(u32::MAX));
        assert!(with_data(&image(), place).is_ok());
    }

    #[test]
    fn what_is_not_understood_is_not_touched() {
        assert_eq!(find_data(&[0; MBR], GIBIBYTE), Err(TableError::NoTable));
        assert_eq!(find_data(&image(), 200 * 2048), Err(TableError::TooSmall(200)));

        let mut foreign = image();
        foreign[494 + 4] = 0x07;
        foreign[494 + 12] = 1;
        assert_eq!(find_data(&foreign, GIBIBYTE), Err(TableError::Foreign(7)));

        let mut occupied = image();
        occupied[478 + 12..478 + 16].copy_from_slice(&(65 * 2048_u32).to_le_bytes());
        assert_eq!(find_data(&occupied, GIBIBYTE), Err(TableError::Occupied(3)));

        let full = with_data(&image(), Extent { start: 184 * MIB, length: 1024 * MIB }).unwrap();
        assert_eq!(find_data(&full, GIBIBYTE), Err(TableError::BeyondDisk));
    }

    #[test]
    fn a_sector_without_the_mark_has_no_signature() {
        assert_eq!(disk_signature(&[0; MBR]), None);
    }
}
