//! LEDs in `/sys/class/leds` and keys in `/dev/input`, without `unsafe` and without a daemon.
//!
//! * [`Led`] is one LED of the kernel's LED class, switched on and off.
//! * [`Lamp`] plays blink patterns on any number of them, from a thread of its own.
//! * [`keys`] reads key presses from all input devices, present and future.
//!
//! The meaning of blinks and keys is the caller's business. The directories of sysfs and `/dev` are arguments, so that a
//! test can give a plain directory.
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

/// A failed operation on a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A write to an LED's file in sysfs failed.
    #[error("the LED file {path} cannot be written: {source}")]
    Led {
        /// The file.
        path: std::path::PathBuf,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The thread that serves the devices could not be started.
    #[error("no thread can be started to {purpose}: {source}")]
    Thread {
        /// The thread's task, an infinitive.
        purpose: &'static str,
        /// The kernel's error.
        source: std::io::Error,
    },
}
