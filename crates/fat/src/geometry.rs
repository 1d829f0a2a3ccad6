//! The boot sector: where the parts of a volume are (sections 3.1 to 3.5). Bytes in, numbers out.

use std::ops::Range;

use crate::bytes::number;
use crate::{Error, LARGEST_TABLE, SECTOR};

/// The size of an entry of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fat16,
    Fat32,
}

/// The root directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// Bytes between table and clusters, on FAT16.
    Place(Range<u64>),
    /// A chain of clusters with this first one, on FAT32.
    Chain(u32),
}

/// The places of a volume's parts, in bytes from its first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) kind: Kind,
    /// The table that is in use.
    pub(crate) table: Range<u64>,
    pub(crate) root: Root,
    /// The first byte of cluster 2.
    pub(crate) clusters_start: u64,
    /// Bytes of a cluster.
    pub(crate) cluster: u64,
    /// The number of clusters; the last one has this number and 1.
    pub(crate) clusters: u32,
    /// `BS_VolLab`.
    pub(crate) label: [u8; 11],
}

impl Geometry {
    /// Reads a boot sector.
    pub(crate) fn parse(boot: &[u8; SECTOR as usize]) -> Result<Self, Error> {
        let field = |offset, length| u64::from(number(boot, offset, length));
        // BPB_BytsPerSec, BPB_SecPerClus, BPB_RsvdSecCnt, BPB_NumFATs.
        let (sector, per_cluster, reserved, copies) =
            (field(11, 2), field(13, 1), field(14, 2), field(16, 1));
        if field(510, 2) != 0xaa55 || sector != SECTOR {
            return Err(Error::NotFat("its first sector is not a boot sector with sectors of 512 bytes"));
        }
        if !per_cluster.is_power_of_two() || reserved == 0 || !(1..=2).contains(&copies) {
            return Err(Error::NotFat("its boot sector has impossible sizes"));
        }
        // BPB_RootEntCnt, BPB_TotSec16 or BPB_TotSec32, BPB_FATSz16 or BPB_FATSz32. As Linux does, a volume counts as FAT32
        // when the small size is 0: some programs make FAT32 with fewer clusters than section 3.5 asks for.
        let root_size = (field(17, 2) * ENTRY_SIZE).next_multiple_of(SECTOR);
        let sectors = if field(19, 2) == 0 { field(32, 4) } else { field(19, 2) };
        let kind = if field(22, 2) == 0 { Kind::Fat32 } else { Kind::Fat16 };
        let table_size = SECTOR * if kind == Kind::Fat32 { field(36, 4) } else { field(22, 2) };
        if !(SECTOR..=LARGEST_TABLE).contains(&table_size) {
            return Err(Error::NotFat("its table is empty or larger than any of ours"));
        }
        let root_start = reserved * SECTOR + copies * table_size;
        let clusters_start = root_start + root_size;
        let cluster = per_cluster * SECTOR;
        let room = (sectors * SECTOR).checked_sub(clusters_start);
        let room = room.ok_or(Error::NotFat("its parts do not fit into it"))? / cluster;
        // The first two entries of the table belong to no cluster.
        let entries = table_size / if kind == Kind::Fat32 { 4 } else { 2 };
        let clusters = u32::try_from(room.min(entries.saturating_sub(2))).unwrap_or(u32::MAX);
        let root = match kind {
            Kind::Fat16 if room < SMALLEST_FAT16 => return Err(Error::NotFat("it is FAT12")),
            Kind::Fat16 => Root::Place(root_start..clusters_start),
            Kind::Fat32 if field(42, 2) != 0 => return Err(Error::NotFat("its version is unknown")),
            Kind::Fat32 => Root::Chain(number(boot, 44, 4)),
        };
        let table_start = reserved * SECTOR + table_size * active_copy(kind, field(40, 2), copies)?;
        let label_at = if kind == Kind::Fat32 { 71 } else { 43 };
        let mut label = [b' '; 11];
        label.iter_mut().zip(boot.iter().skip(label_at)).for_each(|(to, from)| *to = *from);
        let table = table_start..table_start + table_size;
        Ok(Self { kind, table, root, clusters_start, cluster, clusters, label })
    }

    /// The bytes of a cluster, which must be one of the volume's.
    pub(crate) fn cluster(&self, number: u32) -> Range<u64> {
        let start = self.clusters_start + u64::from(number.saturating_sub(2)) * self.cluster;
        start..start + self.cluster
    }
}

/// The copy of the table that is in use, from 0: the first, unless FAT32's `BPB_ExtFlags` names another.
fn active_copy(kind: Kind, flags: u64, copies: u64) -> Result<u64, Error> {
    const NOT_MIRRORED: u64 = 0x80;
    match flags & 0xf {
        _ if kind == Kind::Fat16 || flags & NOT_MIRRORED == 0 => Ok(0),
        active if active < copies => Ok(active),
        _ => Err(Error::NotFat("it names a table that it does not have")),
    }
}

/// Bytes of a directory entry.
const ENTRY_SIZE: u64 = 32;
/// Clusters of the smallest FAT16 volume; one with fewer is FAT12 (section 3.5).
const SMALLEST_FAT16: u64 = 4085;
