//! The pairing window and the button, as a machine.
//!
//! ```text
//!            short press (released within 1.5 s)           5 minutes, or on a first boot: first account
//!   closed ------------------------------------> open ----------------------------------------------> closed
//!   held 1.5 s: reset countdown on the LED; let go: nothing happened; held 10 s: factory reset
//! ```
//!
//! Calling contract: after every [`Machine::handle`] drain [`Machine::poll`], and call `handle` with
//! [`Input::Tick`] at the time of the last [`Output::WakeAt`]. Time never goes backwards.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::LedState;

/// How long a press of the button keeps the window open.
pub const WINDOW: Duration = Duration::from_secs(5 * 60);
/// A press let go within this time opens the window; a longer one counts down to the factory reset.
pub const SHORT_PRESS: Duration = Duration::from_millis(1500);
/// How long the button is held for a factory reset.
pub const HOLD_FOR_RESET: Duration = Duration::from_secs(10);
/// How long the LED celebrates a new account.
const CELEBRATION: Duration = Duration::from_secs(5);

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The button went down.
    ButtonPressed,
    /// The button came up.
    ButtonReleased,
    /// A person asked for the window by other means, such as `hearth pair`: as a short press.
    OpenRequested,
    /// An account was created.
    AccountCreated,
    /// Whether the box has an address.
    Network {
        /// True once there is one.
        up: bool,
    },
    /// Whether something needs a person's attention.
    Trouble {
        /// True while it does.
        present: bool,
    },
    /// The time of the last [`Output::WakeAt`] has come.
    Tick,
}

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The window opened or its end moved: mint new credentials and show them.
    Opened(Window),
    /// The window closed: no account may be created, hide the code.
    Closed,
    /// Show this on the LED.
    Led(LedState),
    /// Erase everything and start again.
    FactoryReset,
    /// Call `handle` with [`Input::Tick`] then.
    WakeAt(Instant),
}

/// How long an open window stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// A first boot: until the first account exists.
    UntilFirstAccount,
    /// After a press of the button.
    Until(Instant),
}

/// The machine: window, button and LED in one.
#[derive(Debug)]
pub struct Machine {
    window: Option<Window>,
    button: Button,
    celebrate_until: Option<Instant>,
    network_up: bool,
    trouble: bool,
    shown: Option<LedState>,
    wake_at: Option<Instant>,
    outputs: VecDeque<Output>,
}

/// What the button is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Button {
    Up,
    /// Pressed at that time.
    Down(Instant),
    /// Held until the reset fired; nothing more happens until it is let go.
    Spent,
}

impl Machine {
    /// A machine at start: on a box without accounts the window opens by itself.
    #[must_use]
    pub fn new(now: Instant, accounts_exist: bool) -> Self {
        let mut machine = Self {
            window: None,
            button: Button::Up,
            celebrate_until: None,
            network_up: false,
            trouble: false,
            shown: None,
            wake_at: None,
            outputs: VecDeque::new(),
        };
        if !accounts_exist {
            machine.open(Window::UntilFirstAccount);
        }
        machine.settle(now);
        machine
    }

    /// Whether an account may be created now.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        self.window
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.pass_time(now);
        match input {
            Input::ButtonPressed => {
                if self.button == Button::Up {
                    self.button = Button::Down(now);
                }
            }
            Input::ButtonReleased => self.release(now),
            Input::OpenRequested => self.open(Window::Until(now + WINDOW)),
            Input::AccountCreated => self.account_created(now),
            Input::Network { up } => self.network_up = up,
            Input::Trouble { present } => self.trouble = present,
            Input::Tick => {}
        }
        self.settle(now);
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn open(&mut self, window: Window) {
        // A first boot's window has no end that a press could bring nearer.
        if self.window != Some(Window::UntilFirstAccount) {
            self.window = Some(window);
            self.outputs.push_back(Output::Opened(window));
        }
    }

    fn close(&mut self) {
        if self.window.take().is_some() {
            self.outputs.push_back(Output::Closed);
        }
    }

    fn release(&mut self, now: Instant) {
        if let Button::Down(since) = self.button
            && now.duration_since(since) <= SHORT_PRESS
        {
            self.open(Window::Until(now + WINDOW));
        }
        self.button = Button::Up;
    }

    fn account_created(&mut self, now: Instant) {
        self.celebrate_until = Some(now + CELEBRATION);
        match self.window {
            Some(Window::UntilFirstAccount) => self.close(),
            // The code on the screen is used up: the next person gets a fresh one.
            Some(window) => self.outputs.push_back(Output::Opened(window)),
            None => {}
        }
    }

    /// Everything that is due because time has passed.
    fn pass_time(&mut self, now: Instant) {
        if let Some(Window::Until(end)) = self.window
            && now >= end
        {
            self.close();
        }
        if self.celebrate_until.is_some_and(|end| now >= end) {
            self.celebrate_until = None;
        }
        if let Button::Down(since) = self.button
            && now.duration_since(since) >= HOLD_FOR_RESET
        {
            self.button = Button::Spent;
            self.outputs.push_back(Output::FactoryReset);
        }
    }

    /// Says what the LED shows and when to wake, if either changed.
    fn settle(&mut self, now: Instant) {
        let led = self.led(now);
        if self.shown != Some(led) {
            self.shown = Some(led);
            self.outputs.push_back(Output::Led(led));
        }
        let wake_at = self.next_wake(now);
        if wake_at != self.wake_at {
            self.wake_at = wake_at;
            self.outputs.extend(wake_at.map(Output::WakeAt));
        }
    }

    fn led(&self, now: Instant) -> LedState {
        let counting_down = match self.button {
            Button::Up => false,
            Button::Down(since) => now.duration_since(since) > SHORT_PRESS,
            Button::Spent => true,
        };
        if counting_down {
            LedState::ResetCountdown
        } else if self.celebrate_until.is_some() {
            LedState::AccountCreated
        } else if self.trouble {
            LedState::NeedsAttention
        } else if !self.network_up {
            LedState::WaitingForNetwork
        } else if self.window.is_some() {
            LedState::PairingOpen
        } else {
            LedState::Ready
        }
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let window = match self.window {
            Some(Window::Until(end)) => Some(end),
            _ => None,
        };
        let button = match self.button {
            // One millisecond past the limit, since a press of exactly that length is still short.
            Button::Down(since) if now.duration_since(since) <= SHORT_PRESS => {
                Some(since + SHORT_PRESS + Duration::from_millis(1))
            }
            Button::Down(since) => Some(since + HOLD_FOR_RESET),
            Button::Up | Button::Spent => None,
        };
        [window, button, self.celebrate_until].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stopwatch log: at each time, what happened, and everything that must come of it.
    struct Timeline {
        start: Instant,
        machine: Machine,
    }

    impl Timeline {
        #[expect(
            clippy::disallowed_methods,
            reason = "an `Instant` has no other source; only differences count"
        )]
        fn new(accounts_exist: bool, expected: &[Output]) -> Self {
            let start = Instant::now();
            let mut timeline = Self { start, machine: Machine::new(start, accounts_exist) };
            timeline.expect(0, expected);
            timeline
        }

        fn at(&mut self, milliseconds: u64, input: Input, expected: &[Output]) {
            self.machine.handle(self.time(milliseconds), input);
            self.expect(milliseconds, expected);
        }

        fn expect(&mut self, milliseconds: u64, expected: &[Output]) {
            let outputs: Vec<_> = std::iter::from_fn(|| self.machine.poll()).collect();
            assert_eq!(outputs, expected, "at {milliseconds} ms");
        }

        fn time(&self, milliseconds: u64) -> Instant {
            self.start + Duration::from_millis(milliseconds)
        }

        fn wake(&self, milliseconds: u64) -> Output {
            Output::WakeAt(self.time(milliseconds))
        }

        fn opened(&self, until: u64) -> Output {
            Output::Opened(Window::Until(self.time(until)))
        }
    }

    use LedState::{AccountCreated, NeedsAttention, PairingOpen, Ready, ResetCountdown, WaitingForNetwork};
    use Output::{Closed, FactoryReset, Led};

    const UP: Input = Input::Network { up: true };

    #[test]
    fn first_boot_opens_the_window_until_the_first_account() {
        let mut t =
            Timeline::new(false, &[Output::Opened(Window::UntilFirstAccount), Led(WaitingForNetwork)]);
        t.at(3_000, UP, &[Led(PairingOpen)]);
        t.at(3_600_000, Input::Tick, &[]);
        t.at(3_600_001, Input::AccountCreated, &[Closed, Led(AccountCreated), t.wake(3_605_001)]);
        t.at(3_605_001, Input::Tick, &[Led(Ready)]);
    }

    #[test]
    fn a_short_press_opens_the_window_for_five_minutes() {
        let mut t = Timeline::new(true, &[Led(WaitingForNetwork)]);
        t.at(0, UP, &[Led(Ready)]);
        t.at(1_000, Input::ButtonPressed, &[t.wake(2_501)]);
        t.at(1_200, Input::ButtonReleased, &[t.opened(301_200), Led(PairingOpen), t.wake(301_200)]);
        t.at(301_199, Input::Tick, &[]);
        t.at(301_200, Input::Tick, &[Closed, Led(Ready)]);
    }

    #[test]
    fn each_account_of_an_open_window_gets_a_fresh_code() {
        let mut t = Timeline::new(true, &[Led(WaitingForNetwork)]);
        t.at(0, UP, &[Led(Ready)]);
        t.at(0, Input::OpenRequested, &[t.opened(300_000), Led(PairingOpen), t.wake(300_000)]);
        t.at(9_000, Input::AccountCreated, &[t.opened(300_000), Led(AccountCreated), t.wake(14_000)]);
        t.at(14_000, Input::Tick, &[Led(PairingOpen), t.wake(300_000)]);
    }

    #[test]
    fn letting_go_during_the_countdown_changes_nothing() {
        let mut t = Timeline::new(true, &[Led(WaitingForNetwork)]);
        t.at(0, UP, &[Led(Ready)]);
        t.at(0, Input::ButtonPressed, &[t.wake(1_501)]);
        t.at(1_501, Input::Tick, &[Led(ResetCountdown), t.wake(10_000)]);
        t.at(9_999, Input::ButtonReleased, &[Led(Ready)]);
        t.at(20_000, Input::Tick, &[]);
    }

    #[test]
    fn ten_seconds_of_holding_erase_everything_once() {
        let mut t = Timeline::new(true, &[Led(WaitingForNetwork)]);
        t.at(0, Input::ButtonPressed, &[t.wake(1_501)]);
        t.at(1_501, Input::Tick, &[Led(ResetCountdown), t.wake(10_000)]);
        t.at(10_000, Input::Tick, &[FactoryReset]);
        t.at(30_000, Input::Tick, &[]);
        t.at(31_000, Input::ButtonReleased, &[Led(WaitingForNetwork)]);
    }

    #[test]
    fn trouble_outshines_the_window_but_not_the_countdown() {
        let mut t = Timeline::new(true, &[Led(WaitingForNetwork)]);
        t.at(0, UP, &[Led(Ready)]);
        t.at(0, Input::Trouble { present: true }, &[Led(NeedsAttention)]);
        t.at(0, Input::OpenRequested, &[t.opened(300_000), t.wake(300_000)]);
        t.at(1_000, Input::ButtonPressed, &[t.wake(2_501)]);
        t.at(2_501, Input::Tick, &[Led(ResetCountdown), t.wake(11_000)]);
        t.at(3_000, Input::ButtonReleased, &[Led(NeedsAttention), t.wake(300_000)]);
        t.at(4_000, Input::Trouble { present: false }, &[Led(PairingOpen)]);
    }
}
