//! The supervision of a child process: starts, restarts after growing pauses, kills a process that hangs, stops. A machine:
//! time and events in, commands out.
//!
//! ```text
//!            Start            exited            due
//!   Idle ───────────▶ Running ──────▶ Waiting ──────▶ (Start) Running
//!                        │ stop()        │ stop()
//!                        ▼               ▼
//!                     Stopping ──────▶ Stopped
//!                        │ discard()     ▲
//!                        ▼               │
//!                     Discarding ────────┘
//! ```
//!
//! Idle is a Waiting that is due at once. There is no last try: a box that is out of reach until its plug is pulled is
//! worse than a process that fails once a minute.

use std::time::Duration;

/// The first pause before a restart; it doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A process that ran this long has started well: its next failure counts as the first.
const STABLE_AFTER: Duration = Duration::from_secs(60);
/// The failures in a row from which on LED and screen report them.
const FAILURES_SHOWN: u32 = 3;
/// From the last heartbeat to SIGKILL.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(60);
/// From the start to SIGKILL for a process without its first heartbeat: a large store is read again after a crash.
const START_TIMEOUT: Duration = Duration::from_secs(600);
/// From the request to stop to SIGTERM.
const SIGTERM_AFTER: Duration = Duration::from_secs(10);
/// From the request to stop to SIGKILL.
const SIGKILL_AFTER: Duration = Duration::from_secs(20);

/// From the SIGKILL of a discarded process to the end of the wait for it: one in an uninterruptible wait for a broken
/// card does not end at all.
const DISCARD_AFTER: Duration = Duration::from_secs(5);

/// A point in time, as the time since the machine started.
type Now = Duration;

/// An action upon the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Start it.
    Start,
    /// Ask it to end by itself.
    AskToStop,
    /// Send SIGTERM.
    Terminate,
    /// Send SIGKILL, since it does not answer.
    Kill,
    /// Send SIGKILL, since its data is going to be erased.
    Discard,
}

/// The health of the process over its restarts, for LED and screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It runs, or has not failed often enough to be reported.
    Healthy,
    /// It keeps failing; the number of failures in a row.
    Failing(u32),
}

/// The machine. The caller performs [`Supervision::poll`]'s orders until there is none, and calls it again at
/// [`Supervision::wake_at`] or after telling it something.
#[derive(Debug)]
pub(super) struct Supervision {
    state: State,
    liveness: Liveness,
    /// In a row.
    failures: u32,
}

/// The proof that a running process does not hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Liveness {
    /// Heartbeats: without them it is killed.
    Heartbeats,
    /// None: it runs until it ends.
    Unproven,
}

#[derive(Debug)]
enum State {
    Waiting {
        until: Now,
    },
    Running {
        since: Now,
        last_heartbeat: Option<Now>,
        killed: bool,
    },
    Stopping {
        asked: Now,
        done: StopStep,
    },
    /// To be killed, or killed at this time.
    Discarding {
        killed: Option<Now>,
    },
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
    /// A machine whose first command is the start, at once.
    pub(super) fn new(now: Now, liveness: Liveness) -> Self {
        Self { state: State::Waiting { until: now }, liveness, failures: 0 }
    }

    /// The next command.
    pub(super) fn poll(&mut self, now: Now) -> Option<Command> {
        match &mut self.state {
            State::Waiting { until } if *until <= now => {
                self.state = State::Running { since: now, last_heartbeat: None, killed: false };
                Some(Command::Start)
            }
            State::Running { since, last_heartbeat, killed }
                if !*killed
                    && self.liveness == Liveness::Heartbeats
                    && now >= deadline(*since, *last_heartbeat) =>
            {
                *killed = true;
                Some(Command::Kill)
            }
            State::Stopping { asked, done } => stop_step(now.saturating_sub(*asked), done),
            State::Discarding { killed: killed @ None } => {
                *killed = Some(now);
                Some(Command::Discard)
            }
            _ => None,
        }
    }

    /// The time of the next poll, if nothing happens before.
    pub(super) fn wake_at(&self) -> Option<Now> {
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::Running { since, last_heartbeat, killed: false }
                if self.liveness == Liveness::Heartbeats =>
            {
                Some(deadline(*since, *last_heartbeat))
            }
            State::Stopping { asked, done: StopStep::Asked } => Some(*asked + SIGTERM_AFTER),
            State::Stopping { asked, done: StopStep::Terminated } => Some(*asked + SIGKILL_AFTER),
            State::Discarding { killed: Some(killed) } => Some(*killed + DISCARD_AFTER),
            _ => None,
        }
    }

    /// A heartbeat of the process arrived.
    pub(super) fn heartbeat(&mut self, now: Now) {
        if let State::Running { last_heartbeat, .. } = &mut self.state {
            *last_heartbeat = Some(now);
        }
    }

    /// The process ended, or could not be started.
    pub(super) fn ended(&mut self, now: Now) {
        match &self.state {
            State::Running { since, .. } => {
                let well = now.saturating_sub(*since) >= STABLE_AFTER;
                self.failures = if well { 1 } else { self.failures.saturating_add(1) };
                self.state = State::Waiting { until: now + pause(self.failures) };
            }
            State::Stopping { .. } | State::Discarding { .. } => self.state = State::Stopped,
            State::Waiting { .. } | State::Stopped => {}
        }
    }

    /// The box is going down: the process shall end, and stay ended.
    pub(super) fn stop(&mut self, now: Now) {
        match &self.state {
            State::Running { .. } => self.state = State::Stopping { asked: now, done: StopStep::Nothing },
            State::Waiting { .. } => self.state = State::Stopped,
            State::Stopping { .. } | State::Discarding { .. } | State::Stopped => {}
        }
    }

    /// The process shall be killed at once: what it would save is going to be erased.
    pub(super) fn discard(&mut self) {
        match &self.state {
            State::Running { .. } | State::Stopping { .. } => {
                self.state = State::Discarding { killed: None };
            }
            State::Waiting { .. } => self.state = State::Stopped,
            State::Discarding { .. } | State::Stopped => {}
        }
    }

    /// True when the process has ended after [`Supervision::stop`] or [`Supervision::discard`].
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped)
    }

    /// True when there is nothing left to wait for: the process has ended, or was discarded and does not end.
    pub(super) fn is_over(&self, now: Now) -> bool {
        match self.state {
            State::Stopped => true,
            State::Discarding { killed: Some(killed) } => now.saturating_sub(killed) >= DISCARD_AFTER,
            _ => false,
        }
    }

    /// The health of the process. One with a heartbeat is healthy before its failures are forgotten.
    pub(super) fn health(&self) -> Health {
        match self.state {
            State::Running { last_heartbeat: Some(_), .. } => Health::Healthy,
            _ if self.failures < FAILURES_SHOWN => Health::Healthy,
            _ => Health::Failing(self.failures),
        }
    }
}

fn deadline(since: Now, last_heartbeat: Option<Now>) -> Now {
    last_heartbeat.map_or(since + START_TIMEOUT, |heartbeat| heartbeat + HEARTBEAT_TIMEOUT)
}

fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

fn stop_step(waited: Duration, done: &mut StopStep) -> Option<Command> {
    let (step, command) = match done {
        StopStep::Nothing => (StopStep::Asked, Command::AskToStop),
        StopStep::Asked if waited >= SIGTERM_AFTER => (StopStep::Terminated, Command::Terminate),
        StopStep::Terminated if waited >= SIGKILL_AFTER => (StopStep::Killed, Command::Kill),
        _ => return None,
    };
    *done = step;
    Some(command)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Command, Health, Liveness, Supervision};

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn server(start: u64) -> Supervision {
        Supervision::new(at(start), Liveness::Heartbeats)
    }

    #[test]
    fn a_server_that_keeps_failing_is_restarted_ever_more_slowly_and_reported() {
        let mut machine = server(5);
        assert_eq!(machine.poll(at(5)), Some(Command::Start));
        assert_eq!(machine.poll(at(5)), None);
        let mut now = 5;
        let mut pauses = Vec::new();
        let mut healths = Vec::new();
        for _ in 0..8 {
            machine.ended(at(now));
            let next = machine.wake_at().unwrap().as_secs();
            pauses.push(next - now);
            healths.push(machine.health());
            assert_eq!(machine.poll(at(next - 1)), None);
            assert_eq!(machine.poll(at(next)), Some(Command::Start));
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(healths[..3], [Health::Healthy, Health::Healthy, Health::Failing(3)]);
        machine.heartbeat(at(now + 1));
        assert_eq!(machine.health(), Health::Healthy);
    }

    #[test]
    fn a_good_run_makes_the_next_failure_the_first() {
        let mut machine = server(0);
        for start in [0, 1, 3, 7] {
            assert_eq!(machine.poll(at(start)), Some(Command::Start));
            machine.ended(at(start));
        }
        assert_eq!(machine.poll(at(15)), Some(Command::Start));
        machine.ended(at(15 + 60));
        assert_eq!(machine.health(), Health::Healthy);
        assert_eq!(machine.wake_at(), Some(at(76)));
    }

    #[test]
    fn a_server_that_hangs_is_killed_once() {
        let mut machine = server(0);
        machine.poll(at(0));
        machine.heartbeat(at(10));
        assert_eq!(machine.wake_at(), Some(at(70)));
        assert_eq!(machine.poll(at(69)), None);
        assert_eq!(machine.poll(at(70)), Some(Command::Kill));
        assert_eq!(machine.poll(at(71)), None);
        machine.ended(at(71));
        assert_eq!(machine.poll(at(72)), Some(Command::Start));
    }

    #[test]
    fn a_server_that_never_gets_ready_has_ten_minutes() {
        let mut machine = server(0);
        machine.poll(at(0));
        assert_eq!(machine.poll(at(599)), None);
        assert_eq!(machine.poll(at(600)), Some(Command::Kill));
    }

    #[test]
    fn a_process_without_heartbeats_runs_until_it_ends() {
        let mut machine = Supervision::new(at(0), Liveness::Unproven);
        assert_eq!(machine.poll(at(0)), Some(Command::Start));
        assert_eq!(machine.wake_at(), None);
        assert_eq!(machine.poll(at(1_000_000)), None);
        machine.ended(at(1_000_000));
        assert_eq!(machine.poll(at(1_000_001)), Some(Command::Start));
    }

    #[test]
    fn stopping_asks_then_terminates_then_kills() {
        let mut machine = server(0);
        machine.poll(at(0));
        machine.stop(at(100));
        assert_eq!(machine.poll(at(100)), Some(Command::AskToStop));
        assert_eq!(machine.poll(at(100)), None);
        assert_eq!(machine.wake_at(), Some(at(110)));
        assert_eq!(machine.poll(at(110)), Some(Command::Terminate));
        assert_eq!(machine.wake_at(), Some(at(120)));
        assert_eq!(machine.poll(at(120)), Some(Command::Kill));
        assert_eq!(machine.poll(at(500)), None);
        assert!(!machine.is_stopped());
        machine.ended(at(501));
        assert!(machine.is_stopped());
        assert_eq!(machine.poll(at(1000)), None, "it stays ended");
    }

    #[test]
    fn a_server_that_waits_for_its_restart_is_stopped_at_once() {
        let mut machine = server(0);
        machine.poll(at(0));
        machine.ended(at(1));
        machine.stop(at(1));
        assert!(machine.is_stopped());
        assert_eq!(machine.poll(at(10)), None);
    }
    #[test]
    fn a_discarded_server_is_killed_at_once_and_waited_for_five_seconds() {
        let mut running = server(0);
        running.poll(at(0));
        let mut stopping = server(0);
        stopping.poll(at(0));
        stopping.stop(at(100));
        assert_eq!(stopping.poll(at(100)), Some(Command::AskToStop));
        for mut machine in [running, stopping] {
            machine.discard();
            assert!(!machine.is_over(at(1000)), "not before the kill");
            assert_eq!(machine.poll(at(101)), Some(Command::Discard));
            machine.discard();
            machine.stop(at(102));
            assert_eq!(machine.poll(at(102)), None);
            assert_eq!(machine.wake_at(), Some(at(106)));
            assert!(!machine.is_over(at(105)));
            assert!(machine.is_over(at(106)), "stuck in the kernel");
            machine.ended(at(103));
            assert!(machine.is_stopped() && machine.is_over(at(103)));
            assert_eq!(machine.poll(at(1000)), None, "it stays ended");
        }
    }

    #[test]
    fn a_discarded_server_that_does_not_run_is_over_at_once() {
        let mut machine = server(0);
        machine.poll(at(0));
        machine.ended(at(1));
        machine.discard();
        assert!(machine.is_over(at(1)));
        assert_eq!(machine.poll(at(10)), None);
    }
}
