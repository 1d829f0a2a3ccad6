//! Boots images in QEMU, plays the Pi firmware, presses the button, watches the LED, cuts the power.
fn main() {}
