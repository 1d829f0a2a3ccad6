//! A card in its owner's computer: the files of its FAT partition by mtools, and its check by dosfstools.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, copy};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use boot_slot::layout::Layout;

/// The owner's settings.
pub const SETTINGS: &str = "hearth.toml";
/// The owner's tunnel.
pub const TUNNEL: &str = "wireguard.conf";
/// The answer to both.
pub const REPORT: &str = "hearth-errors.txt";

/// The text of a file on the card.
pub fn read(card: &Path, name: &str) -> Result<String> {
    run(Command::new("mtype").arg("-i").arg(image(card)).arg(format!("::{name}")))
}

/// Saves a file on the card, as a computer does: in other clusters than the one before.
pub fn save(card: &Path, name: &str, text: &str) -> Result<()> {
    let own = tempfile::NamedTempFile::new()?;
    std::fs::write(own.path(), text)?;
    let mut copy = Command::new("mcopy");
    copy.args(["-o", "-i"]).arg(image(card)).arg(own.path()).arg(format!("::{name}"));
    run(&mut copy).map(drop)
}

/// Finds nothing wrong with the partition's file system (`fsck.vfat -n`).
pub fn is_sound(card: &Path) -> Result<()> {
    let own = tempfile::NamedTempFile::new()?;
    copy(&mut partition(card)?, &mut own.as_file())?;
    run(Command::new("fsck.vfat").arg("-n").arg(own.path())).map(drop)
}

/// Whether these bytes are anywhere on the partition.
pub fn holds(card: &Path, words: &str) -> Result<bool> {
    let mut bytes = Vec::new();
    partition(card)?.read_to_end(&mut bytes)?;
    Ok(bytes.windows(words.len()).any(|part| part == words.as_bytes()))
}

fn partition(card: &Path) -> Result<impl Read> {
    let boot = Layout::new().boot;
    let mut file = File::open(card)?;
    file.seek(SeekFrom::Start(boot.start))?;
    Ok(file.take(boot.length))
}

/// The partition, as mtools take it.
fn image(card: &Path) -> String {
    format!("{}@@{}", card.display(), Layout::new().boot.start)
}

fn run(command: &mut Command) -> Result<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = command.env("PATH", format!("{path}:/usr/sbin:/sbin")).output();
    let output = output.with_context(|| format!("{command:?}; scripts/prepare test installs it"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}{complaint}");
    Ok(said)
}
