//! The data partition from "perhaps there" to "mounted and as large as it can be".

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use boot_slot::Extent;
use flate2::read::GzDecoder;
use rustix::fs::FallocateFlags;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::super::log::Log;
use super::super::parameters::PartitionIdentity;
use super::find::{Disk, Partition, SystemPaths, wait_for_disk, wait_for_partition};
use super::mbr::{DATA_NUMBER, DataEntry, find_data, with_data};
use super::superblock::{Check, Content, Ext4, HEAD, examine};
use super::template::{mark_unfinished, write_template};

/// The mount point of the data partition.
pub(crate) const DATA: &str = "/data";
/// The server's directory on it.
pub(crate) const STORE: &str = "/data/store";
/// Init's own directory on it: clock, seed, name.
pub(crate) const OWN: &str = "/data/init";
/// The logs' directory on it.
pub(crate) const LOGS: &str = "/data/log";
/// The user and group the server runs as.
pub(crate) const SERVER_ID: u32 = 1000;

const TEMPLATE: &str = "/usr/share/hearth/data.ext4.gz";
const E2FSCK: &str = "/sbin/e2fsck";
/// The longest wait for the kernel to make the partition's device file.
const DEVICE_TIMEOUT: Duration = Duration::from_secs(10);
/// e2fsck's exit status when it does not find a file system.
const NO_FILE_SYSTEM: i32 = 8;
/// Lines of e2fsck's output that are logged, of each of its two streams.
const E2FSCK_LINES: usize = 20;
const SECTOR: u64 = disk_ioctl::SECTOR;
const MEBIBYTE: u64 = 1024 * 1024;

/// The data partition after the start: its device file, which a factory reset erases, and the reason why it cannot be
/// used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Mounted, as it should be.
    Writable { device: PathBuf },
    /// Mounted, but not fit for the server.
    ReadOnly { device: PathBuf, trouble: String },
    /// Not mounted. Without a device file the partition was not found on the card at all.
    Absent { device: Option<PathBuf>, trouble: String },
}

impl Data {
    /// The partition's device file, if the partition was found.
    pub(crate) fn device(&self) -> Option<&Path> {
        match self {
            Self::Writable { device } | Self::ReadOnly { device, .. } => Some(device),
            Self::Absent { device, .. } => device.as_deref(),
        }
    }

    /// The reason why it cannot be used.
    pub(crate) fn trouble(&self) -> Option<&str> {
        match self {
            Self::Writable { .. } => None,
            Self::ReadOnly { trouble, .. } | Self::Absent { trouble, .. } => Some(trouble),
        }
    }
}

/// Finds, makes, checks, mounts and grows the data partition.
pub(crate) fn prepare(boot: Option<PartitionIdentity>, log: &Log) -> Data {
    let paths = SystemPaths::system();
    let partition = match locate(boot, &paths, log) {
        Ok(partition) => partition,
        Err(trouble) => return Data::Absent { device: None, trouble },
    };
    if let Err(trouble) = make_ready(&partition, log) {
        return fall_back(partition, trouble);
    }
    if let Err(error) = mount_data(&partition, MountFlags::empty()) {
        log.say(format!("the data partition cannot be mounted ({error}); it is checked"));
        let again = check(&partition, log)
            .and_then(|()| mount_data(&partition, MountFlags::empty()).map_err(|error| error.to_string()));
        if let Err(trouble) = again {
            return fall_back(partition, trouble);
        }
    }
    if let Err(error) = grow(&partition, log) {
        log.say(format!("the data partition could not be grown: {error}"));
    }
    match make_directories() {
        Ok(()) => Data::Writable { device: partition.device },
        Err(error) => {
            let trouble = format!("its directories cannot be made: {error}");
            Data::ReadOnly { device: partition.device, trouble }
        }
    }
}

/// Gives everything on the unmounted data partition up: the next start writes the template anew.
pub(crate) fn invalidate(device: &Path, log: &Log) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(device)?;
    mark_unfinished(&file, 0)?;
    // The rest is discarded where the disk can do so without writing; many cards cannot.
    let size = rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0))?;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let rest = size.saturating_sub(HEAD as u64);
    if let Err(error) = rustix::fs::fallocate(&file, flags, HEAD as u64, rest) {
        log.say(format!("the card cannot forget its old content by itself: {error}"));
    }
    file.sync_all()
}

/// Unmounts the data partition. A file that is still open somewhere does not stop it: it is unmounted when closed.
pub(crate) fn unmount_data() -> rustix::io::Result<()> {
    match unmount(DATA, UnmountFlags::empty()) {
        Err(rustix::io::Errno::BUSY) => {
            let read_only = MountFlags::RDONLY | safe_flags();
            rustix::mount::mount_remount(DATA, read_only, c"")?;
            unmount(DATA, UnmountFlags::DETACH)
        }
        other => other,
    }
}

fn locate(boot: Option<PartitionIdentity>, paths: &SystemPaths, log: &Log) -> Result<Partition, String> {
    let Some(boot) = boot else {
        return Err("the boot loader did not say from which disk it started (hearth.boot=)".to_owned());
    };
    let disk = wait_for_disk(paths, boot.disk)
        .ok_or_else(|| format!("no disk with the signature {:08x} appeared", boot.disk))?;
    let extent = match find_data(&disk.table, disk.sectors).map_err(|error| error.to_string())? {
        DataEntry::Present(extent) => extent,
        DataEntry::Missing(extent) => {
            create_entry(&disk, extent)
                .map_err(|error| format!("the partition table cannot be written: {error}"))?;
            extent
        }
    };
    announce(paths, &disk, extent, log)
}

/// Steps 1 and 2 of the picture in `mod.rs`.
fn create_entry(disk: &Disk, extent: Extent) -> io::Result<()> {
    let table = with_data(&disk.table, extent).map_err(io::Error::other)?;
    let file = OpenOptions::new().write(true).open(&disk.device)?;
    mark_unfinished(&file, extent.start)?;
    file.write_all_at(&table, 0)?;
    file.sync_all()
}

/// Makes the kernel know the partition.
fn announce(paths: &SystemPaths, disk: &Disk, extent: Extent, log: &Log) -> Result<Partition, String> {
    if let Some(known) = wait_for_partition(paths, disk, DATA_NUMBER, Duration::ZERO) {
        return Ok(known);
    }
    let number = i32::from(DATA_NUMBER);
    let added = File::open(&disk.device)
        .and_then(|file| Ok(disk_ioctl::add_partition(&file, number, extent.start, extent.length)?));
    if let Err(error) = added {
        log.say(format!("the kernel does not take the new partition: {error}"));
    }
    wait_for_partition(paths, disk, DATA_NUMBER, DEVICE_TIMEOUT)
        .ok_or_else(|| "the kernel does not show the data partition".to_owned())
}

/// Leaves an ext4 that can be mounted, or returns the reason why not.
fn make_ready(partition: &Partition, log: &Log) -> Result<(), String> {
    let content =
        read_head(partition).map_err(|error| format!("the data partition cannot be read: {error}"))?;
    match content {
        Content::Ext4(Ext4 { check: Check::NotNeeded, .. }) => Ok(()),
        Content::Ext4(Ext4 { check: Check::Needed, .. }) => {
            log.say("the data partition asks for a check");
            check(partition, log)
        }
        Content::Damaged => {
            log.say("the data partition has no valid superblock; it is checked");
            check(partition, log)
        }
        Content::Unfinished => {
            write(partition).map_err(|error| format!("the empty file system cannot be written: {error}"))?;
            log.say("data partition created");
            Ok(())
        }
    }
}

fn read_head(partition: &Partition) -> io::Result<Content> {
    let mut head = [0; HEAD];
    File::open(&partition.device)?.read_exact(&mut head)?;
    Ok(examine(&head))
}

fn write(partition: &Partition) -> io::Result<()> {
    let template = GzDecoder::new(File::open(TEMPLATE)?);
    let device = OpenOptions::new().write(true).open(&partition.device)?;
    write_template(&device, template, partition.sectors * SECTOR)
}

/// Runs `e2fsck -p`, which repairs what is safe to repair without asking; if the superblock is gone, from its first
/// copy, which a file system that has grown beyond its template has.
fn check(partition: &Partition, log: &Log) -> Result<(), String> {
    const FIRST_COPY: [&str; 4] = ["-b", "32768", "-B", "4096"];
    match run_check(partition, &[], log)? {
        Some(NO_FILE_SYSTEM) => {
            log.say("the superblock cannot be used; its copy is tried");
            // This run brings the superblock back and may stumble over its own journal; the next one tells.
            run_check(partition, &FIRST_COPY, log)?;
            verdict(run_check(partition, &[], log)?)
        }
        status => verdict(status),
    }
}

fn run_check(partition: &Partition, how: &[&str], log: &Log) -> Result<Option<i32>, String> {
    let output = Command::new(E2FSCK)
        .arg("-p")
        .args(how)
        .arg(&partition.device)
        .env_clear()
        .output()
        .map_err(|error| format!("{E2FSCK} cannot be started: {error}"))?;
    for text in [&output.stdout, &output.stderr] {
        for line in String::from_utf8_lossy(text).lines().filter(|line| !line.is_empty()).take(E2FSCK_LINES) {
            log.say(format!("e2fsck: {line}"));
        }
    }
    Ok(output.status.code())
}

/// The meaning of e2fsck's exit status (its manual page): a sum of bits.
fn verdict(status: Option<i32>) -> Result<(), String> {
    const REPAIRED: i32 = 1 | 2;
    match status {
        Some(status) if status & !REPAIRED == 0 => Ok(()),
        Some(status) if status & 4 != 0 => {
            Err("it is damaged beyond what can be repaired without a decision".to_owned())
        }
        Some(status) => Err(format!("the check itself failed with status {status}")),
        None => Err("the check was killed".to_owned()),
    }
}

fn safe_flags() -> MountFlags {
    MountFlags::NOATIME | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC
}

fn mount_data(partition: &Partition, more: MountFlags) -> rustix::io::Result<()> {
    // Without the directory the mount fails, and its error is reported.
    let _ = fs::create_dir_all(DATA);
    mount(&partition.device, DATA, "ext4", safe_flags() | more, c"errors=remount-ro")
}

/// Mounts the partition read-only: nothing more is lost, and the mail can still be copied off the card.
fn fall_back(partition: Partition, trouble: String) -> Data {
    match mount_data(&partition, MountFlags::RDONLY) {
        Ok(()) => Data::ReadOnly { device: partition.device, trouble },
        Err(error) => {
            let trouble = format!("{trouble}; it cannot even be read: {error}");
            Data::Absent { device: Some(partition.device), trouble }
        }
    }
}

/// Grows the mounted file system to its partition. The kernel leaves out a last group that would be too small to be
/// of use, so what counts is what the superblock says afterwards.
fn grow(partition: &Partition, log: &Log) -> io::Result<()> {
    let Content::Ext4(before) = read_head(partition)? else { return Ok(()) };
    let Some(blocks) = before.grown_to(partition.sectors * SECTOR) else { return Ok(()) };
    disk_ioctl::resize_ext4(File::open(DATA)?, blocks)?;
    match read_head(partition)? {
        Content::Ext4(after) if after.blocks > before.blocks => {
            log.say(format!("data partition grown to {} MiB", after.blocks * after.block_size / MEBIBYTE));
        }
        _ => {}
    }
    Ok(())
}

fn make_directories() -> io::Result<()> {
    for (path, mode, owner) in [(OWN, 0o700, 0), (LOGS, 0o700, 0), (STORE, 0o700, SERVER_ID)] {
        fs::create_dir_all(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        chown(path, Some(owner), Some(owner))?;
    }
    // The server walks through it to its own directory.
    fs::set_permissions(DATA, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn a_check_that_repaired_everything_is_good_and_any_other_is_not() {
        for good in [0, 1, 2, 3] {
            assert_eq!(verdict(Some(good)), Ok(()), "{good}");
        }
        for bad in [Some(4), Some(5), Some(8), Some(16), Some(12), Some(32), Some(128), None] {
            assert!(verdict(bad).is_err(), "{bad:?}");
        }
    }
}
