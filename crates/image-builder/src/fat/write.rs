//! Writes a whole volume: boot sector, two allocation tables, folders, files in one piece each.
//!
//! ```text
//! | boot sector, info | FAT | FAT copy | root folder (FAT16 only) | folders and files ... used end |  (rest: never written)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::{ATTRIBUTE_ARCHIVE, ATTRIBUTE_FOLDER, ATTRIBUTE_VOLUME, ENTRY, Error, Kind, SECTOR, name};

/// What kind of volume to write.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    /// FAT16 or FAT32.
    pub kind: Kind,
    /// Size of the partition in bytes.
    pub size: u64,
    /// Size of a cluster in bytes: a power of two from 512.
    pub cluster: u64,
    /// Up to 11 capital letters and digits.
    pub label: String,
    /// The volume's serial number.
    pub serial: u32,
    /// Where the partition starts on the card, in bytes.
    pub partition_start: u64,
    /// Modification time of everything, in Unix seconds.
    pub time: u64,
}

impl VolumeSpec {
    /// The volume's bytes up to the last used one; the partition's rest may hold anything.
    /// Keys are paths such as `overlays/hearth.dtbo`; folders come from the paths.
    pub fn write(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, Error> {
        let geometry = Geometry::of(self)?;
        let root = Folder::tree(files)?;
        let mut allocation = Allocation { fat: vec![0; 2], data: Vec::new(), geometry };
        let root_bytes = root.len(true) as u64;
        let needed = root.needed(geometry.cluster) + geometry.round(root_bytes);
        let capacity = geometry.clusters * geometry.cluster;
        let root_fits = self.kind == Kind::Fat32 || root_bytes <= geometry.root_sectors * SECTOR;
        if needed > capacity || !root_fits {
            return Err(Error::Full { label: self.label.clone(), needed, capacity });
        }
        let stamp = Stamp::from_unix(self.time);
        let root_cluster = match self.kind {
            Kind::Fat32 => allocation.reserve(root_bytes),
            Kind::Fat16 => 0,
        };
        let root_bytes = root.write(&mut allocation, stamp, root_cluster, None, Some(&self.label));
        if self.kind == Kind::Fat32 {
            allocation.fill(root_cluster, &root_bytes);
        }
        Ok(self.join(geometry, &allocation, root_bytes))
    }

    fn join(&self, geometry: Geometry, allocation: &Allocation, root: Vec<u8>) -> Vec<u8> {
        let mut volume = self.reserved_sectors(geometry, allocation);
        let fat = self.fat_bytes(geometry, allocation);
        volume.extend_from_slice(&fat);
        volume.extend_from_slice(&fat);
        if self.kind == Kind::Fat16 {
            let end = volume.len() + bytes_usize(geometry.root_sectors * SECTOR);
            volume.extend_from_slice(&root);
            volume.resize(end, 0);
        }
        volume.extend_from_slice(&allocation.data);
        volume
    }

    fn fat_bytes(&self, geometry: Geometry, allocation: &Allocation) -> Vec<u8> {
        let mut bytes: Vec<u8> = match self.kind {
            Kind::Fat16 => {
                let media = [0xfff8_u16, 0xffff];
                let chain = allocation.fat.iter().skip(2).map(|&next| (next & 0xffff) as u16);
                media.into_iter().chain(chain).flat_map(u16::to_le_bytes).collect()
            }
            Kind::Fat32 => {
                let media = [0x0fff_fff8_u32, 0x0fff_ffff];
                let chain = allocation.fat.iter().skip(2).copied();
                media.into_iter().chain(chain).flat_map(u32::to_le_bytes).collect()
            }
        };
        bytes.resize(bytes_usize(geometry.fat_sectors * SECTOR), 0);
        bytes
    }

    fn reserved_sectors(&self, geometry: Geometry, allocation: &Allocation) -> Vec<u8> {
        let boot = self.boot_sector(geometry);
        let mut reserved = vec![0; bytes_usize(geometry.reserved * SECTOR)];
        let mut place = |sector: u64, bytes: &[u8]| {
            for (to, from) in reserved.iter_mut().skip(bytes_usize(sector * SECTOR)).zip(bytes) {
                *to = *from;
            }
        };
        place(0, &boot);
        if self.kind == Kind::Fat32 {
            let used = allocation.fat.len() as u64 - 2;
            let mut info = b"RRaA".to_vec();
            info.resize(484, 0);
            info.extend_from_slice(b"rrAa");
            info.extend(low32(geometry.clusters - used).to_le_bytes());
            info.extend(low32(used + 2).to_le_bytes());
            info.resize(510, 0);
            info.extend([0x55, 0xaa]);
            place(1, &info);
            place(6, &boot);
            place(7, &info);
        }
        reserved
    }

    fn boot_sector(&self, geometry: Geometry) -> Vec<u8> {
        let sectors = self.size / SECTOR;
        let small = if self.kind == Kind::Fat16 { u16::try_from(sectors).unwrap_or(0) } else { 0 };
        let mut boot = match self.kind {
            Kind::Fat16 => vec![0xeb, 0x3c, 0x90],
            Kind::Fat32 => vec![0xeb, 0x58, 0x90],
        };
        boot.extend_from_slice(b"MSWIN4.1");
        boot.extend(low16(SECTOR).to_le_bytes());
        boot.push(((geometry.cluster / SECTOR) & 0xff) as u8);
        boot.extend(low16(geometry.reserved).to_le_bytes());
        boot.push(2);
        boot.extend(low16(geometry.root_sectors * SECTOR / ENTRY as u64).to_le_bytes());
        boot.extend(small.to_le_bytes());
        boot.push(0xf8);
        let fat_sectors_16 = if self.kind == Kind::Fat16 { low16(geometry.fat_sectors) } else { 0 };
        boot.extend(fat_sectors_16.to_le_bytes());
        boot.extend(63_u16.to_le_bytes());
        boot.extend(255_u16.to_le_bytes());
        boot.extend(low32(self.partition_start / SECTOR).to_le_bytes());
        boot.extend((if small == 0 { low32(sectors) } else { 0 }).to_le_bytes());
        if self.kind == Kind::Fat32 {
            boot.extend(low32(geometry.fat_sectors).to_le_bytes());
            boot.extend([0, 0, 0, 0]);
            boot.extend(2_u32.to_le_bytes());
            boot.extend(1_u16.to_le_bytes());
            boot.extend(6_u16.to_le_bytes());
            boot.extend([0; 12]);
        }
        boot.extend([0x80, 0, 0x29]);
        boot.extend(self.serial.to_le_bytes());
        boot.extend(label_bytes(&self.label));
        boot.extend_from_slice(if self.kind == Kind::Fat16 { b"FAT16   " } else { b"FAT32   " });
        boot.resize(510, 0);
        boot.extend([0x55, 0xaa]);
        boot
    }
}

/// Where the parts of a volume lie, in sectors.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    cluster: u64,
    reserved: u64,
    root_sectors: u64,
    fat_sectors: u64,
    clusters: u64,
}

impl Geometry {
    fn of(spec: &VolumeSpec) -> Result<Self, Error> {
        let (reserved, root_sectors, entry) = match spec.kind {
            Kind::Fat16 => (4, 32, 2),
            Kind::Fat32 => (32, 0, 4),
        };
        let sectors = spec.size / SECTOR;
        let clusters_with = |fat: u64| {
            sectors.saturating_sub(reserved + root_sectors + 2 * fat) * SECTOR / spec.cluster.max(SECTOR)
        };
        let fits = |fat: &u64| (clusters_with(*fat) + 2) * entry <= fat * SECTOR;
        let fat_sectors = (1..=sectors).find(fits).unwrap_or(sectors);
        let clusters = clusters_with(fat_sectors);
        let wanted = match spec.kind {
            Kind::Fat16 => (4085..65525).contains(&clusters),
            Kind::Fat32 => (65525..0x0fff_fff0).contains(&clusters),
        };
        let cluster = spec.cluster;
        if !wanted || !cluster.is_power_of_two() || !(SECTOR..=32768).contains(&cluster) {
            return Err(Error::Geometry { size: spec.size, cluster, clusters, kind: spec.kind });
        }
        Ok(Self { cluster, reserved, root_sectors, fat_sectors, clusters })
    }

    /// Bytes rounded up to whole clusters, at least one.
    fn round(self, bytes: u64) -> u64 {
        bytes.max(1).div_ceil(self.cluster) * self.cluster
    }
}

/// The allocation table under construction and the data area it describes.
struct Allocation {
    fat: Vec<u32>,
    data: Vec<u8>,
    geometry: Geometry,
}

impl Allocation {
    /// Takes clusters for `length` bytes in one piece; an empty file takes none and is at cluster 0.
    fn reserve(&mut self, length: u64) -> u32 {
        let count = length.div_ceil(self.geometry.cluster);
        let first = low32(self.fat.len() as u64);
        if count == 0 {
            return 0;
        }
        let last = first + low32(count) - 1;
        self.fat.extend((first + 1..=last).chain([END_OF_CHAIN]));
        self.data.resize(self.data.len() + bytes_usize(count * self.geometry.cluster), 0);
        first
    }

    fn fill(&mut self, first: u32, bytes: &[u8]) {
        let start = u64::from(first).saturating_sub(2) * self.geometry.cluster;
        for (to, from) in self.data.iter_mut().skip(bytes_usize(start)).zip(bytes) {
            *to = *from;
        }
    }
}

/// A folder of the volume under construction.
#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Self>,
    files: BTreeMap<&'a str, &'a [u8]>,
}

impl<'a> Folder<'a> {
    fn tree(files: &'a BTreeMap<String, Vec<u8>>) -> Result<Self, Error> {
        let mut root = Self::default();
        for (path, content) in files {
            let (parents, file) = path.rsplit_once('/').map_or((None, path.as_str()), |(p, f)| (Some(p), f));
            let mut folder = &mut root;
            for parent in parents.into_iter().flat_map(|parents| parents.split('/')) {
                name::check(path, parent)?;
                folder = folder.folders.entry(parent).or_default();
            }
            name::check(path, file)?;
            if u32::try_from(content.len()).is_err() {
                return Err(Error::Name { path: path.clone(), reason: "the file is larger than 4 GiB" });
            }
            folder.files.insert(file, content);
        }
        root.refuse_clashes()?;
        Ok(root)
    }

    /// FAT does not tell `a` from `A`.
    fn refuse_clashes(&self) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        for name in self.folders.keys().chain(self.files.keys()) {
            if !seen.insert(name.to_ascii_lowercase()) {
                let reason = "another name in the folder differs in case only";
                return Err(Error::Name { path: (*name).to_owned(), reason });
            }
        }
        self.folders.values().try_for_each(Folder::refuse_clashes)
    }

    /// Entries in name order with their short names.
    fn names(&self) -> Vec<(&'a str, [u8; 11], bool)> {
        let all: BTreeSet<&str> = self.folders.keys().chain(self.files.keys()).copied().collect();
        let mut taken = BTreeSet::new();
        let mut names = Vec::with_capacity(all.len());
        for name in all {
            let (short, long) = name::short(name, &taken);
            taken.insert(short);
            names.push((name, short, long));
        }
        names
    }

    /// Bytes of the folder itself.
    fn len(&self, is_root: bool) -> usize {
        let entries: usize = self
            .names()
            .iter()
            .map(|(name, _, long)| if *long { 1 + name.len().div_ceil(13) } else { 1 })
            .sum();
        // The root has the volume label, other folders `.` and `..`.
        (entries + if is_root { 1 } else { 2 }) * ENTRY
    }

    /// Bytes of everything below the folder in whole clusters, without the folder itself.
    fn needed(&self, cluster: u64) -> u64 {
        let files: u64 =
            self.files.values().map(|file| (file.len() as u64).div_ceil(cluster) * cluster).sum();
        let below = |f: &Folder<'_>| (f.len(false) as u64).div_ceil(cluster) * cluster + f.needed(cluster);
        files + self.folders.values().map(below).sum::<u64>()
    }

    /// Allocates and fills everything below the folder; gives the folder's own bytes.
    fn write(
        &self,
        allocation: &mut Allocation,
        stamp: Stamp,
        own: u32,
        parent: Option<u32>,
        label: Option<&str>,
    ) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len(label.is_some()));
        if let Some(label) = label {
            bytes.extend(entry(&label_bytes(label), ATTRIBUTE_VOLUME, stamp, 0, 0));
        }
        if let Some(parent) = parent {
            bytes.extend(entry(b".          ", ATTRIBUTE_FOLDER, stamp, own, 0));
            bytes.extend(entry(b"..         ", ATTRIBUTE_FOLDER, stamp, parent, 0));
        }
        for (name, short, long) in self.names() {
            if long {
                bytes.extend(name::long_entries(name, &short));
            }
            if let Some(folder) = self.folders.get(name) {
                let cluster = allocation.reserve(folder.len(false) as u64);
                // `..` of a folder in the root says 0, also on FAT32 where the root has a cluster.
                let up = if label.is_some() { 0 } else { own };
                let content = folder.write(allocation, stamp, cluster, Some(up), None);
                allocation.fill(cluster, &content);
                bytes.extend(entry(&short, ATTRIBUTE_FOLDER, stamp, cluster, 0));
            } else if let Some(content) = self.files.get(name) {
                let cluster = allocation.reserve(content.len() as u64);
                allocation.fill(cluster, content);
                bytes.extend(entry(&short, ATTRIBUTE_ARCHIVE, stamp, cluster, low32(content.len() as u64)));
            }
        }
        bytes
    }
}

/// Date and time as FAT stores them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    date: u16,
    time: u16,
}

impl Stamp {
    /// FAT begins in 1980 and ends in 2107; what lies outside becomes the nearer end.
    fn from_unix(seconds: u64) -> Self {
        let seconds = seconds.clamp(315_532_800, 4_354_819_198);
        let (days, rest) = (seconds / 86400, seconds % 86400);
        let (year, month, day) = civil(days);
        let date = ((year - 1980) << 9) | (month << 5) | day;
        let time = ((rest / 3600) << 11) | ((rest % 3600 / 60) << 5) | (rest % 60 / 2);
        Self { date: low16(date), time: low16(time) }
    }
}

/// Year, month and day of a day counted from 1970, by the usual shift of the year's start to March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn entry(short: &[u8; 11], attributes: u8, stamp: Stamp, cluster: u32, size: u32) -> [u8; ENTRY] {
    let mut bytes = short.to_vec();
    let (low, high) = ((cluster & 0xffff) as u16, (cluster >> 16) as u16);
    bytes.extend([attributes, 0, 0]);
    for field in [stamp.time, stamp.date, stamp.date, high, stamp.time, stamp.date, low] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(size.to_le_bytes());
    let mut whole = [0; ENTRY];
    for (to, from) in whole.iter_mut().zip(bytes) {
        *to = from;
    }
    whole
}

fn label_bytes(label: &str) -> [u8; 11] {
    let (base, rest) = label.split_at_checked(8).unwrap_or((label, ""));
    name::pack(base, rest)
}

/// Sizes here are below 4 GiB by the limits above; the masks only say so to the compiler.
fn low16(value: u64) -> u16 {
    (value & 0xffff) as u16
}

fn low32(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

fn bytes_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

const END_OF_CHAIN: u32 = 0x0fff_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let stamp = Stamp::from_unix(1_772_362_861); // 2026-03-01 11:01:01
        assert_eq!((stamp.date >> 9, stamp.date >> 5 & 15, stamp.date & 31), (46, 3, 1));
        assert_eq!((stamp.time >> 11, stamp.time >> 5 & 63, stamp.time & 31), (11, 1, 0));
        assert_eq!(Stamp::from_unix(0).date, 0x21);
        assert_eq!(civil(11_016), (2000, 2, 29));
    }
}
