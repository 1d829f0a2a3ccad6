//! Files on the data partition of a card, read and changed while the box has no power.
//!
//! e2fsprogs works on a copy of the ext4 file system in a file of its own, so neither root rights nor a loop device is needed.
//! It could also be pointed at an offset of the card's file, but e2fsck forgets the offset once it has replayed the journal,
//! and after a power cut there is one to replay: else the box's kernel would write the journal's older blocks over a change.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use boot_slot::layout::DATA_PARTITION;
use boot_slot::mbr::PartitionTable;
use tempfile::NamedTempFile;

/// A copy of the ext4 file system of partition 4. Changes reach the card with [`DataPartition::save`].
#[derive(Debug)]
pub struct DataPartition {
    card: PathBuf,
    /// The partition's first byte on the card.
    start: u64,
    copy: NamedTempFile,
}

impl DataPartition {
    /// Copies the file system, and makes the copy consistent.
    pub fn open(card: &Path) -> Result<Self> {
        let mut sector = [0; 512];
        let mut file = File::open(card).with_context(|| format!("opening {}", card.display()))?;
        file.read_exact(&mut sector).context("reading the partition table")?;
        let table = PartitionTable::decode(&sector)?;
        let extent = table.partition(DATA_PARTITION).context("the card has no data partition yet")?.extent;
        let copy = NamedTempFile::new()?;
        copy.as_file().set_len(extent.length)?;
        copy_changes((&file, extent.start), (copy.as_file(), 0), extent.length)?;
        let this = Self { card: card.to_owned(), start: extent.start, copy };
        let output = run("e2fsck", &["-p", &this.copy_path()])?;
        // e2fsck(8): 1 means that errors, such as a journal to replay, were corrected.
        ensure!(matches!(output.status.code(), Some(0 | 1)), "e2fsck: {}", text(&output));
        Ok(this)
    }

    /// Writes the changed blocks to the card.
    pub fn save(self) -> Result<()> {
        let card = File::options().read(true).write(true).open(&self.card)?;
        let length = self.copy.as_file().metadata()?.len();
        // e2fsck and debugfs have written to the file by its name, which is still that of the open one.
        copy_changes((self.copy.as_file(), 0), (&card, self.start), length)
    }

    /// Writes a file, replacing one that is there. It gets mode 0600 and the owner of its directory, which must exist.
    pub fn put_file(&self, path: &str, content: &[u8]) -> Result<()> {
        let (directory, name) = split(path)?;
        let owner = self.stat(directory)?;
        let mut source = NamedTempFile::new()?;
        source.write_all(content)?;
        let mut commands = vec![format!("cd {directory}")];
        if self.list(directory)?.iter().any(|other| other == name) {
            commands.push(format!("rm {name}"));
        }
        commands.push(format!("write {} {name}", source.path().display()));
        commands.push(format!("sif {name} mode 0100600"));
        commands.push(format!("sif {name} uid {}", owner.user));
        commands.push(format!("sif {name} gid {}", owner.group));
        self.change(&commands)?;
        let written = self.read_file(path)?;
        ensure!(written == content, "debugfs wrote {} bytes of {} to {path}", written.len(), content.len());
        Ok(())
    }

    /// The content of a file.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        split(path)?;
        let target = NamedTempFile::new()?;
        let output = self.debugfs(&["-R", &format!("dump {path} {}", target.path().display())])?;
        // debugfs ends with 0 whatever happens; what it prints behind its version is an error.
        if let Some(error) = error(&output) {
            bail!("reading {path} from the data partition: {error}");
        }
        Ok(std::fs::read(target.path())?)
    }

    /// The names in a directory without `.` and `..`, sorted.
    pub fn list(&self, path: &str) -> Result<Vec<String>> {
        split(path)?;
        let output = self.debugfs(&["-R", &format!("ls -p {path}")])?;
        if let Some(error) = error(&output) {
            bail!("listing {path} on the data partition: {error}");
        }
        // "/INODE/MODE/USER/GROUP/NAME/SIZE/"; a deleted entry has inode 0.
        let listing = String::from_utf8_lossy(&output.stdout).into_owned();
        let entries = listing.lines().filter_map(|line| {
            let mut fields = line.strip_prefix('/')?.split('/');
            let (inode, name) = (fields.next()?, fields.nth(3)?);
            (inode != "0" && !matches!(name, "." | "..")).then(|| name.to_owned())
        });
        let mut names: Vec<String> = entries.collect();
        names.sort();
        Ok(names)
    }

    fn stat(&self, path: &str) -> Result<Owner> {
        let output = self.debugfs(&["-R", &format!("stat {path}")])?;
        let stat = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = |label: &str| stat.split(label).nth(1)?.split_whitespace().next()?.parse().ok();
        let owner = number("User:").zip(number("Group:"));
        let (user, group) =
            owner.with_context(|| format!("{path} on the data partition: {}", text(&output)))?;
        Ok(Owner { user, group })
    }

    fn change(&self, commands: &[String]) -> Result<()> {
        let mut script = NamedTempFile::new()?;
        writeln!(script, "{}", commands.join("\n"))?;
        let output = self.debugfs(&["-w", "-f", &script.path().display().to_string()])?;
        match error(&output) {
            Some(error) => bail!("changing the data partition: {error}"),
            None => Ok(()),
        }
    }

    fn debugfs(&self, arguments: &[&str]) -> Result<Output> {
        run("debugfs", &[arguments, &[&self.copy_path()]].concat())
    }

    fn copy_path(&self) -> String {
        self.copy.path().display().to_string()
    }
}

/// Numeric owner of a file.
struct Owner {
    user: u32,
    group: u32,
}

/// Makes `length` bytes at an offset of the second file equal to those at an offset of the first. Equal blocks are not
/// written, so that holes stay holes.
fn copy_changes(from: (&File, u64), to: (&File, u64), length: u64) -> Result<()> {
    let (mut wanted, mut present) = (vec![0; BLOCK_SIZE], vec![0; BLOCK_SIZE]);
    for offset in (0..length).step_by(BLOCK_SIZE) {
        let size = BLOCK_SIZE.min(usize::try_from(length - offset)?);
        let (wanted, present) = (&mut wanted[..size], &mut present[..size]);
        from.0.read_exact_at(wanted, from.1 + offset)?;
        to.0.read_exact_at(present, to.1 + offset)?;
        if wanted != present {
            to.0.write_all_at(wanted, to.1 + offset)?;
        }
    }
    Ok(())
}

/// Directory and name of an absolute path. debugfs splits its commands at blanks, so there may be none.
fn split(path: &str) -> Result<(&str, &str)> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    ensure!(path.starts_with('/') && path.bytes().all(plain), "{path:?} is no plain absolute path");
    let (directory, name) = path.rsplit_once('/').context("an absolute path has a slash")?;
    Ok((if directory.is_empty() { "/" } else { directory }, name))
}

fn run(program: &str, arguments: &[&str]) -> Result<Output> {
    // Debian keeps both programs outside of an ordinary user's path.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new(program).args(arguments).env("PATH", path).output();
    output.with_context(|| format!("running {program}, which is in the package e2fsprogs"))
}

/// The lines of debugfs's standard error but its version.
fn error(output: &Output) -> Option<String> {
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("debugfs ")).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).trim().to_owned()
}

/// In bytes.
const BLOCK_SIZE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use boot_slot::layout::{Layout, MIB};
    use boot_slot::mbr::{Kind, Partition};

    use super::*;

    /// A card with nothing but a table and an empty data partition.
    fn empty_card(folder: &Path) -> Result<PathBuf> {
        let card = folder.join("card.img");
        let extent = Layout::new().data(Layout::new().data_start + 32 * MIB)?;
        let mut table = PartitionTable::new(0x1ab5_0001);
        table.set(DATA_PARTITION, Partition { kind: Kind::Linux as u8, active: false, extent })?;
        std::fs::write(&card, table.encode()?)?;
        File::options().write(true).open(&card)?.set_len(extent.end())?;
        let offset = format!("offset={},root_owner=1000:1000", extent.start);
        let path = card.display().to_string();
        let made = run("mke2fs", &["-q", "-F", "-t", "ext4", "-b", "4096", "-E", &offset, &path, "24M"])?;
        ensure!(made.status.success(), "mke2fs: {}", text(&made));
        Ok(card)
    }

    #[test]
    fn files_are_written_replaced_listed_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let card = empty_card(folder.path()).unwrap();
        let data = DataPartition::open(&card).unwrap();
        assert_eq!(data.list("/").unwrap(), ["lost+found"]);
        for content in [&b"first"[..], b"", &[0xff; 100_000]] {
            data.put_file("/journal", content).unwrap();
            assert_eq!(data.read_file("/journal").unwrap(), content);
        }
        assert_eq!(data.list("/").unwrap(), ["journal", "lost+found"]);
        let checked = run("e2fsck", &["-fn", &data.copy_path()]).unwrap();
        assert!(checked.status.success(), "{}", text(&checked));
        let owner = data.stat("/journal").unwrap();
        assert_eq!((owner.user, owner.group), (1000, 1000), "the owner of the directory");
        assert_eq!(DataPartition::open(&card).unwrap().list("/").unwrap(), ["lost+found"], "not saved yet");
        data.save().unwrap();
        assert_eq!(DataPartition::open(&card).unwrap().read_file("/journal").unwrap(), [0xff; 100_000]);
    }

    #[test]
    fn a_journal_from_before_a_power_cut_is_replayed_first() {
        let folder = tempfile::tempdir().unwrap();
        let card = empty_card(folder.path()).unwrap();
        let data = DataPartition::open(&card).unwrap();
        // A transaction in the journal that has not reached its place, which is some free block.
        let block = folder.path().join("block");
        std::fs::write(&block, [0xab; 4096]).unwrap();
        let write = format!("journal_write -b 4000 {}", block.display());
        data.change(&["journal_open".to_owned(), write, "journal_close".to_owned()]).unwrap();
        data.save().unwrap();
        let data = DataPartition::open(&card).unwrap();
        data.put_file("/file", b"new").unwrap();
        data.save().unwrap();
        let data = DataPartition::open(&card).unwrap();
        assert_eq!(data.read_file("/file").unwrap(), b"new");
        let features = data.debugfs(&["-R", "features"]).unwrap();
        assert!(!text(&features).contains("needs_recovery"), "{}", text(&features));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataPartition::open(&empty_card(folder.path()).unwrap()).unwrap();
        for path in ["/none", "/none/below"] {
            assert!(data.read_file(path).is_err(), "{path}");
            assert!(data.list(path).is_err(), "{path}");
        }
        assert!(data.put_file("/none/below", b"x").is_err());
        assert!(data.put_file("relative", b"x").is_err() && data.read_file("/a b").is_err());
        let no_card = folder.path().join("zeros");
        std::fs::write(&no_card, [0; 1024]).unwrap();
        assert!(DataPartition::open(&no_card).is_err());
    }
}
