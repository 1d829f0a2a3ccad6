//! The partition table (MBR) in the card's first sector: read, written and extended as bytes. MBR, because GPT and hybrid
//! tables break on real boards. Ours, because it is 64 bytes, and the one entry that `init` adds must leave all others as
//! they are, bit by bit. Nothing here touches a disk.
//!
//! ```text
//! 0            440        444   446         510  512
//! +------------+----------+-----+-----------+-----+
//! | zeros      | disk id  | 0 0 | 4 entries | 55aa|     entry: flag, CHS x3, type, CHS x3, first sector u32, sectors u32
//! +------------+----------+-----+-----------+-----+
//! ```

use crate::{Error, Extent};

/// Bytes of a sector, and of the table.
pub const SECTOR: u64 = 512;
/// Bytes of a card that the table can address: the number of a sector has 32 bits.
pub const LARGEST_CARD: u64 = (u32::MAX as u64) * SECTOR;

/// The type byte of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// FAT32 with LBA addressing: the boot partition, as the Pi's boot ROM wants it.
    Fat32 = 0x0c,
    /// FAT16 with LBA addressing: a slot.
    Fat16 = 0x0e,
    /// A Linux file system: the data partition.
    Linux = 0x83,
}

/// One entry of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// The type byte; [`Kind`] has those that Hearth writes.
    pub kind: u8,
    /// The active flag, which some boot ROMs look for.
    pub active: bool,
    /// The partition's byte range.
    pub extent: Extent,
}

/// The whole table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionTable {
    /// The disk signature: the kernel knows partition 2 as `PARTUUID=<disk id>-02`.
    pub disk_id: u32,
    /// Entries 1 to 4.
    partitions: [Option<Partition>; 4],
}

impl PartitionTable {
    /// An empty table.
    #[must_use]
    pub const fn new(disk_id: u32) -> Self {
        Self { disk_id, partitions: [None; 4] }
    }

    /// Sets entry `number` (1 to 4).
    ///
    /// # Errors
    ///
    /// [`Error::PartitionNumber`], and [`Error::PartitionRange`] when the table cannot express the range.
    pub fn set(&mut self, number: usize, partition: Partition) -> Result<(), Error> {
        sectors(partition.extent)?;
        let slot = number.checked_sub(1).and_then(|index| self.partitions.get_mut(index));
        *slot.ok_or(Error::PartitionNumber(number))? = Some(partition);
        Ok(())
    }

    /// Entry `number` (1 to 4), if it is used.
    #[must_use]
    pub fn partition(&self, number: usize) -> Option<Partition> {
        number.checked_sub(1).and_then(|index| self.partitions.get(index)).copied().flatten()
    }

    /// The used entries with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Partition)> + '_ {
        self.partitions.iter().enumerate().filter_map(|(index, entry)| entry.map(|found| (index + 1, found)))
    }

    /// The PARTUUID that Linux and U-Boot derive for a partition, such as `1ab50001-02`.
    #[must_use]
    pub fn partition_uuid(&self, number: usize) -> String {
        format!("{:08x}-{number:02x}", self.disk_id)
    }

    /// Parses the first sector of a card.
    ///
    /// # Errors
    ///
    /// [`Error::NoPartitionTable`] without the signature 55 aa.
    pub fn decode(sector: &[u8; 512]) -> Result<Self, Error> {
        let (body, signature) = sector.split_at(510);
        if signature != SIGNATURE {
            return Err(Error::NoPartitionTable);
        }
        let (before, entries) = body.split_at(446);
        let disk_id = before.get(440..444).map_or(0, u32_le);
        let mut partitions = [None; 4];
        for (partition, entry) in partitions.iter_mut().zip(entries.chunks_exact(16)) {
            *partition = decode_entry(entry);
        }
        Ok(Self { disk_id, partitions })
    }

    /// The first sector's bytes, without boot code.
    ///
    /// # Errors
    ///
    /// [`Error::PartitionRange`] for a range that the table cannot express.
    pub fn encode(&self) -> Result<[u8; 512], Error> {
        let mut bytes = vec![0; 440];
        bytes.extend_from_slice(&self.disk_id.to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        for entry in self.partitions {
            bytes.extend_from_slice(&encode_entry(entry)?);
        }
        bytes.extend_from_slice(&SIGNATURE);
        bytes.try_into().map_err(|_| Error::NoPartitionTable)
    }
}

fn decode_entry(entry: &[u8]) -> Option<Partition> {
    let [flag, _, _, _, kind, _, _, _, first @ .., _, _, _, _] = entry else { return None };
    let count = entry.get(12..).map_or(0, u32_le);
    if *kind == 0 || count == 0 {
        return None;
    }
    let extent = Extent { start: u64::from(u32_le(first)) * SECTOR, length: u64::from(count) * SECTOR };
    Some(Partition { kind: *kind, active: *flag == ACTIVE, extent })
}

fn encode_entry(entry: Option<Partition>) -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    let Some(Partition { kind, active, extent }) = entry else { return Ok(bytes) };
    let (first, count) = sectors(extent)?;
    // Addresses by cylinder, head and sector are obsolete; this value refers the reader to the sector numbers.
    let [c, h, s] = CHS_UNUSED;
    let [f0, f1, f2, f3] = first.to_le_bytes();
    let [n0, n1, n2, n3] = count.to_le_bytes();
    let flag = if active { ACTIVE } else { 0 };
    bytes = [flag, c, h, s, kind, c, h, s, f0, f1, f2, f3, n0, n1, n2, n3];
    Ok(bytes)
}

fn sectors(extent: Extent) -> Result<(u32, u32), Error> {
    let refused = Error::PartitionRange { start: extent.start, length: extent.length };
    let end = extent.start.checked_add(extent.length).ok_or(refused.clone())?;
    if !extent.start.is_multiple_of(SECTOR) || !extent.length.is_multiple_of(SECTOR) || end > LARGEST_CARD {
        return Err(refused);
    }
    let first = u32::try_from(extent.start / SECTOR).map_err(|_| refused.clone())?;
    let count = u32::try_from(extent.length / SECTOR).map_err(|_| refused)?;
    Ok((first, count))
}

fn u32_le(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}

const SIGNATURE: [u8; 2] = [0x55, 0xaa];
const ACTIVE: u8 = 0x80;
const CHS_UNUSED: [u8; 3] = [0xfe, 0xff, 0xff];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Layout, MIB};

    fn table() -> PartitionTable {
        let layout = Layout::new();
        let mut table = PartitionTable::new(0x1ab5_0001);
        let boot = Partition { kind: Kind::Fat32 as u8, active: true, extent: layout.boot };
        table.set(1, boot).unwrap();
        let slot = Partition { kind: Kind::Fat16 as u8, active: false, extent: layout.slot_a };
        table.set(2, slot).unwrap();
        table
    }

    #[test]
    fn a_table_comes_back_as_it_was_written() {
        let sector = table().encode().unwrap();
        assert_eq!(PartitionTable::decode(&sector).unwrap(), table());
        assert_eq!(&sector[440..444], &[0x01, 0x00, 0xb5, 0x1a]);
        assert_eq!(sector[446], 0x80);
        assert_eq!(&sector[450..462], &[0x0c, 0xfe, 0xff, 0xff, 0x00, 0x80, 0, 0, 0x00, 0x40, 0x01, 0]);
    }

    #[test]
    fn first_boot_adds_the_data_partition_and_changes_nothing_else() {
        let before = table().encode().unwrap();
        let mut table = PartitionTable::decode(&before).unwrap();
        let extent = Layout::new().data(512 * MIB).unwrap();
        table.set(4, Partition { kind: Kind::Linux as u8, active: false, extent }).unwrap();
        let after = table.encode().unwrap();
        assert_eq!(before[..494], after[..494]);
        assert_eq!(table.partition_uuid(4), "1ab50001-04");
        assert_eq!(table.partition(4).unwrap().extent.length, 328 * MIB);
    }

    #[test]
    fn what_the_table_cannot_hold_is_refused() {
        let partition =
            |start, length| Partition { kind: 0x83, active: false, extent: Extent { start, length } };
        for (start, length) in [(1, 512), (512, 3), (512 << 32, 512), (512, 512 << 32), (u64::MAX - 511, 512)]
        {
            assert_eq!(
                table().set(4, partition(start, length)),
                Err(Error::PartitionRange { start, length })
            );
        }
        assert_eq!(table().set(5, partition(512, 512)), Err(Error::PartitionNumber(5)));
        assert_eq!(table().set(0, partition(512, 512)), Err(Error::PartitionNumber(0)));
    }

    #[test]
    fn a_sector_without_the_signature_is_no_table() {
        assert_eq!(PartitionTable::decode(&[0; 512]), Err(Error::NoPartitionTable));
    }
}
