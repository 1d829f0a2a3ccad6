//! The boot state: two slots, their try counters, and a trial. `image/u-boot/boot.cmd` follows the same rules on the
//! card before Linux runs; [`choose`] is its twin, and a test keeps the keys of both equal.
//!
//! Rules:
//! * Copy 1 is in force if its checksum is right, otherwise copy 2, otherwise the state of a fresh card.
//! * The first slot of ORDER boots while it has tries left; during a trial each boot takes one try away first.
//! * Without tries left the other slot boots. A try that cannot be written down is not taken.
//! * Writers write copy 2, flush, then copy 1, flush: a power cut in between leaves the old state in force.
//!
//! ```text
//!  settled(A) --begin_trial(B)--> order B A, trial, B has 3 tries
//!       ^                               |  each boot: one try less
//!       |                               +--settle(B): healthy ------> settled(B)
//!       +------settle(A)----- B used up its tries, A runs again
//! ```

use serde::{Deserialize, Serialize};

use crate::{Environment, Error};

/// Boots of a new slot before the old one comes back.
pub const TRIES: u8 = 3;

/// One of the two partitions for an operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Slot {
    /// Partition 2.
    A,
    /// Partition 3.
    B,
}

impl Slot {
    /// The other slot.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The letter, as in `hearth.slot=A` on the kernel's command line.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.letter())
    }
}

impl std::str::FromStr for Slot {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "A" | "a" => Ok(Self::A),
            "B" | "b" => Ok(Self::B),
            _ => Err(Error::NotASlot(text.to_owned())),
        }
    }
}

/// Whether the first slot is on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trial {
    /// The first slot is confirmed.
    Settled,
    /// The first slot is new: each boot costs a try.
    Running,
}

/// The content of a boot state block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootState {
    /// The slot to boot while it has tries left; the other one is the fallback.
    pub first: Slot,
    /// Tries left of slot A; zero also means that nothing bootable is in it.
    pub a_left: u8,
    /// Tries left of slot B.
    pub b_left: u8,
    /// Whether `first` is on trial.
    pub trial: Trial,
}

/// The standing of a booted system according to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// No trial is running.
    Settled,
    /// This system is on trial and should settle once it has proven healthy.
    OnTrial {
        /// Boots that remain after this one.
        left: u8,
    },
    /// The other slot used up its tries.
    FellBack {
        /// The slot that failed.
        failed: Slot,
    },
}

impl BootState {
    /// The state of a freshly written card: slot A holds a system, slot B nothing.
    #[must_use]
    pub const fn fresh() -> Self {
        Self::settled(Slot::A, 0)
    }

    /// Tries left of a slot.
    #[must_use]
    pub const fn left(&self, slot: Slot) -> u8 {
        match slot {
            Slot::A => self.a_left,
            Slot::B => self.b_left,
        }
    }

    /// The state to write **before** the first byte of a new system goes into `target`: it cannot boot half-written.
    /// The running slot must be settled, or there would be no way back.
    #[must_use]
    pub const fn prepare_target(self, target: Slot) -> Self {
        Self::settled(target.other(), 0)
    }

    /// The state to write after `target` has been written and read back.
    #[must_use]
    pub const fn begin_trial(self, target: Slot) -> Self {
        Self { first: target, a_left: TRIES, b_left: TRIES, trial: Trial::Running }
    }

    /// The state to write when the system in `running` is to stay: a trial passed, or the other slot failed.
    #[must_use]
    pub const fn settle(self, running: Slot) -> Self {
        // After a passed trial the old system stays bootable; after a failed one the new system is not tried again.
        let other_left = if matches!(self.trial, Trial::Running) && self.first as u8 != running as u8 {
            0
        } else {
            self.left(running.other())
        };
        Self::settled(running, other_left)
    }

    /// The standing of the system that was booted from `running`.
    #[must_use]
    pub fn standing(&self, running: Slot) -> Standing {
        match self.trial {
            _ if self.first != running => Standing::FellBack { failed: self.first },
            Trial::Running => Standing::OnTrial { left: self.left(running) },
            Trial::Settled => Standing::Settled,
        }
    }

    /// The slot that boots next, and the state to write before it does.
    #[must_use]
    pub const fn choose(self) -> Choice {
        let second = self.first.other();
        let left = self.left(self.first);
        match self.trial {
            Trial::Running if left > 0 => {
                Choice { slot: self.first, write_first: Some(self.with_left(self.first, left - 1)) }
            }
            Trial::Settled if left > 0 || self.left(second) == 0 => {
                Choice { slot: self.first, write_first: None }
            }
            Trial::Running | Trial::Settled => Choice { slot: second, write_first: None },
        }
    }

    /// The bytes of a block with this state.
    ///
    /// # Errors
    ///
    /// Those of [`Environment`], none of which this content causes.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut environment = Environment::default();
        environment.set("FORMAT", "1")?;
        environment.set("ORDER", if matches!(self.first, Slot::A) { "A B" } else { "B A" })?;
        environment.set("A_LEFT", &self.a_left.to_string())?;
        environment.set("B_LEFT", &self.b_left.to_string())?;
        environment.set("TRIAL", if matches!(self.trial, Trial::Running) { "1" } else { "0" })?;
        environment.encode()
    }

    /// Parses a block as the boot script does: with a right checksum every content is a bootable state, so that a later
    /// version's additions never stop a card from booting.
    ///
    /// # Errors
    ///
    /// Those of [`Environment::decode`].
    pub fn decode(block: &[u8]) -> Result<Self, Error> {
        let environment = Environment::decode(block)?;
        let left = |key| match environment.value(key) {
            Some("1") => 1,
            Some("2") => 2,
            Some("3") => 3,
            _ => 0,
        };
        Ok(Self {
            first: if environment.value("ORDER") == Some("B A") { Slot::B } else { Slot::A },
            a_left: left("A_LEFT"),
            b_left: left("B_LEFT"),
            trial: if environment.value("TRIAL") == Some("1") { Trial::Running } else { Trial::Settled },
        })
    }

    /// The state in force, given both copies as read from the card.
    #[must_use]
    pub fn in_force(copy_1: &[u8], copy_2: &[u8]) -> Self {
        Self::decode(copy_1).or_else(|_| Self::decode(copy_2)).unwrap_or_else(|_| Self::fresh())
    }

    const fn settled(first: Slot, other_left: u8) -> Self {
        let state = Self { first, a_left: other_left, b_left: other_left, trial: Trial::Settled };
        state.with_left(first, TRIES)
    }

    const fn with_left(self, slot: Slot, left: u8) -> Self {
        match slot {
            Slot::A => Self { a_left: left, ..self },
            Slot::B => Self { b_left: left, ..self },
        }
    }
}

/// The boot script's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The slot to boot.
    pub slot: Slot,
    /// The state to write to both copies before the boot; if that fails, the other slot boots instead.
    pub write_first: Option<BootState>,
}

/// The boot script's decision from the two copies on the card.
#[must_use]
pub fn choose(copy_1: &[u8], copy_2: &[u8]) -> Choice {
    BootState::in_force(copy_1, copy_2).choose()
}
