//! Board and image description in, SD-card image out: the parts, each usable and tested on its own.
//! The program around them is `main.rs`; nothing here parses a command line or prints.

pub mod cpio;
pub mod ext4;
pub mod fat;
pub mod overlay;
pub mod tool;
pub mod uboot;
