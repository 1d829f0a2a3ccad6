//! Boxes in the lab: where the images are, how long things may take, and what the box's own words are.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::{Guest, GuestBuilder, Level, Machine, Pattern};
use pairing::LedState;

/// For anything an emulated box does by itself; generous, because the host may be busy with other things.
pub const LIMIT: Duration = Duration::from_secs(300);
/// For a boot through U-Boot, which reads the card at a snail's pace.
pub const UBOOT_LIMIT: Duration = Duration::from_secs(900);
/// A finger's short press.
pub const PRESS: Duration = Duration::from_millis(400);

/// A guest with the image for all Pis, and its console kept in `target/lab/NAME.console.log`.
pub fn pi_image(machine: Machine, name: &str) -> Result<GuestBuilder> {
    image("HEARTH_IMAGE_RPI", "hearth-rpi.img", machine, name)
}

/// The same with the image that is for QEMU's machine only.
pub fn virt_image(name: &str) -> Result<GuestBuilder> {
    image("HEARTH_IMAGE_VIRT", "hearth-qemu-virt.img", Machine::Virt, name)
}

fn image(variable: &str, file: &str, machine: Machine, name: &str) -> Result<GuestBuilder> {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target");
    let image = std::env::var_os(variable).map_or_else(|| target.join("image").join(file), PathBuf::from);
    let board = file.trim_start_matches("hearth-").trim_end_matches(".img");
    ensure!(
        image.exists(),
        "there is no image at {}: build it with `scripts/image --board {board}`, or set {variable}",
        image.display()
    );
    let log = target.join("lab").join(format!("{name}.console.log"));
    Ok(Guest::builder(image).machine(machine).console_log(log))
}

/// The rhythm of a state, as the lab sees it at the LED's line.
#[must_use]
pub fn rhythm(state: LedState) -> Pattern {
    let level = |lit| if lit { Level::High } else { Level::Low };
    Pattern::new(state.pattern().iter().map(|step| (level(step.lit), step.milliseconds)))
}

/// Waits until the box says that it is ready; gives the guest's seconds since its kernel started.
pub fn ready(guest: &Guest, limit: Duration) -> Result<f64> {
    number_after(guest, "hearth: ready after ", limit)
}

/// Waits for a line of the console and gives the number behind `words`.
pub fn number_after(guest: &Guest, words: &str, limit: Duration) -> Result<f64> {
    let line = guest.wait_for(words, limit)?;
    let rest = line.text.split(words).nth(1).unwrap_or_default();
    let number = rest.split(' ').next().unwrap_or_default();
    number.parse().with_context(|| format!("a number in {:?}", line.text))
}

/// Whether the console of this boot has shown `words`.
#[must_use]
pub fn has_said(guest: &Guest, words: &str) -> bool {
    guest.lines().iter().any(|line| line.text.contains(words))
}
