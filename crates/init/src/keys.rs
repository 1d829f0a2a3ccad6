//! Which keys are the button. Every key of every device is, except the power key; several at once count as one.

use std::collections::BTreeSet;

use rpi_led::keys::{KEY_POWER, KeyEvent, Motion};

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The button went down.
    Pressed,
    /// The button came up.
    Released,
    /// The box shall switch itself off.
    PowerOff,
}

/// The keys that are down; together they are one button.
#[derive(Debug, Default)]
pub(super) struct KeyMap {
    held: BTreeSet<u16>,
}

impl KeyMap {
    /// What this key's motion means, if anything.
    pub(super) fn handle(&mut self, event: KeyEvent) -> Option<Meaning> {
        match (event.code, event.motion) {
            (KEY_POWER, Motion::Down) => Some(Meaning::PowerOff),
            (KEY_POWER, Motion::Up) => None,
            (code, Motion::Down) => {
                let first = self.held.is_empty();
                self.held.insert(code);
                first.then_some(Meaning::Pressed)
            }
            (code, Motion::Up) => {
                let was_held = self.held.remove(&code);
                (was_held && self.held.is_empty()).then_some(Meaning::Released)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rpi_led::keys::{KEY_POWER, KEY_RESTART, KeyEvent, Motion};

    use super::{KeyMap, Meaning};

    #[test]
    fn several_keys_are_one_button() {
        use Motion::{Down, Up};
        let mut keys = KeyMap::default();
        let story = [
            (KEY_RESTART, Up, None),
            (KEY_RESTART, Down, Some(Meaning::Pressed)),
            (59, Down, None),
            (KEY_RESTART, Up, None),
            (59, Up, Some(Meaning::Released)),
            (KEY_POWER, Down, Some(Meaning::PowerOff)),
            (KEY_POWER, Up, None),
            (59, Down, Some(Meaning::Pressed)),
        ];
        for (code, motion, meaning) in story {
            assert_eq!(keys.handle(KeyEvent { code, motion }), meaning, "{code} {motion:?}");
        }
    }
}
