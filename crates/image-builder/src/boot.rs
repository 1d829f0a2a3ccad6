//! The boot partition: the files for the Pi's firmware and for U-Boot, and the place of the owner's settings file. Updates
//! never write here.

use std::collections::BTreeMap;

use boot_slot::Extent;

use crate::describe::{Board, Image, Project};
use crate::error::Error;
use crate::fat::{Kind, VolumeSpec};
use crate::parts::Parts;
use crate::{overlay, uboot};

/// The files of the boot partition by path.
pub(crate) fn files(
    project: &Project,
    image: &Image,
    board: &Board,
    parts: &dyn Parts,
    time: u64,
) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let folder = format!("board/{}", board.name);
    let mut files = BTreeMap::new();
    files.insert("cmdline.txt".to_owned(), format!("{}\n", board.command_line(image)).into_bytes());
    for name in &board.boot.files {
        files.insert(name.clone(), project.bytes(&format!("{folder}/{name}"))?);
    }
    for group in &board.boot.packages {
        for name in &group.names {
            let content = parts.file(&group.package, &format!("{}{name}", group.from))?;
            files.insert(format!("{}{name}", group.to), content);
        }
    }
    for name in &board.boot.device_trees {
        let file = name.rsplit('/').next().unwrap_or(name);
        files.insert(file.to_owned(), parts.device_tree(name)?);
    }
    for name in &board.boot.overlays {
        let source = project.text(&format!("{folder}/overlays/{name}.dtso"))?;
        files.insert(format!("overlays/{name}.dtbo"), overlay::compile(name, &source)?);
    }
    if board.boot.u_boot {
        let script = project.text("image/u-boot/boot.cmd")?;
        let time = u32::try_from(time).unwrap_or(u32::MAX);
        files.insert("boot.scr".to_owned(), uboot::compile_script(&script, "Hearth", time));
        let environment = project.text("image/u-boot/environment.txt")?;
        files.insert("uboot.env".to_owned(), uboot::compile_environment(&environment)?);
    }
    for name in ["hearth.toml", "wireguard.conf"] {
        let sample = project.text(&format!("image/owner/{name}"))?;
        files.insert(name.to_owned(), with_windows_line_ends(&sample));
    }
    files.insert("hearth-errors.txt".to_owned(), empty_report());
    // The licences of firmware and free software alike ask that their texts travel along.
    for (package, text) in parts.licences()? {
        files.insert(format!("licences/{package}.txt"), text);
    }
    Ok(files)
}

/// The owner edits the text on any computer, and old versions of Notepad show no other line ends.
fn with_windows_line_ends(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// The place for the box's report about the owner's file. It keeps its size for ever: the box only overwrites bytes, so that
/// a power cut cannot damage the file system.
fn empty_report() -> Vec<u8> {
    const SIZE: usize = 8 << 10;
    format!("{:width$}\r\n", "Nothing to report yet.", width = SIZE - 2).into_bytes()
}

/// The volume up to its last used byte.
pub(crate) fn write(
    files: &BTreeMap<String, Vec<u8>>,
    extent: Extent,
    serial: u32,
    time: u64,
) -> Result<Vec<u8>, Error> {
    // FAT32 of 40 MiB needs clusters of one sector to have as many as FAT32 must have.
    let spec = VolumeSpec {
        kind: Kind::Fat32,
        size: extent.length,
        cluster: 512,
        label: "HEARTH".to_owned(),
        serial,
        partition_start: extent.start,
        time,
    };
    Ok(spec.write(files)?)
}
