//! Button presses and time in; LED state, pairing window, links and QR codes out.
//!
//! Pure: no device, no clock, no store, no entropy. `hearth init` runs the [`Button`], `hearth serve` the
//! [`PairingWindow`]; the words and pictures a person sees are made here too, so that screen, web page and terminal
//! agree.
#![forbid(unsafe_code)]

mod button;
mod layout;
mod led;
mod link;
mod qr;
mod screen;
mod window;
mod wrap;

pub use button::{Button, COUNTDOWN, Gesture, SHORT_PRESS};
pub use layout::{ScreenSize, status_lines, text_lines};
pub use led::{LedState, Step};
pub use link::{CertificateCheck, Endpoint, login_link};
pub use qr::{QrError, half_blocks, svg};
pub use screen::{DisplayStatus, PAIRING_LINK_LABEL, PairingCode, screen};
pub use window::{Input, OPEN_FOR, Output, PairingWindow, WindowEnd};
