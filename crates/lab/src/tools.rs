//! The host's programs that the lab runs to an end: QEMU once, for its device tree, and the device-tree compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result, file};

/// The emulator.
pub(crate) const QEMU: &str = "qemu-system-aarch64";

/// Runs a program to its end and gives its standard output.
pub(crate) fn run<A: AsRef<std::ffi::OsStr>>(
    tool: &str,
    doing: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Vec<u8>> {
    let output = Command::new(tool).args(arguments).output();
    let output = output.map_err(|source| Error::ToolMissing { tool: tool.into(), source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::ToolFailed { tool: tool.into(), doing: doing.into(), stderr })
}

/// Applies `overlays` to the tree at `base`; the result is `folder/tree.dtb`.
pub(crate) fn apply_overlays(folder: &Path, base: &Path, overlays: &[PathBuf]) -> Result<PathBuf> {
    let tree = folder.join("tree.dtb");
    let mut arguments = vec!["-i".as_ref(), base.as_os_str(), "-o".as_ref(), tree.as_os_str()];
    arguments.extend(overlays.iter().map(|overlay| overlay.as_os_str()));
    run("fdtoverlay", "adding the LED and the button to the device tree", arguments)?;
    Ok(tree)
}

/// The device tree of QEMU's `virt` with our LED and button.
pub(crate) fn virt_tree(folder: &Path, machine: &[String]) -> Result<PathBuf> {
    let (plain, source, overlay) =
        (folder.join("plain.dtb"), folder.join("virt.dtso"), folder.join("virt.dtbo"));
    let mut arguments = machine.to_vec();
    arguments.extend(["-M".into(), format!("dumpdtb={}", plain.display())]);
    arguments.extend(["-nic", "none", "-display", "none"].map(String::from));
    run(QEMU, "asking for the device tree of its virt machine", &arguments)?;
    let handle =
        ["-t".as_ref(), "x".as_ref(), plain.as_os_str(), "/pl061@9030000".as_ref(), "phandle".as_ref()];
    let handle = run("fdtget", "finding the GPIO chip in QEMU's device tree", handle)?;
    let handle = format!("0x{}", String::from_utf8_lossy(&handle).trim());
    let text = include_str!("virt.dtso").replace("CHIP", &handle);
    std::fs::write(&source, text).map_err(file("writing", &source))?;
    let compile = ["-q", "-@", "-I", "dts", "-O", "dtb", "-o"].map(std::ffi::OsStr::new);
    run(
        "dtc",
        "compiling the overlay of the virt machine",
        compile.into_iter().chain([overlay.as_os_str(), source.as_os_str()]),
    )?;
    apply_overlays(folder, &plain, &[overlay])
}
