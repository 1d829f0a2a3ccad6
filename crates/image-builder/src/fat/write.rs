//! Writes a whole volume: boot sector, two FATs, directories, and files of consecutive clusters. Names and numbers in
//! comments are those of Microsoft's FAT specification of August 2005.
//!
//! ```text
//! | reserved sectors | FAT | FAT copy | root directory (FAT16 only) | clusters 2, 3, ... last used |  (rest: not written)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use time::UtcDateTime;

use super::{
    ATTRIBUTE_ARCHIVE, ATTRIBUTE_DIRECTORY, ATTRIBUTE_VOLUME, ENTRY_SIZE, Error, Kind, SECTOR_SIZE, name,
};

/// The parameters of a volume.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    /// FAT16 or FAT32.
    pub kind: Kind,
    /// Size of the partition in bytes.
    pub size: u64,
    /// Size of a cluster in bytes: a power of two from 512 to 32768.
    pub cluster: u64,
    /// Up to 11 capital letters and digits.
    pub label: String,
    /// `BS_VolID`, the volume's serial number.
    pub serial: u32,
    /// The partition's first byte on the card; `BPB_HiddSec` in sectors.
    pub partition_start: u64,
    /// Modification time of all files and directories, Unix time in seconds.
    pub time: u64,
}

impl VolumeSpec {
    /// The volume up to its last used byte; the rest of the partition may hold anything, since its clusters are free.
    /// Keys are paths such as `overlays/hearth.dtbo`, from which directories follow.
    pub fn write(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, Error> {
        let geometry = Geometry::of(self)?;
        let root = Directory::tree(files)?;
        // The first two FAT entries belong to no cluster; `fat_bytes` gives them their values.
        let mut allocation = Allocation { fat: vec![0; 2], data: Vec::new(), geometry };
        let root_bytes = root.len(true) as u64;
        let needed = root.needed(geometry.cluster) + geometry.round(root_bytes);
        let capacity = geometry.clusters * geometry.cluster;
        let root_fits = self.kind == Kind::Fat32 || root_bytes <= geometry.root_sectors * SECTOR_SIZE;
        if needed > capacity || !root_fits {
            return Err(Error::Full { label: self.label.clone(), needed, capacity });
        }
        let stamp = Stamp::from_unix(self.time);
        // The root directory of FAT32 is reserved first, so that it is at cluster 2, as `BPB_RootClus` says. Its content is
        // known only when everything below it has its clusters.
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
            let end = volume.len() + bytes_usize(geometry.root_sectors * SECTOR_SIZE);
            volume.extend_from_slice(&root);
            volume.resize(end, 0);
        }
        volume.extend_from_slice(&allocation.data);
        volume
    }

    fn fat_bytes(&self, geometry: Geometry, allocation: &Allocation) -> Vec<u8> {
        let mut bytes: Vec<u8> = match self.kind {
            Kind::Fat16 => {
                // FAT[0] holds the media byte, FAT[1] the flags "clean" and "no errors".
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
        bytes.resize(bytes_usize(geometry.fat_sectors * SECTOR_SIZE), 0);
        bytes
    }

    fn reserved_sectors(&self, geometry: Geometry, allocation: &Allocation) -> Vec<u8> {
        let boot = self.boot_sector(geometry);
        let mut reserved = vec![0; bytes_usize(geometry.reserved * SECTOR_SIZE)];
        let mut place = |sector: u64, bytes: &[u8]| {
            for (to, from) in reserved.iter_mut().skip(bytes_usize(sector * SECTOR_SIZE)).zip(bytes) {
                *to = *from;
            }
        };
        place(0, &boot);
        if self.kind == Kind::Fat32 {
            // The FSInfo sector: free clusters, and the next one to look at. Sectors 6 and 7 are backup copies.
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

    /// The boot sector with its BIOS parameter block (sections 3.1 to 3.3), field by field.
    fn boot_sector(&self, geometry: Geometry) -> Vec<u8> {
        let sectors = self.size / SECTOR_SIZE;
        let small = if self.kind == Kind::Fat16 { u16::try_from(sectors).unwrap_or(0) } else { 0 };
        let mut boot = match self.kind {
            Kind::Fat16 => vec![0xeb, 0x3c, 0x90],
            Kind::Fat32 => vec![0xeb, 0x58, 0x90],
        };
        boot.extend_from_slice(b"MSWIN4.1");
        boot.extend(low16(SECTOR_SIZE).to_le_bytes());
        boot.push(((geometry.cluster / SECTOR_SIZE) & 0xff) as u8);
        boot.extend(low16(geometry.reserved).to_le_bytes());
        boot.push(2);
        boot.extend(low16(geometry.root_sectors * SECTOR_SIZE / ENTRY_SIZE as u64).to_le_bytes());
        boot.extend(small.to_le_bytes());
        boot.push(0xf8);
        let fat_sectors_16 = if self.kind == Kind::Fat16 { low16(geometry.fat_sectors) } else { 0 };
        boot.extend(fat_sectors_16.to_le_bytes());
        boot.extend(63_u16.to_le_bytes());
        boot.extend(255_u16.to_le_bytes());
        boot.extend(low32(self.partition_start / SECTOR_SIZE).to_le_bytes());
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

/// The sizes of a volume's parts.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    /// Size of a cluster in bytes.
    cluster: u64,
    /// `BPB_RsvdSecCnt`.
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
        let sectors = spec.size / SECTOR_SIZE;
        // A larger FAT leaves fewer clusters, which need a smaller FAT: the smallest FAT that has an entry for each of the
        // clusters it leaves is the fixed point. The specification's formula may give a few sectors too many.
        let clusters_with = |fat: u64| {
            sectors.saturating_sub(reserved + root_sectors + 2 * fat) * SECTOR_SIZE
                / spec.cluster.max(SECTOR_SIZE)
        };
        let fits = |fat: &u64| (clusters_with(*fat) + 2) * entry <= fat * SECTOR_SIZE;
        let fat_sectors = (1..=sectors).find(fits).unwrap_or(sectors);
        let clusters = clusters_with(fat_sectors);
        // Readers derive the FAT type from the number of clusters alone (section 3.5).
        let wanted = match spec.kind {
            Kind::Fat16 => (4085..65525).contains(&clusters),
            Kind::Fat32 => (65525..0x0fff_fff0).contains(&clusters),
        };
        let cluster = spec.cluster;
        if !wanted || !cluster.is_power_of_two() || !(SECTOR_SIZE..=32768).contains(&cluster) {
            return Err(Error::Geometry { size: spec.size, cluster, clusters, kind: spec.kind });
        }
        Ok(Self { cluster, reserved, root_sectors, fat_sectors, clusters })
    }

    /// `bytes` rounded up to whole clusters, at least one.
    fn round(self, bytes: u64) -> u64 {
        bytes.max(1).div_ceil(self.cluster) * self.cluster
    }
}

/// The FAT under construction and the clusters that it describes.
struct Allocation {
    /// FAT entries by cluster number; 32 bits also for FAT16.
    fat: Vec<u32>,
    /// The clusters from number 2 on.
    data: Vec<u8>,
    geometry: Geometry,
}

impl Allocation {
    /// Appends consecutive clusters for `length` bytes and gives the first; an empty file has none, written as cluster 0.
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

/// A directory of the volume under construction.
#[derive(Default)]
struct Directory<'a> {
    directories: BTreeMap<&'a str, Self>,
    files: BTreeMap<&'a str, &'a [u8]>,
}

impl<'a> Directory<'a> {
    fn tree(files: &'a BTreeMap<String, Vec<u8>>) -> Result<Self, Error> {
        let mut root = Self::default();
        for (path, content) in files {
            let (parents, file) = path.rsplit_once('/').map_or((None, path.as_str()), |(p, f)| (Some(p), f));
            let mut directory = &mut root;
            for parent in parents.into_iter().flat_map(|parents| parents.split('/')) {
                name::check(path, parent)?;
                directory = directory.directories.entry(parent).or_default();
            }
            name::check(path, file)?;
            if u32::try_from(content.len()).is_err() {
                return Err(Error::Name { path: path.clone(), reason: "the file is larger than 4 GiB" });
            }
            directory.files.insert(file, content);
        }
        root.refuse_clashes()?;
        Ok(root)
    }

    /// Refuses two names that differ in case only, which FAT does not distinguish.
    fn refuse_clashes(&self) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        for name in self.directories.keys().chain(self.files.keys()) {
            if !seen.insert(name.to_ascii_lowercase()) {
                let reason = "another name in the directory differs in case only";
                return Err(Error::Name { path: (*name).to_owned(), reason });
            }
        }
        self.directories.values().try_for_each(Directory::refuse_clashes)
    }

    /// The entries in name order: name, short name, and whether long-name entries are needed.
    fn names(&self) -> Vec<(&'a str, [u8; 11], bool)> {
        let all: BTreeSet<&str> = self.directories.keys().chain(self.files.keys()).copied().collect();
        let mut taken = BTreeSet::new();
        let mut names = Vec::with_capacity(all.len());
        for name in all {
            let (short, long) = name::short(name, &taken);
            taken.insert(short);
            names.push((name, short, long));
        }
        names
    }

    /// Size of the directory itself in bytes.
    fn len(&self, is_root: bool) -> usize {
        let entries: usize = self
            .names()
            .iter()
            .map(|(name, _, long)| if *long { 1 + name.len().div_ceil(13) } else { 1 })
            .sum();
        // The root directory has the volume label, all others have `.` and `..`.
        (entries + if is_root { 1 } else { 2 }) * ENTRY_SIZE
    }

    /// Size of everything below the directory in bytes of whole clusters, without the directory itself.
    fn needed(&self, cluster: u64) -> u64 {
        let files: u64 =
            self.files.values().map(|file| (file.len() as u64).div_ceil(cluster) * cluster).sum();
        let below = |f: &Directory<'_>| (f.len(false) as u64).div_ceil(cluster) * cluster + f.needed(cluster);
        files + self.directories.values().map(below).sum::<u64>()
    }

    /// Allocates and fills everything below the directory, depth first in name order, and gives the directory's own bytes.
    /// `own` is its first cluster, `parent` that of its parent directory, and the root directory alone has a `label`.
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
            bytes.extend(entry(b".          ", ATTRIBUTE_DIRECTORY, stamp, own, 0));
            bytes.extend(entry(b"..         ", ATTRIBUTE_DIRECTORY, stamp, parent, 0));
        }
        for (name, short, long) in self.names() {
            if long {
                bytes.extend(name::long_entries(name, &short));
            }
            if let Some(directory) = self.directories.get(name) {
                // Reserved before what is below it, because `.` there and `..` below need the number.
                let cluster = allocation.reserve(directory.len(false) as u64);
                // `..` of a directory in the root directory is 0, also on FAT32 where the root directory has a cluster.
                let up = if label.is_some() { 0 } else { own };
                let content = directory.write(allocation, stamp, cluster, Some(up), None);
                allocation.fill(cluster, &content);
                bytes.extend(entry(&short, ATTRIBUTE_DIRECTORY, stamp, cluster, 0));
            } else if let Some(content) = self.files.get(name) {
                let cluster = allocation.reserve(content.len() as u64);
                allocation.fill(cluster, content);
                bytes.extend(entry(&short, ATTRIBUTE_ARCHIVE, stamp, cluster, low32(content.len() as u64)));
            }
        }
        bytes
    }
}

/// Date and time of a directory entry (section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    date: u16,
    time: u16,
}

impl Stamp {
    /// Converts Unix time; FAT's dates reach from 1980 to 2107, and others become the nearer end.
    fn from_unix(seconds: u64) -> Self {
        let seconds = seconds.clamp(315_532_800, 4_354_819_198);
        let seconds = i64::try_from(seconds).unwrap_or_default();
        let moment = UtcDateTime::from_unix_timestamp(seconds).unwrap_or(UtcDateTime::UNIX_EPOCH);
        let (year, month, day) = moment.to_calendar_date();
        let (hour, minute, second) = moment.as_hms();
        let (hour, minute, second) = (u16::from(hour), u16::from(minute), u16::from(second));
        let year = u16::try_from(year - 1980).unwrap_or_default();
        Self {
            date: (year << 9) | (u16::from(u8::from(month)) << 5) | u16::from(day),
            time: (hour << 11) | (minute << 5) | (second / 2),
        }
    }
}

/// A directory entry (section 6).
fn entry(short: &[u8; 11], attributes: u8, stamp: Stamp, cluster: u32, size: u32) -> [u8; ENTRY_SIZE] {
    let mut bytes = short.to_vec();
    let (low, high) = ((cluster & 0xffff) as u16, (cluster >> 16) as u16);
    bytes.extend([attributes, 0, 0]);
    for field in [stamp.time, stamp.date, stamp.date, high, stamp.time, stamp.date, low] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(size.to_le_bytes());
    let mut whole = [0; ENTRY_SIZE];
    for (to, from) in whole.iter_mut().zip(bytes) {
        *to = from;
    }
    whole
}

fn label_bytes(label: &str) -> [u8; 11] {
    let (base, rest) = label.split_at_checked(8).unwrap_or((label, ""));
    name::pack(base, rest)
}

/// Values here fit by the limits above; the mask says so to the compiler.
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
        assert_eq!(Stamp::from_unix(11_016 * 86_400).date, 20 << 9 | 2 << 5 | 29, "2000-02-29");
    }
}
