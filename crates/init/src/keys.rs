//! The mapping of keys to the button: every key of every device is the button, except the power key; several keys at
//! once count as one.

use std::collections::BTreeSet;

use rpi_led::keys::{KEY_POWER, KeyEvent, Motion};

/// An event of the button or of the power key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ButtonEvent {
    /// The button went down.
    Pressed,
    /// The button came up.
    Released,
    /// The power key went down.
    PowerOff,
}

/// The keys that are down; together they are one button.
#[derive(Debug, Default)]
pub(super) struct KeyMap {
    held: BTreeSet<u16>,
}

impl KeyMap {
    /// The event of this key's motion, if it is one.
    pub(super) fn handle(&mut self, event: KeyEvent) -> Option<ButtonEvent> {
        match (event.code, event.motion) {
            (KEY_POWER, Motion::Down) => Some(ButtonEvent::PowerOff),
            (KEY_POWER, Motion::Up) => None,
            (code, Motion::Down) => {
                let first = self.held.is_empty();
                self.held.insert(code);
                first.then_some(ButtonEvent::Pressed)
            }
            (code, Motion::Up) => {
                let was_held = self.held.remove(&code);
                (was_held && self.held.is_empty()).then_some(ButtonEvent::Released)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rpi_led::keys::{KEY_POWER, KEY_RESTART, KeyEvent, Motion};

    use super::{ButtonEvent, KeyMap};

    #[test]
    fn several_keys_are_one_button() {
        use Motion::{Down, Up};
        let mut keys = KeyMap::default();
        let story = [
            (KEY_RESTART, Up, None),
            (KEY_RESTART, Down, Some(ButtonEvent::Pressed)),
            (59, Down, None),
            (KEY_RESTART, Up, None),
            (59, Up, Some(ButtonEvent::Released)),
            (KEY_POWER, Down, Some(ButtonEvent::PowerOff)),
            (KEY_POWER, Up, None),
            (59, Down, Some(ButtonEvent::Pressed)),
        ];
        for (code, motion, expected) in story {
            assert_eq!(keys.handle(KeyEvent { code, motion }), expected, "{code} {motion:?}");
        }
    }
}
