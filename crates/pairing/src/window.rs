//! The pairing window: when it is open, and the server's part of the LED.
//!
//! ```text
//!            OpenRequested, or the start of a box without accounts
//!   closed ---------------------------------------------------------> open
//!          <---------------------------------------------------------
//!            5 minutes; of a box without accounts: its first account
//! ```
//!
//! Calling contract: after every [`PairingWindow::handle`] drain [`PairingWindow::poll`], and call `handle` with
//! [`Input::Tick`] at the time of the last [`Output::WakeAt`]. Time never goes backwards.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::LedState;

/// From a request to open the window to its end.
pub const OPEN_FOR: Duration = Duration::from_secs(5 * 60);
/// The time for which the LED shows [`LedState::AccountCreated`].
const CELEBRATION: Duration = Duration::from_secs(5);

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The window is asked for, by a short press of the button or by `hearth pair`.
    OpenRequested,
    /// An account was created.
    AccountCreated,
    /// The box got its first address, or lost its last one.
    Network {
        /// True while it has an address.
        up: bool,
    },
    /// A problem that needs attention appeared, or the last one is gone.
    Trouble {
        /// True while there is a problem.
        present: bool,
    },
    /// The time of the last [`Output::WakeAt`] has come.
    Tick,
}

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The window opened or its end moved: mint new credentials and show them.
    Opened(WindowEnd),
    /// The window closed: no account may be created, hide the code.
    Closed,
    /// Show this on the LED.
    Led(LedState),
    /// Call `handle` with [`Input::Tick`] then.
    WakeAt(Instant),
}

/// The end of an open window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowEnd {
    /// The creation of the first account: the window of a first boot.
    FirstAccount,
    /// A point in time: the window that was asked for.
    At(Instant),
}

/// The window and the state of the LED.
#[derive(Debug)]
pub struct PairingWindow {
    end: Option<WindowEnd>,
    celebrate_until: Option<Instant>,
    network_up: bool,
    trouble: bool,
    shown: Option<LedState>,
    wake_at: Option<Instant>,
    outputs: VecDeque<Output>,
}

impl PairingWindow {
    /// The window at the start of the server: without accounts it opens by itself.
    #[must_use]
    pub fn new(accounts_exist: bool) -> Self {
        let mut window = Self {
            end: None,
            celebrate_until: None,
            network_up: false,
            trouble: false,
            shown: None,
            wake_at: None,
            outputs: VecDeque::new(),
        };
        if !accounts_exist {
            window.open(WindowEnd::FirstAccount);
        }
        window.settle();
        window
    }

    /// The end of the window, while it is open and accounts may be created.
    #[must_use]
    pub fn end(&self) -> Option<WindowEnd> {
        self.end
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.pass_time(now);
        match input {
            Input::OpenRequested => self.open(WindowEnd::At(now + OPEN_FOR)),
            Input::AccountCreated => self.account_created(now),
            Input::Network { up } => self.network_up = up,
            Input::Trouble { present } => self.trouble = present,
            Input::Tick => {}
        }
        self.settle();
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn open(&mut self, end: WindowEnd) {
        // A first boot's window has no end that a press could bring nearer.
        if self.end != Some(WindowEnd::FirstAccount) {
            self.end = Some(end);
            self.outputs.push_back(Output::Opened(end));
        }
    }

    fn close(&mut self) {
        if self.end.take().is_some() {
            self.outputs.push_back(Output::Closed);
        }
    }

    fn account_created(&mut self, now: Instant) {
        self.celebrate_until = Some(now + CELEBRATION);
        match self.end {
            Some(WindowEnd::FirstAccount) => self.close(),
            // The code on the screen is used up: the next person gets a fresh one.
            Some(end) => self.outputs.push_back(Output::Opened(end)),
            None => {}
        }
    }

    /// Ends the window and the celebration when their time has come.
    fn pass_time(&mut self, now: Instant) {
        if let Some(WindowEnd::At(end)) = self.end
            && now >= end
        {
            self.close();
        }
        if self.celebrate_until.is_some_and(|end| now >= end) {
            self.celebrate_until = None;
        }
    }

    /// Emits the LED's state and the time to wake, if either has changed.
    fn settle(&mut self) {
        let led = self.led();
        if self.shown != Some(led) {
            self.shown = Some(led);
            self.outputs.push_back(Output::Led(led));
        }
        let wake_at = self.next_wake();
        if wake_at != self.wake_at {
            self.wake_at = wake_at;
            self.outputs.extend(wake_at.map(Output::WakeAt));
        }
    }

    fn led(&self) -> LedState {
        if self.celebrate_until.is_some() {
            LedState::AccountCreated
        } else if self.trouble {
            LedState::NeedsAttention
        } else if !self.network_up {
            LedState::WaitingForNetwork
        } else if self.end.is_some() {
            LedState::PairingOpen
        } else {
            LedState::Ready
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let window = match self.end {
            Some(WindowEnd::At(end)) => Some(end),
            Some(WindowEnd::FirstAccount) | None => None,
        };
        [window, self.celebrate_until].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stopwatch log: at each time, what happened, and everything that must come of it.
    struct Timeline {
        start: Instant,
        window: PairingWindow,
    }

    impl Timeline {
        #[expect(
            clippy::disallowed_methods,
            reason = "an `Instant` has no other source; only differences count"
        )]
        fn new(accounts_exist: bool, expected: &[Output]) -> Self {
            let start = Instant::now();
            let mut timeline = Self { start, window: PairingWindow::new(accounts_exist) };
            timeline.expect(0, expected);
            timeline
        }

        fn at(&mut self, milliseconds: u64, input: Input, expected: &[Output]) {
            self.window.handle(self.time(milliseconds), input);
            self.expect(milliseconds, expected);
        }

        fn expect(&mut self, milliseconds: u64, expected: &[Output]) {
            let outputs: Vec<_> = std::iter::from_fn(|| self.window.poll()).collect();
            assert_eq!(outputs, expected, "at {milliseconds} ms");
        }

        fn time(&self, milliseconds: u64) -> Instant {
            self.start + Duration::from_millis(milliseconds)
        }

        fn wake(&self, milliseconds: u64) -> Output {
            Output::WakeAt(self.time(milliseconds))
        }

        fn opened(&self, until: u64) -> Output {
            Output::Opened(WindowEnd::At(self.time(until)))
        }
    }

    use LedState::{AccountCreated, NeedsAttention, PairingOpen, Ready, WaitingForNetwork};
    use Output::{Closed, Led};

    const UP: Input = Input::Network { up: true };

    #[test]
    fn first_boot_opens_the_window_until_the_first_account() {
        let mut t = Timeline::new(false, &[Output::Opened(WindowEnd::FirstAccount), Led(WaitingForNetwork)]);
        t.at(3_000, UP, &[Led(PairingOpen)]);
        t.at(3_600_000, Input::Tick, &[]);
        t.at(3_600_001, Input::AccountCreated, &[Closed, Led(AccountCreated), t.wake(3_605_001)]);
        t.at(3_605_001, Input::Tick, &[Led(Ready)]);
    }

    #[test]
    fn a_request_opens_the_window_for_five_minutes_and_a_second_one_moves_its_end() {
        let mut t = Timeline::new(true, &[Led(WaitingForNetwork)]);
        t.at(0, UP, &[Led(Ready)]);
        t.at(1_000, Input::OpenRequested, &[t.opened(301_000), Led(PairingOpen), t.wake(301_000)]);
        t.at(1_200, Input::OpenRequested, &[t.opened(301_200), t.wake(301_200)]);
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
    fn trouble_outshines_the_window() {
        let mut t = Timeline::new(true, &[Led(WaitingForNetwork)]);
        t.at(0, UP, &[Led(Ready)]);
        t.at(0, Input::Trouble { present: true }, &[Led(NeedsAttention)]);
        t.at(0, Input::OpenRequested, &[t.opened(300_000), t.wake(300_000)]);
        t.at(4_000, Input::Trouble { present: false }, &[Led(PairingOpen)]);
    }
}
