//! The knowledge whether the calendar is right. Signatures and certificates name the time, so what needs them waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host::clock;
use host::locks::Mutex;
use ipc::network::ClockSource;
use relay_policy::certificate::ClockTrust;

/// The time after a start from which on an unknown time is worth a word: time servers answer within seconds, and web servers
/// are asked after a minute and a half.
const PATIENCE: Duration = Duration::from_secs(150);

/// Whether the calendar is right. All clones learn of it at once.
#[derive(Clone, Debug)]
pub(crate) struct TrueClock {
    state: Arc<Mutex<State>>,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Right: the owner of the machine sees to it.
    OfMachine,
    /// Perhaps wrong: no time was told yet.
    Unknown,
    /// Right by these servers.
    Told(ClockSource),
}

impl TrueClock {
    /// The clock of an ordinary machine: its right time is the business of its owner. Whether the kernel calls it
    /// synchronised is not asked for: a guest follows its host, and a container's host need not say so.
    pub(crate) fn of_machine() -> Self {
        Self::new(State::OfMachine)
    }

    /// The clock of a box, which has no battery: it is right from [`TrueClock::set_right`] on.
    pub(crate) fn of_box() -> Self {
        Self::new(State::Unknown)
    }

    fn new(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)), since: clock::now() }
    }

    fn state(&self) -> State {
        *self.state.lock()
    }

    /// The time client has set it right, by these servers.
    pub(crate) fn set_right(&self, source: ClockSource) {
        *self.state.lock() = State::Told(source);
    }

    /// The kind of servers that a box has its time from, if it knows the time.
    pub(crate) fn source(&self) -> Option<ClockSource> {
        match self.state() {
            State::OfMachine | State::Unknown => None,
            State::Told(source) => Some(source),
        }
    }

    /// Whether it is right, and shows no time before the program was written.
    pub(crate) fn is_right(&self) -> bool {
        self.state() != State::Unknown && clock::wall() >= clock::PROGRAM_WRITTEN
    }

    /// The same for the schedule of certificates.
    pub(crate) fn trust(&self) -> ClockTrust {
        if self.is_right() { ClockTrust::Known } else { ClockTrust::Unknown }
    }

    /// Whether it should have been right for a while.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        !self.is_right() && now.saturating_duration_since(self.since) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::{ClockSource, PATIENCE, TrueClock};

    #[test]
    fn the_clock_of_a_box_is_right_when_init_says_so() {
        let clock = TrueClock::of_box();
        let later = clock.clone();
        assert!(!clock.is_right() && !clock.is_overdue(clock.since));
        assert!(clock.is_overdue(clock.since + PATIENCE));
        assert_eq!(later.source(), None);
        clock.set_right(ClockSource::WebServers);
        assert!(later.is_right() && !later.is_overdue(clock.since + PATIENCE));
        assert_eq!(later.source(), Some(ClockSource::WebServers));
        assert!(TrueClock::of_machine().is_right());
    }
}
