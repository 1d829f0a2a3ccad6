//! LEDs in `/sys/class/leds` and keys in `/dev/input`, without `unsafe` and without a daemon.
//!
//! * [`Led`] is one LED of the kernel's LED class: switch it on and off.
//! * [`Lamp`] plays blink patterns on any number of them, from a thread of its own.
//! * [`keys`] reads key presses from every input device there is and from those that come later.
//!
//! Nothing here knows what a blink or a key means: that is the caller's business. The places in the file system are
//! arguments, so everything is tested on a plain directory.
//!
//! ```no_run
//! use std::path::Path;
//! use rpi_led::{Lamp, Step, keys};
//!
//! let lamp = Lamp::start(Path::new("/sys/class/leds"), &["ACT"])?;
//! lamp.play(&[Step { lit: true, milliseconds: 200 }, Step { lit: false, milliseconds: 800 }]);
//! for press in keys::watch(Path::new("/dev/input"))? {
//!     println!("{press:?}");
//! }
//! # Ok::<(), rpi_led::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod keys;
mod lamp;
mod led;

pub use lamp::{Lamp, Step};
pub use led::Led;

/// What can go wrong with a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An LED's file in sysfs refused.
    #[error("the LED file {path} cannot be written: {source}")]
    Led {
        /// The file.
        path: std::path::PathBuf,
        /// The kernel's word.
        source: std::io::Error,
    },
    /// The thread that would serve the devices could not be started.
    #[error("no thread can be started to {purpose}: {source}")]
    Thread {
        /// What it would do.
        purpose: &'static str,
        /// The kernel's word.
        source: std::io::Error,
    },
}
