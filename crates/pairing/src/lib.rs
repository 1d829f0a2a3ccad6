//! Button presses and time in; LED state, pairing window and QR text out.
//!
//! Pure: no device, no clock, no store. `hearth` feeds it and carries out what it says.
#![forbid(unsafe_code)]

mod led;

pub use led::LedState;
