//! The files of the initramfs. The archive's bytes are `cpio.rs`.

use serde::Serialize;

use crate::compress::{self, Effort};
use crate::cpio::{Archive, Node};
use crate::describe::{Board, Image, Project};
use crate::error::Error;
use crate::modules::Load;
use crate::parts::Parts;

/// `/etc/hearth/build.json`: the version of a running system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Build {
    /// Hearth's version.
    pub version: String,
    /// Unix time in seconds; the box's clock never runs before it.
    pub build_time: u64,
    /// The board's name.
    pub board: String,
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// The first 16 hexadecimal digits of the SHA-256 of all inputs.
    pub build_id: String,
}

/// The archive without `build.json`, which holds the digest of the rest.
pub(crate) fn archive(
    project: &Project,
    image: &Image,
    board: &Board,
    parts: &dyn Parts,
    binary: Vec<u8>,
    data_template: &[u8],
) -> Result<Archive, Error> {
    let mut archive = Archive::default();
    for folder in &image.folders {
        archive.put(folder, Node::Folder);
    }
    // Without it the kernel starts init without standard input and output.
    archive.put("dev/console", Node::Device(5, 1));
    archive.put("sbin/hearth", Node::Program(binary));
    archive.put("init", Node::Link("sbin/hearth".to_owned()));
    for (path, content) in project.root_files()? {
        archive.put(&path, Node::File(content));
    }
    for file in &image.files {
        let content = parts.file(&file.package, &file.from)?;
        archive.put(&file.to, if file.program { Node::Program(content) } else { Node::File(content) });
    }
    for firmware in &board.firmware {
        for name in &firmware.names {
            let content = parts.file(&firmware.package, &format!("{}{name}", firmware.from))?;
            archive.put(&format!("{}{name}", firmware.to), Node::File(content));
        }
    }
    archive.put("etc/ssl/certs/ca-certificates.crt", Node::File(parts.certificate_roots()?));
    put_modules(&mut archive, parts, board)?;
    let template = compress::gzip("the data file system", data_template, Effort::Full)?;
    archive.put("usr/share/hearth/data.ext4.gz", Node::File(template));
    Ok(archive)
}

/// Adds `build.json`.
pub(crate) fn put_build(archive: &mut Archive, build: &Build) -> Result<(), Error> {
    let mut text =
        serde_json::to_vec_pretty(build).map_err(|source| Error::Json { what: "build.json", source })?;
    text.push(b'\n');
    archive.put("etc/hearth/build.json", Node::File(text));
    Ok(())
}

/// Modules lie flat and uncompressed (the archive as a whole compresses better), with the order of loading beside them:
/// `order` at every start, `order.tunnel` before a tunnel is made, `order.wifi` once Wi-Fi has been set up, one file name a
/// line. A module is in one list only: no module of a tunnel and of Wi-Fi may have need of the same one.
fn put_modules(archive: &mut Archive, parts: &dyn Parts, board: &Board) -> Result<(), Error> {
    let (mut at_start, mut for_tunnel, mut for_wifi) = (String::new(), String::new(), String::new());
    for module in parts.modules(&board.modules)? {
        let order = match module.load {
            Load::Boot => &mut at_start,
            Load::Tunnel => &mut for_tunnel,
            Load::Wifi => &mut for_wifi,
        };
        order.push_str(&module.name);
        order.push_str(".ko\n");
        archive.put(&format!("lib/modules/{}.ko", module.name), Node::File(module.bytes));
    }
    archive.put("lib/modules/order", Node::File(at_start.into_bytes()));
    archive.put("lib/modules/order.tunnel", Node::File(for_tunnel.into_bytes()));
    archive.put("lib/modules/order.wifi", Node::File(for_wifi.into_bytes()));
    Ok(())
}
