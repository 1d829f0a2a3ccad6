//! The button: how long it is held decides between the pairing window and the factory reset.
//!
//! ```text
//!  pressed          1.5 s: warning                        10 s
//!     |---------------|------------------------------------|------------------------>
//!       let go: short   countdown: LED and screen warn;      factory reset, once;
//!       press           let go: nothing has happened         letting go changes nothing
//! ```
//!
//! These are the times of a caller that is never late. A late caller warns late, and the reset moves with the warning:
//! nothing is erased without [`COUNTDOWN`] of visible warning before.
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
/// From the warning to the factory reset: ten seconds after the press, unless the warning was late.
pub const COUNTDOWN: Duration = Duration::from_millis(8500);

/// A point in time, since the machine started.
type Now = Duration;

/// The meaning of a press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// Let go within [`SHORT_PRESS`]: open the pairing window.
    ShortPress,
    /// Held for longer: warn that everything is about to be erased, then call [`Button::warned`].
    CountdownStarted,
    /// Let go within [`COUNTDOWN`] of the warning: nothing happens, the warning ends.
    CountdownCancelled,
    /// Held for [`COUNTDOWN`] after the warning: erase the data partition.
    FactoryReset,
}

/// The state of the button. The caller passes each press and release with the time at which it happened, and calls
/// [`Button::tick`] at [`Button::wake_at`]. Either may come late.
#[derive(Debug, Default)]
pub struct Button {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Up,
    /// Down, without a countdown so far.
    Down { since: Now },
    /// Down for longer than [`SHORT_PRESS`]; the caller is about to warn.
    Warning,
    /// Down, and the warning is visible.
    CountingDown { warned: Now },
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
        match std::mem::take(&mut self.state) {
            State::Down { since } if now.saturating_sub(since) <= SHORT_PRESS => Some(Gesture::ShortPress),
            // Too long for a short press, and over before the warning could be shown.
            State::Down { .. } | State::Up | State::Spent => None,
            // Held to the end, and let go before the tick that was due.
            State::CountingDown { warned } if now.saturating_sub(warned) >= COUNTDOWN => {
                Some(Gesture::FactoryReset)
            }
            State::Warning | State::CountingDown { .. } => Some(Gesture::CountdownCancelled),
        }
    }

    /// The warning of [`Gesture::CountdownStarted`] is visible since `now`. Without this call there is no reset.
    pub fn warned(&mut self, now: Now) {
        if self.state == State::Warning {
            self.state = State::CountingDown { warned: now };
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) -> Option<Gesture> {
        match self.state {
            State::Down { since } if now.saturating_sub(since) > SHORT_PRESS => {
                self.state = State::Warning;
                Some(Gesture::CountdownStarted)
            }
            State::CountingDown { warned } if now.saturating_sub(warned) >= COUNTDOWN => {
                self.state = State::Spent;
                Some(Gesture::FactoryReset)
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
            State::CountingDown { warned } => Some(warned + COUNTDOWN),
            State::Up | State::Warning | State::Spent => None,
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
        Warned,
    }
    use Act::{Press, Release, Tick, Warned};

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
                Warned => {
                    button.warned(now);
                    None
                }
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
            (1_501, Tick, Some(CountdownStarted), None),
            (1_501, Warned, None, Some(10_001)),
            (5_000, Tick, None, Some(10_001)),
            (10_000, Release, Some(CountdownCancelled), None),
            (20_000, Tick, None, None),
        ]);
    }

    #[test]
    fn ten_seconds_of_holding_reset_once() {
        play(&[
            (0, Press, None, Some(1_501)),
            (1_501, Tick, Some(CountdownStarted), None),
            (1_501, Warned, None, Some(10_001)),
            (10_001, Tick, Some(FactoryReset), None),
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
            (1_700, Tick, Some(CountdownStarted), None),
        ]);
        play(&[(0, Warned, None, None), (9_000, Tick, None, None), (9_001, Press, None, Some(10_502))]);
    }

    #[test]
    fn a_late_caller_hears_what_holds_now() {
        // Longer than short, and over before the warning: nothing, however long it was.
        play(&[(0, Press, None, Some(1_501)), (4_000, Release, None, None)]);
        play(&[(5_000, Press, None, Some(6_501)), (17_000, Release, None, None), (60_000, Tick, None, None)]);
        // Held to the end after the warning, and let go before the tick.
        play(&[
            (0, Press, None, Some(1_501)),
            (1_501, Tick, Some(CountdownStarted), None),
            (1_501, Warned, None, Some(10_001)),
            (12_000, Release, Some(FactoryReset), None),
            (12_000, Tick, None, None),
        ]);
    }

    #[test]
    fn a_button_that_is_found_held_after_a_stall_is_warned_of_before_anything_is_erased() {
        play(&[
            (5_000, Press, None, Some(6_501)),
            (1_800_000, Tick, Some(CountdownStarted), None),
            // The caller stalls again before it shows the warning.
            (1_900_000, Tick, None, None),
            (1_900_000, Warned, None, Some(1_908_500)),
            (1_908_499, Tick, None, Some(1_908_500)),
            (1_908_500, Tick, Some(FactoryReset), None),
        ]);
        // The release was on its way already.
        play(&[
            (5_000, Press, None, Some(6_501)),
            (30_000, Tick, Some(CountdownStarted), None),
            (30_000, Warned, None, Some(38_500)),
            (17_000, Release, Some(CountdownCancelled), None),
        ]);
    }

    #[test]
    fn a_tick_that_was_read_before_the_press_is_no_time_at_all() {
        play(&[(500, Press, None, Some(2_001)), (499, Tick, None, Some(2_001))]);
    }
}
