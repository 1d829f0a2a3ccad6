//! The button: how long it is held decides between the pairing window and the factory reset.
//!
//! ```text
//!  pressed          1.5 s                                 10 s
//!     |---------------|------------------------------------|------------------------>
//!       let go: short   countdown: LED and screen warn;      factory reset, once;
//!       press           let go: nothing has happened         letting go changes nothing
//! ```
//!
//! [`Button`] is pure and runs in `hearth init`, which owns the keys, the LED and the data partition: a box can be
//! reset while its server does not run, and no other process can ask for a reset.
//!
//! Contact bounce is not its concern. The button of a Pi is a `gpio-keys-polled` device (`board/rpi/overlays`): the
//! kernel reads the line every 20 ms and ignores it for one `debounce-interval` (20 ms) after each change. A bounce that
//! came through all the same would end the press early, and so could only prevent a reset.

use std::time::Duration;

/// The longest press that opens the pairing window; a longer one is a countdown to the factory reset.
pub const SHORT_PRESS: Duration = Duration::from_millis(1500);
/// From the press to the factory reset.
pub const HOLD_FOR_RESET: Duration = Duration::from_secs(10);

/// A point in time, since the machine started.
type Now = Duration;

/// The meaning of a press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// Let go within [`SHORT_PRESS`]: open the pairing window.
    ShortPress,
    /// Held for longer: warn that everything is about to be erased.
    CountdownStarted,
    /// Let go before [`HOLD_FOR_RESET`]: nothing happens, the warning ends.
    CountdownCancelled,
    /// Held for [`HOLD_FOR_RESET`]: erase the data partition.
    FactoryReset,
}

/// The state of the button. The caller passes each press and release with the time at which it happened, and calls
/// [`Button::tick`] at [`Button::wake_at`].
#[derive(Debug, Default)]
pub struct Button {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Up,
    /// Down for less than [`SHORT_PRESS`].
    Down { since: Now },
    /// Down for longer, and warned of.
    CountingDown { since: Now },
    /// Down since before the reset.
    Spent,
}

impl Button {
    /// The button went down.
    pub fn press(&mut self, now: Now) {
        if self.state == State::Up {
            self.state = State::Down { since: now };
        }
    }

    /// The button came up.
    pub fn release(&mut self, now: Now) -> Option<Gesture> {
        // The release may be the first event after a limit: what the limit brought comes before it.
        let due = self.tick(now);
        match std::mem::take(&mut self.state) {
            State::Down { .. } => Some(Gesture::ShortPress),
            // The countdown would begin with its own end: it was never shown.
            State::CountingDown { .. } if due == Some(Gesture::CountdownStarted) => None,
            State::CountingDown { .. } => Some(Gesture::CountdownCancelled),
            State::Up | State::Spent => due,
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) -> Option<Gesture> {
        match self.state {
            State::Down { since } | State::CountingDown { since }
                if now.saturating_sub(since) >= HOLD_FOR_RESET =>
            {
                self.state = State::Spent;
                Some(Gesture::FactoryReset)
            }
            State::Down { since } if now.saturating_sub(since) > SHORT_PRESS => {
                self.state = State::CountingDown { since };
                Some(Gesture::CountdownStarted)
            }
            _ => None,
        }
    }

    /// The time of the next gesture of [`Button::tick`], if no release comes before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Now> {
        match self.state {
            // One millisecond past the limit, since a press of exactly that length is still short.
            State::Down { since } => Some(since + SHORT_PRESS + Duration::from_millis(1)),
            State::CountingDown { since } => Some(since + HOLD_FOR_RESET),
            State::Up | State::Spent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Button, Duration, Gesture};
    use Gesture::{CountdownCancelled, CountdownStarted, FactoryReset, ShortPress};

    enum Act {
        Press,
        Release,
        Tick,
    }
    use Act::{Press, Release, Tick};

    /// Plays acts at their times, in milliseconds, each with its gesture and the time of the next tick.
    fn play(timeline: &[(u64, Act, Option<Gesture>, Option<u64>)]) {
        let mut button = Button::default();
        for (at, act, gesture, wake) in timeline {
            let now = Duration::from_millis(*at);
            let seen = match act {
                Press => {
                    button.press(now);
                    None
                }
                Release => button.release(now),
                Tick => button.tick(now),
            };
            assert_eq!(seen, *gesture, "at {at} ms");
            assert_eq!(button.wake_at(), wake.map(Duration::from_millis), "at {at} ms");
        }
    }

    #[test]
    fn a_press_of_up_to_a_second_and_a_half_is_short() {
        play(&[
            (1_000, Press, None, Some(2_501)),
            (1_200, Release, Some(ShortPress), None),
            (5_000, Press, None, Some(6_501)),
            (6_500, Tick, None, Some(6_501)),
            (6_500, Release, Some(ShortPress), None),
        ]);
    }

    #[test]
    fn letting_go_during_the_countdown_changes_nothing() {
        play(&[
            (0, Press, None, Some(1_501)),
            (1_501, Tick, Some(CountdownStarted), Some(10_000)),
            (5_000, Tick, None, Some(10_000)),
            (9_999, Release, Some(CountdownCancelled), None),
            (20_000, Tick, None, None),
        ]);
    }

    #[test]
    fn ten_seconds_of_holding_reset_once() {
        play(&[
            (0, Press, None, Some(1_501)),
            (1_501, Tick, Some(CountdownStarted), Some(10_000)),
            (10_000, Tick, Some(FactoryReset), None),
            (30_000, Tick, None, None),
            (31_000, Release, None, None),
            (32_000, Press, None, Some(33_501)),
        ]);
    }

    #[test]
    fn a_press_while_it_is_down_and_a_release_while_it_is_up_are_nothing() {
        play(&[
            (0, Release, None, None),
            (100, Press, None, Some(1_601)),
            (1_000, Press, None, Some(1_601)),
            (1_700, Tick, Some(CountdownStarted), Some(10_100)),
        ]);
    }

    #[test]
    fn a_late_caller_hears_what_holds_now() {
        // Longer than short, and over before the warning.
        play(&[(0, Press, None, Some(1_501)), (4_000, Release, None, None)]);
        play(&[(0, Press, None, Some(1_501)), (12_000, Release, Some(FactoryReset), None)]);
        play(&[(0, Press, None, Some(1_501)), (12_000, Tick, Some(FactoryReset), None)]);
    }

    #[test]
    fn a_tick_that_was_read_before_the_press_is_no_time_at_all() {
        play(&[(500, Press, None, Some(2_001)), (499, Tick, None, Some(2_001))]);
    }
}
