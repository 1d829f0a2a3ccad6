//! The one table of what the LED says; the README repeats it in words.

use serde::{Deserialize, Serialize};

/// What the box is doing, as far as its LED can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedState {
    /// The system starts.
    Booting,
    /// Waiting for an address from the router.
    WaitingForNetwork,
    /// Everything works.
    Ready,
    /// The pairing window is open: scan the QR code.
    PairingOpen,
    /// An account was created just now.
    AccountCreated,
    /// Something is wrong; the screen and the log say what.
    NeedsAttention,
    /// An update is being written: do not unplug.
    UpdateRunning,
    /// The button is being held: let go, or everything is erased.
    ResetCountdown,
}
