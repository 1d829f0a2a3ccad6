//! When the server is started, restarted, given up on, stopped. A machine: time and events in, orders out.
//!
//! ```text
//!            Start            exited            due
//!   Idle ───────────▶ Running ──────▶ Waiting ──────▶ (Start) Running
//!                        │ stop()        │ stop()
//!                        ▼               ▼
//!                     Stopping ──────▶ Stopped
//! ```

use std::time::Duration;

/// The first pause before a restart; it doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A server that ran this long has started well: its next failure counts as the first.
const GOOD_RUN: Duration = Duration::from_secs(60);
/// So many failures in a row are trouble for a person to see.
const TROUBLE: u32 = 3;
/// A server that was healthy and then silent for so long hangs.
const SILENCE: Duration = Duration::from_secs(60);
/// A server that never became healthy may take so long to start: a large store is read again after a crash.
const START_LIMIT: Duration = Duration::from_secs(600);
/// From the request to stop to SIGTERM.
const POLITE: Duration = Duration::from_secs(10);
/// From the request to stop to SIGKILL.
const IMPOLITE: Duration = Duration::from_secs(20);

/// A point in time, as the time since the machine started.
type Now = Duration;

/// What to do about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Start it.
    Start,
    /// Ask it to stop, by the pipe.
    AskToStop,
    /// Send SIGTERM.
    Terminate,
    /// Send SIGKILL.
    Kill,
}

/// How things are with the server, for LED and screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// As they should be.
    Fine,
    /// It keeps failing; so many times in a row.
    Failing(u32),
}

/// The machine. The caller performs [`Supervision::poll`]'s orders until there is none, and calls it again at
/// [`Supervision::wake_at`] or after telling it something.
#[derive(Debug)]
pub(super) struct Supervision {
    state: State,
    failures: u32,
}

#[derive(Debug)]
enum State {
    Waiting { until: Now },
    Running { since: Now, last_sign: Option<Now>, killed: bool },
    Stopping { asked: Now, done: StopStep },
    Stopped,
}

#[derive(Debug, PartialEq, Eq, PartialOrd)]
enum StopStep {
    Nothing,
    Asked,
    Terminated,
    Killed,
}

impl Supervision {
    /// A machine that wants the server started at once.
    pub(super) fn new(now: Now) -> Self {
        Self { state: State::Waiting { until: now }, failures: 0 }
    }

    /// The next thing to do.
    pub(super) fn poll(&mut self, now: Now) -> Option<Order> {
        match &mut self.state {
            State::Waiting { until } if *until <= now => {
                self.state = State::Running { since: now, last_sign: None, killed: false };
                Some(Order::Start)
            }
            State::Running { since, last_sign, killed }
                if !*killed && now >= deadline(*since, *last_sign) =>
            {
                *killed = true;
                Some(Order::Kill)
            }
            State::Stopping { asked, done } => stop_step(now.saturating_sub(*asked), done),
            _ => None,
        }
    }

    /// When to poll again though nothing happened.
    pub(super) fn wake_at(&self) -> Option<Now> {
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::Running { since, last_sign, killed: false } => Some(deadline(*since, *last_sign)),
            State::Stopping { asked, done: StopStep::Asked } => Some(*asked + POLITE),
            State::Stopping { asked, done: StopStep::Terminated } => Some(*asked + IMPOLITE),
            _ => None,
        }
    }

    /// The server said that it is well.
    pub(super) fn sign_of_life(&mut self, now: Now) {
        if let State::Running { last_sign, .. } = &mut self.state {
            *last_sign = Some(now);
        }
    }

    /// The server ended, or could not be started.
    pub(super) fn ended(&mut self, now: Now) {
        match &self.state {
            State::Running { since, .. } => {
                let well = now.saturating_sub(*since) >= GOOD_RUN;
                self.failures = if well { 1 } else { self.failures.saturating_add(1) };
                self.state = State::Waiting { until: now + pause(self.failures) };
            }
            State::Stopping { .. } => self.state = State::Stopped,
            State::Waiting { .. } | State::Stopped => {}
        }
    }

    /// The box is going down: the server shall end, and stay ended.
    pub(super) fn stop(&mut self, now: Now) {
        match &self.state {
            State::Running { .. } => self.state = State::Stopping { asked: now, done: StopStep::Nothing },
            State::Waiting { .. } => self.state = State::Stopped,
            State::Stopping { .. } | State::Stopped => {}
        }
    }

    /// Whether the server has ended after [`Supervision::stop`].
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped)
    }

    /// How things are. A server that runs well again is fine before its failures are forgotten.
    pub(super) fn outlook(&self) -> Outlook {
        match self.state {
            State::Running { last_sign: Some(_), .. } => Outlook::Fine,
            _ if self.failures < TROUBLE => Outlook::Fine,
            _ => Outlook::Failing(self.failures),
        }
    }
}

fn deadline(since: Now, last_sign: Option<Now>) -> Now {
    last_sign.map_or(since + START_LIMIT, |sign| sign + SILENCE)
}

fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

fn stop_step(waited: Duration, done: &mut StopStep) -> Option<Order> {
    let (step, order) = match done {
        StopStep::Nothing => (StopStep::Asked, Order::AskToStop),
        StopStep::Asked if waited >= POLITE => (StopStep::Terminated, Order::Terminate),
        StopStep::Terminated if waited >= IMPOLITE => (StopStep::Killed, Order::Kill),
        _ => return None,
    };
    *done = step;
    Some(order)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Order, Outlook, Supervision};

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_server_that_keeps_failing_is_restarted_ever_more_slowly_and_reported() {
        let mut machine = Supervision::new(at(5));
        assert_eq!(machine.poll(at(5)), Some(Order::Start));
        assert_eq!(machine.poll(at(5)), None);
        let mut now = 5;
        let mut pauses = Vec::new();
        let mut outlooks = Vec::new();
        for _ in 0..8 {
            machine.ended(at(now));
            let next = machine.wake_at().unwrap().as_secs();
            pauses.push(next - now);
            outlooks.push(machine.outlook());
            assert_eq!(machine.poll(at(next - 1)), None);
            assert_eq!(machine.poll(at(next)), Some(Order::Start));
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(outlooks[..3], [Outlook::Fine, Outlook::Fine, Outlook::Failing(3)]);
        machine.sign_of_life(at(now + 1));
        assert_eq!(machine.outlook(), Outlook::Fine);
    }

    #[test]
    fn a_good_run_makes_the_next_failure_the_first() {
        let mut machine = Supervision::new(at(0));
        for start in [0, 1, 3, 7] {
            assert_eq!(machine.poll(at(start)), Some(Order::Start));
            machine.ended(at(start));
        }
        assert_eq!(machine.poll(at(15)), Some(Order::Start));
        machine.ended(at(15 + 60));
        assert_eq!(machine.outlook(), Outlook::Fine);
        assert_eq!(machine.wake_at(), Some(at(76)));
    }

    #[test]
    fn a_server_that_hangs_is_killed_once() {
        let mut machine = Supervision::new(at(0));
        machine.poll(at(0));
        machine.sign_of_life(at(10));
        assert_eq!(machine.wake_at(), Some(at(70)));
        assert_eq!(machine.poll(at(69)), None);
        assert_eq!(machine.poll(at(70)), Some(Order::Kill));
        assert_eq!(machine.poll(at(71)), None);
        machine.ended(at(71));
        assert_eq!(machine.poll(at(72)), Some(Order::Start));
    }

    #[test]
    fn a_server_that_never_gets_ready_has_ten_minutes() {
        let mut machine = Supervision::new(at(0));
        machine.poll(at(0));
        assert_eq!(machine.poll(at(599)), None);
        assert_eq!(machine.poll(at(600)), Some(Order::Kill));
    }

    #[test]
    fn stopping_asks_then_terminates_then_kills() {
        let mut machine = Supervision::new(at(0));
        machine.poll(at(0));
        machine.stop(at(100));
        assert_eq!(machine.poll(at(100)), Some(Order::AskToStop));
        assert_eq!(machine.poll(at(100)), None);
        assert_eq!(machine.wake_at(), Some(at(110)));
        assert_eq!(machine.poll(at(110)), Some(Order::Terminate));
        assert_eq!(machine.wake_at(), Some(at(120)));
        assert_eq!(machine.poll(at(120)), Some(Order::Kill));
        assert_eq!(machine.poll(at(500)), None);
        assert!(!machine.is_stopped());
        machine.ended(at(501));
        assert!(machine.is_stopped());
        assert_eq!(machine.poll(at(1000)), None, "it stays ended");
    }

    #[test]
    fn a_server_that_waits_for_its_restart_is_stopped_at_once() {
        let mut machine = Supervision::new(at(0));
        machine.poll(at(0));
        machine.ended(at(1));
        machine.stop(at(1));
        assert!(machine.is_stopped());
        assert_eq!(machine.poll(at(10)), None);
    }
}
