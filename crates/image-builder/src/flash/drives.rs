//! The host's drives, and the decision which of them may be erased, from sysfs and procfs. Their directories are arguments,
//! so that every case can be tested. No drive is opened here.

use std::collections::BTreeSet;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{Error, UnsafeTarget};

/// The directories of the kernel's lists of drives and mounts.
#[derive(Debug, Clone)]
pub struct System {
    /// `/sys/block`.
    pub block: PathBuf,
    /// `/proc`.
    pub proc: PathBuf,
}

impl Default for System {
    fn default() -> Self {
        Self { block: "/sys/block".into(), proc: "/proc".into() }
    }
}

/// A whole drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drive {
    /// The device file, such as `/dev/sdb`.
    pub path: PathBuf,
    /// Vendor, model and name, as far as sysfs has them.
    pub model: String,
    /// Size in bytes.
    pub size: u64,
    /// The reason for which it must not be erased, if there is one.
    pub refusal: Option<UnsafeTarget>,
}

/// A target that may be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A drive without an [`UnsafeTarget`].
    Drive(Drive),
    /// A regular file, which is created if it does not exist.
    File(PathBuf),
}

impl Target {
    /// The target's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Drive(drive) => &drive.path,
            Self::File(path) => path,
        }
    }

    /// The capacity in bytes; none for a file.
    #[must_use]
    pub fn capacity(&self) -> Option<u64> {
        match self {
            Self::Drive(drive) => Some(drive.size),
            Self::File(_) => None,
        }
    }

    /// Checks the path given on the command line.
    pub fn judge(system: &System, path: &Path) -> Result<Self, Error> {
        let refused = |refusal| Err(Error::Refused { target: path.to_owned(), refusal });
        let Ok(metadata) = std::fs::metadata(path) else {
            // A missing device is an empty card reader; a regular file below /dev would be lost at the next start.
            let is_device_name = path.starts_with("/dev");
            return if is_device_name {
                refused(UnsafeTarget::Neither)
            } else {
                Ok(Self::File(path.to_owned()))
            };
        };
        if metadata.is_file() {
            return Ok(Self::File(path.to_owned()));
        }
        if !metadata.file_type().is_block_device() {
            return refused(UnsafeTarget::Neither);
        }
        // Names below /dev/disk are links.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let all = drives(system)?;
        if let Some(drive) = all.iter().find(|drive| drive.path == real) {
            return match &drive.refusal {
                Some(refusal) => refused(refusal.clone()),
                None => Ok(Self::Drive(drive.clone())),
            };
        }
        let owner = all.iter().find(|drive| partitions(system, &drive.path).contains(&name));
        refused(
            owner
                .map_or(UnsafeTarget::Neither, |drive| UnsafeTarget::Partition { drive: drive.path.clone() }),
        )
    }
}

/// All drives, sorted by path.
pub fn drives(system: &System) -> Result<Vec<Drive>, Error> {
    let failed = |source| Error::Drives { path: system.block.clone(), source };
    let mounts = mounts(system);
    let mut drives = Vec::new();
    for entry in std::fs::read_dir(&system.block).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if VIRTUAL_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let folder = entry.path();
        let text = |file: &str| {
            std::fs::read_to_string(folder.join(file)).map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        let size = text("size").parse::<u64>().unwrap_or(0).saturating_mul(512);
        let parts = [text("device/vendor"), text("device/model"), text("device/name")];
        let model = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let path = Path::new("/dev").join(&name);
        let refusal = check_drive(system, &folder, &path, size, &mounts);
        drives.push(Drive { path, model, size, refusal });
    }
    drives.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(drives)
}

/// The reason for which a drive must not be erased, if there is one.
fn check_drive(
    system: &System,
    folder: &Path,
    path: &Path,
    size: u64,
    mounts: &[(String, String)],
) -> Option<UnsafeTarget> {
    let is = |file: &str, value: &str| {
        std::fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == value)
    };
    let own = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut names = partitions(system, path);
    names.insert(own);
    let device = |source: &str| source.strip_prefix("/dev/").is_some_and(|name| names.contains(name));
    let at: Vec<&String> = mounts.iter().filter(|(source, _)| device(source)).map(|(_, at)| at).collect();
    if let Some(at) = at.iter().find(|at| SYSTEM_MOUNT_POINTS.contains(&at.as_str())) {
        return Some(UnsafeTarget::System { at: (*at).clone() });
    }
    match at.first() {
        Some(at) if *at == SWAP => return Some(UnsafeTarget::InUse { by: SWAP.to_owned() }),
        Some(at) => return Some(UnsafeTarget::Mounted { at: (*at).clone() }),
        None => {}
    }
    for name in &names {
        let holders =
            if path.ends_with(name) { folder.join("holders") } else { folder.join(name).join("holders") };
        if let Some(Ok(holder)) = std::fs::read_dir(holders).ok().and_then(|mut all| all.next()) {
            return Some(UnsafeTarget::InUse { by: holder.file_name().to_string_lossy().into_owned() });
        }
    }
    // Built-in card readers report `removable` 0 for SD cards, and so do many USB drives.
    let usb = folder.canonicalize().is_ok_and(|real| {
        real.components().any(|part| part.as_os_str().to_string_lossy().starts_with("usb"))
    });
    if !is("removable", "1") && !is("device/type", "SD") && !usb {
        return Some(UnsafeTarget::NotRemovable);
    }
    if is("ro", "1") {
        return Some(UnsafeTarget::ReadOnly);
    }
    (size < MIN_CAPACITY).then_some(UnsafeTarget::TooSmall { capacity: size })
}

/// The names of a drive's partitions.
fn partitions(system: &System, drive: &Path) -> BTreeSet<String> {
    let folder = drive.file_name().map(|name| system.block.join(name)).unwrap_or_default();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().join("partition").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Pairs of device and mount point; swap space counts as mounted at [`SWAP`].
fn mounts(system: &System) -> Vec<(String, String)> {
    let read = |file: &str| std::fs::read_to_string(system.proc.join(file)).unwrap_or_default();
    // proc_pid_mountinfo(5): "36 35 98:0 /root /where options - type source superoptions", with blanks of paths as \040.
    let info = read("self/mountinfo");
    let mounted = info.lines().filter_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let at = front.split(' ').nth(4)?;
        Some((back.split(' ').nth(1)?.to_owned(), at.replace("\\040", " ")))
    });
    let swaps = read("swaps");
    let swap = swaps
        .lines()
        .skip(1)
        .filter_map(|line| Some((line.split_whitespace().next()?.to_owned(), SWAP.to_owned())));
    mounted.chain(swap).collect()
}

/// Prefixes of the names of block devices that are no drives, or not writable.
const VIRTUAL_PREFIXES: [&str; 8] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd"];
/// Mount points of the operating system, for which unmounting is not suggested.
const SYSTEM_MOUNT_POINTS: [&str; 7] = ["/", "/boot", "/boot/efi", "/boot/firmware", "/home", "/usr", "/var"];
const SWAP: &str = "swap space";
/// In bytes: the slots and some mail. Empty card readers report zero.
const MIN_CAPACITY: u64 = 512 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// A sysfs and procfs with these drives and this mountinfo.
    fn system(drives: &[(&str, &[(&str, &str)])], mounts: &str) -> (tempfile::TempDir, System) {
        let folder = tempfile::tempdir().unwrap();
        let system = System { block: folder.path().join("block"), proc: folder.path().join("proc") };
        std::fs::create_dir_all(system.proc.join("self")).unwrap();
        std::fs::write(system.proc.join("self/mountinfo"), mounts).unwrap();
        for (name, files) in drives {
            for (file, content) in *files {
                let path = system.block.join(name).join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            }
        }
        (folder, system)
    }

    const CARD: &[(&str, &str)] = &[
        ("size", "62521344\n"),
        ("removable", "1\n"),
        ("ro", "0\n"),
        ("device/vendor", "Generic \n"),
        ("device/model", "Card Reader\n"),
        ("sdb1/partition", "1\n"),
    ];

    fn refusal(files: &[(&str, &str)], mounts: &str) -> Option<UnsafeTarget> {
        let (_folder, system) = system(&[("sdb", files)], mounts);
        drives(&system).unwrap().remove(0).refusal
    }

    #[test]
    fn an_idle_removable_drive_may_be_erased() {
        let (_folder, system) = system(&[("sdb", CARD), ("loop0", CARD), ("dm-0", CARD)], "");
        let found = drives(&system).unwrap();
        assert_eq!(
            found,
            [Drive {
                path: "/dev/sdb".into(),
                model: "Generic Card Reader".to_owned(),
                size: 62_521_344 * 512,
                refusal: None
            }]
        );
    }

    #[test]
    fn the_systems_disks_and_mounted_cards_are_refused() {
        let mounted = "36 25 8:17 / /media/my\\040card rw shared:1 - vfat /dev/sdb1 rw\n";
        assert_eq!(refusal(CARD, mounted), Some(UnsafeTarget::Mounted { at: "/media/my card".to_owned() }));
        let whole = "36 25 8:16 / /mnt rw - vfat /dev/sdb1 rw\n36 25 8:16 / / rw - ext4 /dev/sdb2 rw\n";
        let two_partitions = [CARD, &[("sdb2/partition", "2\n")]].concat();
        assert_eq!(refusal(&two_partitions, whole), Some(UnsafeTarget::System { at: "/".to_owned() }));
        let built_in = [("size", "62521344"), ("removable", "0")];
        assert_eq!(refusal(&built_in, ""), Some(UnsafeTarget::NotRemovable));
        let other = "36 25 8:1 / / rw - ext4 /dev/sdbb1 rw\n";
        assert_eq!(refusal(CARD, other), None);
    }

    #[test]
    fn drives_that_others_hold_are_refused() {
        let held = [CARD, &[("sdb1/holders/dm-0", "")]].concat();
        assert_eq!(refusal(&held, ""), Some(UnsafeTarget::InUse { by: "dm-0".to_owned() }));
        let (_folder, system) = system(&[("sdb", CARD)], "");
        std::fs::write(system.proc.join("swaps"), "Filename Type\n/dev/sdb1 partition 1 0 -2\n").unwrap();
        let found = drives(&system).unwrap().remove(0).refusal;
        assert_eq!(found, Some(UnsafeTarget::InUse { by: "swap space".to_owned() }));
    }

    #[test]
    fn empty_readers_and_locked_cards_are_refused() {
        let empty = [("size", "0"), ("removable", "1")];
        assert_eq!(refusal(&empty, ""), Some(UnsafeTarget::TooSmall { capacity: 0 }));
        let locked = [("size", "62521344"), ("removable", "1"), ("ro", "1")];
        assert_eq!(refusal(&locked, ""), Some(UnsafeTarget::ReadOnly));
    }

    #[test]
    fn a_built_in_reader_is_known_by_its_sd_card() {
        let card = [("size", "62521344"), ("removable", "0"), ("device/type", "SD")];
        assert_eq!(refusal(&card, ""), None);
        let soldered = [("size", "62521344"), ("removable", "0"), ("device/type", "MMC")];
        assert_eq!(refusal(&soldered, ""), Some(UnsafeTarget::NotRemovable));
    }

    #[test]
    fn what_is_neither_drive_nor_file_is_refused() {
        let (folder, system) = system(&[("sdb", CARD)], "");
        for path in ["/dev/null", "/dev/not-there", folder.path().to_str().unwrap()] {
            let error = Target::judge(&system, Path::new(path)).unwrap_err().to_string();
            assert!(error.contains("neither a drive nor a file"), "{path}: {error}");
        }
        let file = folder.path().join("card.img");
        assert_eq!(Target::judge(&system, &file).unwrap(), Target::File(file));
    }
}
