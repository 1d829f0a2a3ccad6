//! The table of LED states and their patterns; the README repeats it in words.

use serde::{Deserialize, Serialize};

/// The state of the box that its LED shows.
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

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// True: the LED is lit; false: it is dark.
    pub lit: bool,
    /// The duration in milliseconds; a pattern of one step is steady.
    pub milliseconds: u64,
}

const fn lit(milliseconds: u64) -> Step {
    Step { lit: true, milliseconds }
}

const fn dark(milliseconds: u64) -> Step {
    Step { lit: false, milliseconds }
}

impl LedState {
    /// All states, in the order of the table in the README.
    pub const ALL: [Self; 8] = [
        Self::Booting,
        Self::WaitingForNetwork,
        Self::Ready,
        Self::PairingOpen,
        Self::AccountCreated,
        Self::NeedsAttention,
        Self::UpdateRunning,
        Self::ResetCountdown,
    ];

    /// The steps of the LED, repeated without end.
    #[must_use]
    pub fn pattern(self) -> &'static [Step] {
        match self {
            Self::Booting => const { &[lit(500), dark(500)] },
            Self::WaitingForNetwork => const { &[lit(100), dark(1900)] },
            Self::Ready => const { &[lit(1000)] },
            Self::PairingOpen => const { &[lit(200), dark(200)] },
            Self::AccountCreated => const { &[lit(80), dark(80), lit(80), dark(80), lit(80), dark(600)] },
            Self::NeedsAttention => const { &[lit(150), dark(150), lit(150), dark(1550)] },
            Self::UpdateRunning => const { &[lit(900), dark(100)] },
            Self::ResetCountdown => const { &[lit(50), dark(50)] },
        }
    }

    /// The state in words, the same on screen, web page and README.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Booting => "starting",
            Self::WaitingForNetwork => "waiting for the router",
            Self::Ready => "ready",
            Self::PairingOpen => "pairing: scan the code",
            Self::AccountCreated => "account created",
            Self::NeedsAttention => "needs attention",
            Self::UpdateRunning => "updating: do not unplug",
            Self::ResetCountdown => "about to erase everything: let go of the button to keep it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LedState;

    #[test]
    fn no_two_states_look_alike() {
        let mut patterns: Vec<_> =
            LedState::ALL.iter().map(|state| format!("{:?}", state.pattern())).collect();
        patterns.sort();
        patterns.dedup();
        assert_eq!(patterns.len(), LedState::ALL.len());
    }
}
