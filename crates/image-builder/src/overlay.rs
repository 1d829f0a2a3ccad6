//! Compiles device tree overlays with the host's `dtc`. The Pi's firmware and the lab apply them.

use crate::tool::{self, DTC};

/// The device tree blob of an overlay's source.
pub fn compile(name: &str, source: &str) -> Result<Vec<u8>, tool::Error> {
    DTC.run(
        &format!("compile the overlay {name}"),
        &["-q", "-@", "-I", "dts", "-O", "dtb", "-o", "-", "-"],
        &[],
        source.as_bytes(),
    )
}
