//! Board and image description in, SD-card image out: the steps, each usable and tested on its own.
//! The program is `main.rs`; nothing here parses a command line or prints.
//!
//! ```text
//!  describe (board/, image/)     parts (Debian's packages)     hearth (static binary)
//!            \                        |                         /
//!             initramfs -> cpio -> zstd                        /
//!             boot, slot -> fat   ext4   uboot   overlay      /
//!                        \          |                        /
//!                         assemble ------> output (.img, .img.xz)
//!                                             |
//!                                        card, inspect, flash
//! ```

pub mod assemble;
pub mod binary;
mod boot;
pub mod card;
pub mod compress;
pub mod cpio;
pub mod debian;
pub mod describe;
pub mod digest;
mod error;
pub mod ext4;
pub mod fat;
pub mod flash;
pub mod initramfs;
pub mod modules;
pub mod output;
pub mod overlay;
pub mod parts;
mod pending_file;
pub mod progress;
pub mod slot;
pub mod tool;
pub mod uboot;

pub use error::Error;
