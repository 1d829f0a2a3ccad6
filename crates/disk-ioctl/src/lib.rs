//! The two block-device calls that no library offers safely: adding a partition to a running kernel's table, and
//! growing a mounted ext4. The only crate with `unsafe`, and nothing else belongs here.
//!
//! Both functions take an open file and plain numbers and are safe to call with any of them: the kernel checks the
//! numbers, and a wrong file is an error (`ENOTTY`, `EINVAL`), never undefined behaviour.

use std::ffi::c_void;
use std::os::fd::AsFd;

use rustix::io;
use rustix::ioctl::{Setter, ioctl, opcode};

/// Bytes of a sector of the kernel's block layer, in which sysfs counts sizes, whatever the disk's own block size is.
pub const SECTOR: u64 = 512;

/// `BLKPG` of `<linux/blkpg.h>`: `_IO(0x12, 105)`.
const BLKPG: rustix::ioctl::Opcode = opcode::none(0x12, 105);
/// `BLKPG_ADD_PARTITION` of `<linux/blkpg.h>`.
const BLKPG_ADD_PARTITION: i32 = 1;
/// `EXT4_IOC_RESIZE_FS` of `<linux/ext4.h>`: `_IOW('f', 16, __u64)`.
const EXT4_IOC_RESIZE_FS: rustix::ioctl::Opcode = opcode::write::<u64>(b'f', 16);

/// `struct blkpg_ioctl_arg` of `<linux/blkpg.h>`.
#[repr(C)]
struct BlkpgArgument {
    operation: i32,
    flags: i32,
    data_length: i32,
    data: *mut c_void,
}

/// `struct blkpg_partition` of `<linux/blkpg.h>`; start and length in bytes.
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: i32,
    /// Both names are ignored by the kernel.
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

/// Adds partition `number` to the kernel's view of the whole disk `disk`: `length` bytes from byte `start` on.
///
/// Nothing is written to the disk: the caller has already written the partition table, and the kernel would see the
/// same at its next start.
///
/// # Errors
///
/// `EBUSY` when the kernel already knows that number or the range overlaps a known partition, `EINVAL` when the range
/// does not fit the disk, `ENOTTY` when `disk` is no block device.
#[expect(
    unsafe_code,
    reason = "BLKPG of <linux/blkpg.h> takes a pointer to a structure that holds a pointer"
)]
pub fn add_partition(disk: impl AsFd, number: i32, start: u64, length: u64) -> io::Result<()> {
    let mut partition = BlkpgPartition {
        start: i64::try_from(start).map_err(|_| io::Errno::INVAL)?,
        length: i64::try_from(length).map_err(|_| io::Errno::INVAL)?,
        number,
        device_name: [0; 64],
        volume_name: [0; 64],
    };
    let argument = BlkpgArgument {
        operation: BLKPG_ADD_PARTITION,
        flags: 0,
        data_length: i32::try_from(size_of::<BlkpgPartition>()).map_err(|_| io::Errno::INVAL)?,
        data: (&raw mut partition).cast(),
    };
    // SAFETY: BLKPG reads one `blkpg_ioctl_arg`, which `argument` is, and through it one `blkpg_partition`, which
    // outlives the call.
    unsafe { ioctl(disk, Setter::<BLKPG, _>::new(argument)) }
}

/// Grows the mounted ext4 of which `file` is any file or directory to `blocks` of its own blocks.
///
/// The kernel does it online and by journal: after a power cut the file system has the old size or the new one, or
/// one in between, and is consistent.
///
/// # Errors
///
/// `EINVAL` when the device is smaller than that, `EPERM` without `CAP_SYS_RESOURCE`, `ENOTTY` when `file` is on no
/// ext4.
#[expect(
    unsafe_code,
    reason = "EXT4_IOC_RESIZE_FS of <linux/ext4.h> takes a pointer to the number of blocks"
)]
pub fn resize_ext4(file: impl AsFd, blocks: u64) -> io::Result<()> {
    // SAFETY: EXT4_IOC_RESIZE_FS reads one u64.
    unsafe { ioctl(file, Setter::<EXT4_IOC_RESIZE_FS, _>::new(blocks)) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::{BlkpgArgument, BlkpgPartition, SECTOR, add_partition, resize_ext4};
    use rustix::io::Errno;

    #[test]
    fn the_structures_have_the_kernels_sizes() {
        assert_eq!(size_of::<BlkpgPartition>(), 152);
        assert_eq!(size_of::<BlkpgArgument>(), 24);
    }

    #[test]
    fn a_file_that_is_no_disk_is_an_error() {
        let file = File::open("/dev/null").unwrap();
        assert_eq!(add_partition(&file, 4, 2048 * SECTOR, 2048 * SECTOR), Err(Errno::NOTTY));
        assert_eq!(resize_ext4(&file, 1024), Err(Errno::NOTTY));
    }

    #[test]
    fn a_length_beyond_the_kernels_numbers_is_an_error() {
        let file = File::open("/dev/null").unwrap();
        assert_eq!(add_partition(&file, 4, u64::MAX, 1), Err(Errno::INVAL));
    }
}
