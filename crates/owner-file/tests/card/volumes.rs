//! Volumes made by `fatfs`, and the files on them.

use std::io::{Cursor, Seek, SeekFrom, Write};

pub(crate) use fatfs::FatType;
use fatfs::{Dir, FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use owner_file::{Kept, SETTINGS, TUNNEL};

pub(crate) const KINDS: [FatType; 2] = [FatType::Fat16, FatType::Fat32];
pub(crate) const TOKEN: &str = "Xk3-9Vb_yT7q0LwZsE2mHn5rJc8dAfGu";
pub(crate) const SAMPLE: &str = "# The box's name.\r\ndomain = \"smith.dedyn.io\"\r\n\r\n[dns_provider]\r\n\
    token = \"Xk3-9Vb_yT7q0LwZsE2mHn5rJc8dAfGu\"\r\n";

/// The files whose secrets are kept.
pub(crate) const KEPT: &[Kept<'static>] =
    &[Kept { name: SETTINGS, mask: &mask }, Kept { name: TUNNEL, mask: &mask }];

pub(crate) type Root<'a, 'b> = Dir<'a, &'b mut Cursor<Vec<u8>>>;

/// A volume with clusters of a sector.
pub(crate) fn volume(kind: FatType, fill: impl FnOnce(&Root<'_, '_>)) -> Vec<u8> {
    let size = if kind == FatType::Fat16 { 4 << 20 } else { 34 << 20 };
    let mut bytes = Cursor::new(vec![0; size]);
    format_volume(&mut bytes, FormatVolumeOptions::new().fat_type(kind).bytes_per_cluster(512)).unwrap();
    let system = FileSystem::new(&mut bytes, FsOptions::new()).unwrap();
    write(&system.root_dir(), "bootcode.bin", &[0xeb; 3000]);
    fill(&system.root_dir());
    drop(system);
    bytes.into_inner()
}

/// Appends to a file.
pub(crate) fn write(root: &Root<'_, '_>, name: &str, content: &[u8]) {
    let mut file = root.create_file(name).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(content).unwrap();
}

pub(crate) fn settings(root: &Root<'_, '_>, content: &[u8]) {
    write(root, "hearth.toml", content);
}

pub(crate) fn report(root: &Root<'_, '_>) {
    write(root, "hearth-errors.txt", format!("{:8190}\r\n", "Nothing to report yet.").as_bytes());
}

/// Stands for the mask of the crate `config`: values of `token`.
pub(crate) fn mask(text: &str) -> String {
    let mask_line = |line: &str| match line.split_once("token = \"") {
        Some((before, after)) => {
            let (value, rest) = after.split_once('"').unwrap_or((after, ""));
            format!("{before}token = \"{}\"{rest}", "*".repeat(value.len()))
        }
        None => line.to_owned(),
    };
    text.split('\n').map(mask_line).collect::<Vec<_>>().join("\n")
}
