//! Boots Hearth images in QEMU, stands in for the Pi's firmware, presses the button, watches the LED, cuts the power.
//!
//! The lab knows the outside of a box and nothing of its inside: it reads the card as firmware and U-Boot do, and sees a
//! serial console, GPIO lines and network ports. One guest runs at a time; every wait has a limit; QEMU never outlives
//! the guest, however the lab ends.
//!
//! ```no_run
//! use std::time::Duration;
//! use lab::{Guest, Machine};
//!
//! let mut guest = Guest::builder("target/image/hearth-rpi.img").machine(Machine::Virt).start()?;
//! guest.wait_for("hearth: ready", Duration::from_secs(240))?;
//! guest.press(Duration::from_millis(300))?;
//! let link = guest.wait_for_pairing_link(None, Duration::from_secs(120))?;
//! guest.cut_power();
//! guest.power_on()?;
//! # Ok::<(), lab::Error>(())
//! ```
#![forbid(unsafe_code)]

mod card;
mod clock;
mod console;
mod error;
mod firmware;
mod gpio_lines;
mod guest;
mod lab_lock;
mod led;
mod link;
mod machine;
mod process;
mod qmp;
mod qtest;
mod run;
mod sockets;
mod tools;

pub use console::{Line, Mark};
pub use error::{Error, Result};
pub use firmware::Model;
pub use guest::{Guest, GuestBuilder, HostCache, Snapshots};
pub use led::{Edge, Level, Pattern};
pub use machine::Machine;
pub use run::Outside;
