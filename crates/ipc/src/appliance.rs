//! The messages between `hearth init` and `hearth serve` on the box: one JSON object a line, over two pipes.
//!
//! `init` starts `hearth serve --appliance` with the server's standard input and output as the two pipes; the server's
//! standard error is its log. Init owns the devices (LED, button, screen, network) and knows nothing of mail; the
//! server owns the mail and sees no device. A line longer than [`LINE_LIMIT`] or one that does not parse is logged and
//! dropped by the reader: neither side can stop the other by malformed lines.
//!
//! The server asks for nothing but LED and screen. Reboot and factory reset are no messages: init decides on them
//! from the button alone, so that a server that has been taken over cannot erase the box.

use std::net::IpAddr;

use pairing::LedState;
use serde::{Deserialize, Serialize};

/// The longest line either side may send, in bytes.
pub const LINE_LIMIT: usize = 16 * 1024;

/// From `init` to `serve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ToServe {
    /// The button was pressed shortly: open the pairing window.
    OpenPairingWindow,
    /// The box's own addresses changed; link-local ones are not listed.
    Addresses(Vec<IpAddr>),
    /// Finish what is running and exit with status 0.
    Stop,
}

/// From `serve` to `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ToInit {
    /// All listeners are up and the store is open: the server works. Sent once after the start.
    Ready,
    /// Still working: sent every few seconds; init feeds the watchdog only while these arrive.
    Healthy,
    /// The state of the LED from now on.
    Led(LedState),
    /// The text of the screens from now on: the box's status and, while the window is open, the QR code.
    Screen(String),
}
