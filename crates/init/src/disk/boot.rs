//! The boot partition: found, and left to others.

use std::path::PathBuf;

use boot_slot::layout::BOOT_PARTITION;

use super::super::parameters::PartitionIdentity;
use super::find::{SystemPaths, boot_device};

/// The device file of the boot partition on the disk that was booted from, if it is there now.
pub(crate) fn device(boot: Option<PartitionIdentity>) -> Option<PathBuf> {
    boot_device(&SystemPaths::system(), boot?.disk, u8::try_from(BOOT_PARTITION).ok()?)
}
