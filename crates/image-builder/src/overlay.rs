//! Compiles our device tree overlays with the host's `dtc`. Applying them is the Pi firmware's work, and the lab's.

use crate::tool::{self, DTC};

/// The overlay blob of an overlay source.
pub fn compile(name: &str, source: &str) -> Result<Vec<u8>, tool::Error> {
    DTC.run(
        &format!("compile the overlay {name}"),
        &["-q", "-@", "-I", "dts", "-O", "dtb", "-o", "-", "-"],
        &[],
        source.as_bytes(),
    )
}
