//! The partition table of the card: which disk it is, where the data partition is or goes. Bytes in, bytes out.

/// Bytes of the table, and of a sector.
pub(in crate::init) const MBR: usize = 512;
/// Where the data partition starts on a fresh card, in sectors: 184 MiB, behind the two slots.
const DATA_START: u64 = 184 * MEBIBYTE;
/// The data partition ends at a multiple of this, in sectors: 4 MiB, an erase block of common cards.
const ALIGNMENT: u64 = 4 * MEBIBYTE;
/// The least that makes sense: the 16 MiB template with as much again.
const DATA_LEAST: u64 = 32 * MEBIBYTE;
/// Sectors of a mebibyte.
const MEBIBYTE: u64 = 2048;
/// The number of the data partition.
pub(in crate::init) const DATA_NUMBER: u8 = 4;

const SIGNATURE: usize = 440;
const ENTRIES: usize = 446;
const ENTRY: usize = 16;
const TYPE_LINUX: u8 = 0x83;
/// "Use the sectors instead" in the table's cylinder, head and sector fields.
const CHS_UNUSED: [u8; 3] = [0xfe, 0xff, 0xff];

/// A stretch of a disk, in sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::init) struct Extent {
    pub(in crate::init) start: u64,
    pub(in crate::init) sectors: u64,
}

/// What the table says of the data partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::init) enum DataEntry {
    /// It is there.
    Present(Extent),
    /// The entry is empty; the partition would go here.
    Missing(Extent),
}

/// Why the table is not touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::init) enum Refusal {
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
pub(in crate::init) fn disk_signature(table: &[u8; MBR]) -> Option<u32> {
    if table.get(510..)? != [0x55, 0xaa] {
        return None;
    }
    little_endian(table, SIGNATURE)
}

/// Finds the data partition, or its place on a disk of `disk_sectors` sectors.
pub(in crate::init) fn find_data(table: &[u8; MBR], disk_sectors: u64) -> Result<DataEntry, Refusal> {
    disk_signature(table).ok_or(Refusal::NoTable)?;
    let (kind, extent) = entry(table, DATA_NUMBER).ok_or(Refusal::NoTable)?;
    match kind {
        TYPE_LINUX if extent.start.saturating_add(extent.sectors) > disk_sectors => Err(Refusal::BeyondDisk),
        TYPE_LINUX if extent.sectors > 0 => Ok(DataEntry::Present(extent)),
        0 => place(table, disk_sectors).map(DataEntry::Missing),
        other => Err(Refusal::Foreign(other)),
    }
}

/// The same table with the data partition in it.
pub(in crate::init) fn with_data(table: &[u8; MBR], data: Extent) -> Result<[u8; MBR], Refusal> {
    let number = |sectors| u32::try_from(sectors).map_err(|_| Refusal::BeyondDisk);
    let mut entry = Vec::with_capacity(ENTRY);
    entry.push(0);
    entry.extend(CHS_UNUSED);
    entry.push(TYPE_LINUX);
    entry.extend(CHS_UNUSED);
    entry.extend(number(data.start)?.to_le_bytes());
    entry.extend(number(data.sectors)?.to_le_bytes());
    let mut new = *table;
    let place = offset(DATA_NUMBER);
    new.get_mut(place..place + ENTRY).ok_or(Refusal::NoTable)?.copy_from_slice(&entry);
    Ok(new)
}

fn place(table: &[u8; MBR], disk_sectors: u64) -> Result<Extent, Refusal> {
    for number in 1..DATA_NUMBER {
        let (kind, extent) = entry(table, number).ok_or(Refusal::NoTable)?;
        if kind != 0 && extent.start.saturating_add(extent.sectors) > DATA_START {
            return Err(Refusal::Occupied(number));
        }
    }
    // The table counts sectors in 32 bits; a disk beyond 2 TiB is used up to there.
    let end = disk_sectors.min(u64::from(u32::MAX)) / ALIGNMENT * ALIGNMENT;
    match end.checked_sub(DATA_START) {
        Some(sectors) if sectors >= DATA_LEAST => Ok(Extent { start: DATA_START, sectors }),
        _ => Err(Refusal::TooSmall(disk_sectors / MEBIBYTE)),
    }
}

fn entry(table: &[u8; MBR], number: u8) -> Option<(u8, Extent)> {
    let at = offset(number);
    let start = u64::from(little_endian(table, at + 8)?);
    let sectors = u64::from(little_endian(table, at + 12)?);
    Some((*table.get(at + 4)?, Extent { start, sectors }))
}

fn offset(number: u8) -> usize {
    ENTRIES + ENTRY * usize::from(number.saturating_sub(1))
}

fn little_endian(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::{DataEntry, Extent, MBR, Refusal, disk_signature, find_data, with_data};

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
        assert_eq!(place, Extent { start: 184 * 2048, sectors: (1024 - 184) * 2048 });
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
        assert!(place.start + place.sectors <= u64::from(u32::MAX));
        assert!(with_data(&image(), place).is_ok());
    }

    #[test]
    fn what_is_not_understood_is_not_touched() {
        assert_eq!(find_data(&[0; MBR], GIBIBYTE), Err(Refusal::NoTable));
        assert_eq!(find_data(&image(), 200 * 2048), Err(Refusal::TooSmall(200)));

        let mut foreign = image();
        foreign[494 + 4] = 0x07;
        assert_eq!(find_data(&foreign, GIBIBYTE), Err(Refusal::Foreign(7)));

        let mut occupied = image();
        occupied[478 + 12..478 + 16].copy_from_slice(&(65 * 2048_u32).to_le_bytes());
        assert_eq!(find_data(&occupied, GIBIBYTE), Err(Refusal::Occupied(3)));

        let full = with_data(&image(), Extent { start: 184 * 2048, sectors: GIBIBYTE }).unwrap();
        assert_eq!(find_data(&full, GIBIBYTE), Err(Refusal::BeyondDisk));
    }

    #[test]
    fn a_sector_without_the_mark_has_no_signature() {
        assert_eq!(disk_signature(&[0; MBR]), None);
    }
}
