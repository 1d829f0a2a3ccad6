//! The template of the data partition's ext4 file system: made by the host's `mke2fs`, carried in the initramfs, and written
//! and grown by the box on its first boot, so that the box needs no `mke2fs`.

use std::io::Write;
use std::path::Path;

use crate::tool::{self, MKE2FS};

/// Size of the template in bytes; the box grows the mounted file system to the partition's size.
pub const TEMPLATE_SIZE: u64 = 16 << 20;

/// An error of making the template.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `mke2fs` is missing or failed.
    #[error(transparent)]
    Tool(#[from] tool::Error),
    /// A temporary file could not be used.
    #[error("making the data file system in {folder} failed: is the disk full?")]
    Scratch {
        /// The folder for temporary files.
        folder: String,
        /// The operating system's error.
        source: std::io::Error,
    },
}

/// The empty file system, [`TEMPLATE_SIZE`] bytes; the same bytes for the same `time` (Unix seconds).
pub fn template(scratch: &Path, time: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Scratch { folder: scratch.display().to_string(), source };
    let file = tempfile::NamedTempFile::new_in(scratch).map_err(failed)?;
    file.as_file().set_len(TEMPLATE_SIZE).map_err(failed)?;
    // An empty configuration: a host's mke2fs.conf would bring that host's features.
    let mut configuration = tempfile::NamedTempFile::new_in(scratch).map_err(failed)?;
    configuration.write_all(b"[defaults]\nbase_features = none\n").map_err(failed)?;
    let time = time.to_string();
    // Every random or host-dependent value is fixed: the hash seed here, UUID and time below. Nothing is left to be
    // initialised by the kernel after mounting, which would write for minutes to a fresh card.
    let options =
        format!("hash_seed={HASH_SEED},lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0");
    let blocks = (TEMPLATE_SIZE / 4096).to_string();
    let arguments = [
        "-q",
        "-F",
        "-t",
        "ext4",
        "-b",
        "4096",
        "-I",
        "256",
        "-N",
        INODES_PER_GROUP,
        "-m",
        "1",
        "-J",
        "size=4",
        "-L",
        LABEL,
        "-U",
        UUID,
        "-O",
        FEATURES,
        "-E",
        &options,
        &file.path().display().to_string(),
        &blocks,
    ];
    let configuration_path = configuration.path().display().to_string();
    let environment = [
        ("MKE2FS_CONFIG", configuration_path.as_str()),
        ("E2FSPROGS_FAKE_TIME", time.as_str()),
        ("SOURCE_DATE_EPOCH", time.as_str()),
    ];
    MKE2FS.run("make the data file system", &arguments, &environment, b"")?;
    std::fs::read(file.path()).map_err(failed)
}

const LABEL: &str = "hearth-data";
/// Equal on all cards, for equal bytes: the box finds its data partition by `PARTUUID`, never by this UUID.
const UUID: &str = "68656172-7468-4461-8461-000000000004";
const HASH_SEED: &str = "68656172-7468-4861-8368-000000000004";
/// `meta_bg` instead of `resize_inode`: the latter reserves blocks for a bounded growth (1024 times the first size), the
/// former keeps group descriptors in the groups themselves, so that growing while mounted has no bound.
/// `orphan_file` and `metadata_csum_seed` are left out: an e2fsck that does not know a feature refuses the file system.
const FEATURES: &str = "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,meta_bg,sparse_super,\
                        large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
/// Each further block group of 128 MiB gets as many: one inode for 32 KiB, a million on a card of 32 GB.
const INODES_PER_GROUP: &str = "4096";

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_same_time_gives_the_same_bytes_and_a_clean_file_system_that_grows() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = template(here.path(), 1_780_000_000).unwrap();
        assert_eq!(first.len() as u64, TEMPLATE_SIZE);
        assert!(first == template(there.path(), 1_780_000_000).unwrap(), "two templates differ");
        let image = here.path().join("data.ext4");
        std::fs::write(&image, &first).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).arg(&image).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            (output.status.success(), text + &String::from_utf8_lossy(&output.stderr))
        };
        let (clean, said) = run("/usr/sbin/e2fsck", &["-fn"]);
        assert!(clean, "{said}");
        std::fs::File::options().write(true).open(&image).unwrap().set_len(128 << 30).unwrap();
        let (grown, said) = run("/usr/sbin/resize2fs", &[]);
        assert!(grown, "{said}");
        let (clean, said) = run("/usr/sbin/e2fsck", &["-fn"]);
        assert!(clean, "{said}");
    }
}
