//! The owner's files on the card's FAT partition: `hearth.toml` and `wireguard.conf` are read, their secrets are masked once
//! they are kept elsewhere, and `hearth-errors.txt` beside them gets a report in plain words.
//!
//! The card was in any computer before, so nothing on it is trusted ([`fat`]), and it may be pulled at any instant. Only
//! bytes of these three files and of free clusters are overwritten, each in its place: no directory entry, no table and no
//! size changes, so that no power cut can damage the file system. The order makes each cut harmless:
//!
//! ```text
//! 1  copies of the secrets in free clusters and behind the files' ends   fsync
//! 2  the secrets in hearth.toml, then those in wireguard.conf            fsync each, read back
//! 3  the report in hearth-errors.txt                                     fsync, read back
//! ```
//!
//! Until 2 begins the secrets are known from the files, and a second run finishes 1. A value that was masked in part is
//! masked to its end by the next run.
//!
//! The meaning of the texts, and the places of their secrets, are known to the crates `config` and `network` only.
#![forbid(unsafe_code)]

mod device;
mod finish;
mod read;
mod report;
mod secrets;
mod text;

pub use device::Device;
pub use finish::{Error, Finished, Kept, Report, finish};
pub use read::read;

use fat::Entry;

/// The name of the owner's settings file.
pub const SETTINGS: &str = "hearth.toml";
/// The name of the file that describes the owner's tunnel.
pub const TUNNEL: &str = "wireguard.conf";
/// The name of the file with the report.
pub const REPORT: &str = "hearth-errors.txt";
/// The ending that an editor on Windows adds to the name of a text, and that Windows hides.
const HIDDEN_ENDING: &str = ".txt";
/// The longest settings file or tunnel's file, in bytes.
const FILE_LIMIT: u64 = ipc::owner::TEXT_LIMIT as u64;
/// The longest file with a report, in bytes; a new card has one of 8 KiB.
const REPORT_LIMIT: u64 = 64 << 10;

/// The entry with the name, which FAT compares without case.
fn named<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name))
}
