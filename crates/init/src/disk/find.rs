//! The search for the card among the disks, and for its partitions' device files. Only reads.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use boot_slot::layout::BOOT_PARTITION;

use super::super::parameters::PartitionIdentity;
use super::super::uevents::wait_for;
use super::mbr::{MBR, disk_signature};

/// The longest wait for the card to appear.
const DISK_TIMEOUT: Duration = Duration::from_secs(90);

/// The directories in which the kernel shows block devices.
#[derive(Clone, Debug)]
pub(crate) struct SystemPaths {
    /// `/sys/class/block`.
    pub(crate) block: PathBuf,
    /// `/dev`.
    pub(crate) devices: PathBuf,
}

impl SystemPaths {
    /// The paths of a running system.
    pub(crate) fn system() -> Self {
        Self { block: "/sys/class/block".into(), devices: "/dev".into() }
    }
}

/// A whole disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// The kernel's name for it.
    pub(super) name: String,
    /// Its device file.
    pub(super) device: PathBuf,
    /// Its size in sectors.
    pub(super) sectors: u64,
    /// Its first sector.
    pub(super) table: [u8; MBR],
}

/// A partition as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// Its device file.
    pub(super) device: PathBuf,
    /// Its size in sectors.
    pub(super) sectors: u64,
}

/// Waits for the disk with this signature.
pub(super) fn wait_for_disk(paths: &SystemPaths, signature: u32) -> Option<Disk> {
    wait_for(DISK_TIMEOUT, || disk_with(paths, signature))
}

/// Waits for a partition of the disk to have a device file.
pub(super) fn wait_for_partition(
    paths: &SystemPaths,
    disk: &Disk,
    number: u8,
    limit: Duration,
) -> Option<Partition> {
    wait_for(limit, || partition(paths, disk, number))
}

/// The device file of the boot partition on the disk that was booted from, if it is there now.
pub(crate) fn boot_device(boot: PartitionIdentity) -> Option<PathBuf> {
    let paths = SystemPaths::system();
    let disk = disk_with(&paths, boot.disk)?;
    Some(partition(&paths, &disk, u8::try_from(BOOT_PARTITION).ok()?)?.device)
}

/// The disk with this signature, if it is there now. Of two with the same signature the first by name is taken.
fn disk_with(paths: &SystemPaths, signature: u32) -> Option<Disk> {
    let mut names: Vec<String> = fs::read_dir(&paths.block)
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| !entry.path().join("partition").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names.into_iter().find_map(|name| {
        let device = paths.devices.join(&name);
        let sectors = number(&paths.block.join(&name).join("size")).filter(|sectors| *sectors > 0)?;
        let mut table = [0; MBR];
        File::open(&device).and_then(|mut file| file.read_exact(&mut table)).ok()?;
        (disk_signature(&table)? == signature).then_some(Disk { name, device, sectors, table })
    })
}

fn partition(paths: &SystemPaths, disk: &Disk, wanted: u8) -> Option<Partition> {
    let directory = paths.block.join(&disk.name);
    fs::read_dir(directory).ok()?.filter_map(Result::ok).find_map(|entry| {
        let path = entry.path();
        if number(&path.join("partition"))? != u64::from(wanted) {
            return None;
        }
        let device = paths.devices.join(entry.file_name());
        let sectors = number(&path.join("size"))?;
        device.exists().then_some(Partition { device, sectors })
    })
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Partition, SystemPaths, disk_with, partition};

    fn disk(paths: &SystemPaths, name: &str, signature: u32, sectors: u64) {
        let directory = paths.block.join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("size"), format!("{sectors}\n")).unwrap();
        let mut table = [0; 512];
        table[440..444].copy_from_slice(&signature.to_le_bytes());
        table[510..].copy_from_slice(&[0x55, 0xaa]);
        fs::write(paths.devices.join(name), table).unwrap();
    }

    fn paths(root: &Path) -> SystemPaths {
        let paths = SystemPaths { block: root.join("block"), devices: root.join("dev") };
        fs::create_dir_all(&paths.block).unwrap();
        fs::create_dir_all(&paths.devices).unwrap();
        paths
    }

    #[test]
    fn the_disk_is_found_by_its_signature_whatever_it_is_called() {
        let root = tempfile::tempdir().unwrap();
        let paths = paths(root.path());
        assert_eq!(disk_with(&paths, 7), None);
        disk(&paths, "sda", 6, 100);
        disk(&paths, "ram0", 7, 0);
        fs::write(paths.devices.join("loop0"), "short").unwrap();
        fs::create_dir(paths.block.join("loop0")).unwrap();
        fs::write(paths.block.join("loop0/size"), "8").unwrap();
        assert_eq!(disk_with(&paths, 7), None);
        disk(&paths, "mmcblk0", 7, 200);
        let found = disk_with(&paths, 7).unwrap();
        assert_eq!((found.name.as_str(), found.sectors), ("mmcblk0", 200));
    }

    #[test]
    fn a_partition_that_holds_a_table_of_its_own_is_no_disk() {
        let root = tempfile::tempdir().unwrap();
        let paths = paths(root.path());
        disk(&paths, "sda1", 7, 100);
        fs::write(paths.block.join("sda1/partition"), "1\n").unwrap();
        assert_eq!(disk_with(&paths, 7), None);
    }

    #[test]
    fn a_partition_is_found_by_its_number_once_its_device_file_is_there() {
        let root = tempfile::tempdir().unwrap();
        let paths = paths(root.path());
        disk(&paths, "mmcblk0", 7, 200);
        let found = disk_with(&paths, 7).unwrap();
        let directory = paths.block.join("mmcblk0/mmcblk0p4");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("partition"), "4\n").unwrap();
        fs::write(directory.join("size"), "64\n").unwrap();
        assert_eq!(partition(&paths, &found, 4), None);
        let device = paths.devices.join("mmcblk0p4");
        fs::write(&device, "").unwrap();
        assert_eq!(partition(&paths, &found, 4), Some(Partition { device, sectors: 64 }));
        assert_eq!(partition(&paths, &found, 3), None);
    }
}
