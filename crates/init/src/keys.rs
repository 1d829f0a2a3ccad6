//! The mapping of keys to the button: every key of every device is the button, except the power key; several keys at
//! once count as one.
//!
//! Motions from before the start of the event loop are dropped: the check of the data partition alone may take half an
//! hour, in which no warning can answer a press. A key that is still down at the start is not the button until it has
//! been let go and pressed again. Counting it from the start would be the other choice, but the key may be stuck, or lie
//! under a book, and one more press costs less than a reset.

use std::collections::BTreeSet;
use std::time::Duration;

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
#[derive(Debug)]
pub(super) struct KeyMap {
    /// The start of the event loop, since the start of the machine.
    start: Duration,
    held: BTreeSet<u16>,
}

impl KeyMap {
    /// A map that drops motions from before `start`.
    pub(super) fn new(start: Duration) -> Self {
        Self { start, held: BTreeSet::new() }
    }

    /// The event of this key's motion, which happened `at`, if it is one.
    pub(super) fn handle(&mut self, event: KeyEvent, at: Duration) -> Option<ButtonEvent> {
        if at < self.start {
            return None;
        }
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
    use std::time::Duration;

    use rpi_led::keys::{KEY_POWER, KEY_RESTART, KeyEvent, Motion};

    use super::{ButtonEvent, KeyMap};

    #[test]
    fn several_keys_are_one_button() {
        use Motion::{Down, Up};
        let mut keys = KeyMap::new(Duration::ZERO);
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
            let event = KeyEvent { code, motion };
            assert_eq!(keys.handle(event, Duration::from_secs(1)), expected, "{code} {motion:?}");
        }
    }
    #[test]
    fn motions_from_before_the_start_are_dropped_and_a_key_held_since_then_is_not_the_button() {
        use Motion::{Down, Up};
        let mut keys = KeyMap::new(Duration::from_secs(60));
        let story = [
            (KEY_RESTART, Down, 5, None),
            (KEY_RESTART, Up, 17, None),
            (KEY_POWER, Down, 20, None),
            (KEY_RESTART, Down, 59, None),
            (KEY_RESTART, Up, 80, None),
            (KEY_RESTART, Down, 81, Some(ButtonEvent::Pressed)),
        ];
        for (code, motion, at, expected) in story {
            let event = KeyEvent { code, motion };
            assert_eq!(keys.handle(event, Duration::from_secs(at)), expected, "at {at} s");
        }
    }
}
