//! The time of the next update: only on change, within the provider's limits, after growing pauses when it fails, and never
//! again when only the owner can help. Pure; its state outlives a restart, so that a box that restarts again and again sends
//! no more than others.

use std::collections::VecDeque;
use std::time::Duration;

use mail_types::UnixTime;
use serde::{Deserialize, Serialize};

use crate::applied::{Applied, Refused};
use crate::error::{Remedy, UpdateError};
use crate::records::{Changes, RecordSet, RecordSets};

/// The pause after the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause while the provider cannot be reached, which costs it nothing.
const LONGEST_UNREACHABLE_PAUSE: Duration = Duration::from_secs(30 * 60);
/// The longest pause after other failures, and the longest that a provider is believed.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
/// The part of a pause by which it may be longer, so that not all boxes ask at the same moment: a quarter.
const JITTER_PART: u64 = 4;
/// The pause after an attempt that reached nobody, when the network has come back.
const PROBE_PAUSE: Duration = Duration::from_secs(15);
/// The part of the requests of an hour or longer that is kept for answers to the certificate authority: a third.
const CHALLENGE_PART: usize = 3;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The most updates that a provider is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Numbers of updates within any time of such a length; the longest last.
    pub windows: &'static [(Duration, usize)],
    /// The time after which an update is sent though nothing has changed, so that the provider keeps the name.
    pub refresh: Option<Duration>,
}

/// The purpose of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The addresses and other records of the name.
    Records,
    /// An answer to a certificate authority.
    Challenge,
}

/// The state of a schedule, in the form in which it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduleState {
    /// The settings it is about.
    settings: u64,
    /// The updates that the limits still count, the oldest first.
    sent: VecDeque<UnixTime>,
    /// The sets that the provider has taken.
    published: RecordSets,
    /// The last update that succeeded.
    refreshed: UnixTime,
    /// The sets that the provider does not take.
    refused: Vec<Refused>,
    /// Failures in succession.
    failures: u32,
    pause: Option<Pause>,
    stopped: bool,
    /// The last failure in words; none after a success.
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pause {
    until: UnixTime,
    /// Whether a network that has come back ends it.
    soft: bool,
}

/// The thing to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send these changes now: [`UpdateSchedule::begin`], then the request, then [`UpdateSchedule::settle`].
    Send(Changes),
    /// There is something to send, at this time.
    Wait(UnixTime),
    /// All is published; at this time the name is refreshed, if ever.
    Idle(Option<UnixTime>),
    /// Nothing is sent before the settings change: the error is [`UpdateSchedule::error`].
    Stopped,
}

/// The permission for one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Now.
    Now,
    /// At this time.
    At(UnixTime),
    /// Not before the settings change.
    Never,
}

/// The schedule of the updates to one provider.
#[derive(Clone, Debug)]
pub struct UpdateSchedule {
    limits: Limits,
    state: ScheduleState,
}

impl UpdateSchedule {
    /// A schedule that goes on from a kept state. Where the settings (by their fingerprint) are others than before, nothing
    /// counts as published, refused or failed; the number of requests counts on.
    #[must_use]
    pub fn new(limits: Limits, settings: u64, state: ScheduleState) -> Self {
        let state = if state.settings == settings {
            state
        } else {
            ScheduleState { settings, sent: state.sent, ..ScheduleState::default() }
        };
        Self { limits, state }
    }

    /// The state to keep: after [`UpdateSchedule::begin`] before the request goes out, and after
    /// [`UpdateSchedule::settle`].
    #[must_use]
    pub fn state(&self) -> &ScheduleState {
        &self.state
    }

    /// The last failure, a sentence; none after a success.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.state.error.as_deref()
    }

    /// The sets that the provider does not take, with its reasons.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.state.refused
    }

    /// The sets that the provider has taken.
    #[must_use]
    pub fn published(&self) -> &RecordSets {
        &self.state.published
    }

    /// The thing to do about these wanted sets, which the provider has a place for. To be asked again when they change, and at
    /// the time that it says.
    #[must_use]
    pub fn next(&mut self, now: UnixTime, wanted: &RecordSets) -> Step {
        let due = match self.permission(now, Purpose::Records) {
            Permission::Never => return Step::Stopped,
            Permission::Now => now,
            Permission::At(time) => time,
        };
        let wanted = self.without_refused(wanted);
        let mut changes = Changes::between(&self.state.published, &wanted);
        if changes.is_empty() {
            let refresh = self.limits.refresh.filter(|_| !wanted.is_empty());
            let refresh = refresh.map(|after| later(self.state.refreshed, after));
            if refresh.is_none_or(|time| time > now) {
                return Step::Idle(refresh);
            }
            changes = Changes::between(&RecordSets::default(), &wanted);
        }
        if due > now { Step::Wait(due) } else { Step::Send(changes) }
    }

    /// The permission for an update.
    #[must_use]
    pub fn permission(&mut self, now: UnixTime, purpose: Purpose) -> Permission {
        if self.state.stopped {
            return Permission::Never;
        }
        self.correct(now);
        let pause = self.state.pause.map_or(now, |pause| pause.until);
        let windows = self.limits.windows.iter().map(|window| self.free_at(now, *window, purpose));
        let due = windows.fold(pause, UnixTime::max);
        if due > now { Permission::At(due) } else { Permission::Now }
    }

    /// Moves times that a clock that was ahead has left in the future: what was done counts as done now, and no pause lasts
    /// longer than the longest with its jitter.
    fn correct(&mut self, now: UnixTime) {
        let longest = later(now, LONGEST_PAUSE + LONGEST_PAUSE / 4);
        if let Some(pause) = &mut self.state.pause {
            pause.until = pause.until.min(longest);
        }
        self.state.refreshed = self.state.refreshed.min(now);
        for sent in &mut self.state.sent {
            *sent = (*sent).min(now);
        }
    }

    /// The time at which a window has room for one more.
    fn free_at(&self, now: UnixTime, (length, number): (Duration, usize), purpose: Purpose) -> UnixTime {
        let kept = if length >= HOUR && purpose == Purpose::Records { number / CHALLENGE_PART } else { 0 };
        let number = number.saturating_sub(kept).max(1);
        // The update that must have left the window.
        let last = self.state.sent.iter().rev().nth(number - 1);
        last.map_or(now, |sent| later(*sent, length))
    }

    /// Counts an update that is sent now.
    pub fn begin(&mut self, now: UnixTime) {
        self.correct(now);
        let longest = self.limits.windows.last().map_or(Duration::ZERO, |(length, _)| *length);
        while self.state.sent.front().is_some_and(|sent| later(*sent, longest) <= now) {
            self.state.sent.pop_front();
        }
        self.state.sent.push_back(now);
    }

    /// Takes the result of sending these changes. The chance is any number: it spreads the pause.
    pub fn settle(
        &mut self,
        now: UnixTime,
        chance: u32,
        changes: &Changes,
        result: &Result<Applied, UpdateError>,
    ) {
        match result {
            Ok(applied) => {
                self.succeeded();
                self.state.refreshed = now;
                self.take_over(changes, &applied.refused);
            }
            Err(error) if error.remedy() == Remedy::Records => {
                self.succeeded();
                let reason = error.to_string();
                let refuse = |set: &RecordSet| Refused { set: set.clone(), reason: reason.clone() };
                self.take_over(changes, &changes.sets().iter().map(refuse).collect::<Vec<_>>());
            }
            Err(error) => self.failed(now, chance, error),
        }
    }

    /// Takes the result of an answer to a certificate authority.
    pub fn settle_challenge(&mut self, now: UnixTime, chance: u32, result: &Result<(), UpdateError>) {
        match result {
            Ok(()) => self.succeeded(),
            // The records of the name are not concerned.
            Err(error) if error.remedy() == Remedy::Records => {}
            Err(error) => self.failed(now, chance, error),
        }
    }

    /// Ends a pause after failures that reached nobody: the network has come back, or has a new address.
    pub fn network_changed(&mut self, now: UnixTime) {
        if let Some(pause) = self.state.pause.as_mut().filter(|pause| pause.soft) {
            let last = self.state.sent.back().copied().unwrap_or_default().min(now);
            pause.until = pause.until.min(later(last, PROBE_PAUSE));
        }
    }

    fn succeeded(&mut self) {
        self.state.failures = 0;
        self.state.pause = None;
        self.state.error = None;
    }

    fn failed(&mut self, now: UnixTime, chance: u32, error: &UpdateError) {
        self.state.error = Some(error.to_string());
        let doubled = 1_u32.checked_shl(self.state.failures.min(16)).unwrap_or(u32::MAX);
        let growing = FIRST_PAUSE.saturating_mul(doubled);
        self.state.failures = self.state.failures.saturating_add(1);
        let (least, longest) = match error.remedy() {
            Remedy::Settings | Remedy::Records => {
                self.state.stopped = true;
                return;
            }
            Remedy::Wait(least) => (least.min(LONGEST_PAUSE), LONGEST_PAUSE),
            Remedy::Network => (Duration::ZERO, LONGEST_UNREACHABLE_PAUSE),
        };
        let pause = growing.min(longest).max(least);
        let jitter = u64::from(chance) * (pause.as_secs() / JITTER_PART) / u64::from(u32::MAX);
        let until = later(now, pause + Duration::from_secs(jitter));
        self.state.pause = Some(Pause { until, soft: error.remedy() == Remedy::Network });
    }

    /// Notes that these changes are published but for some.
    fn take_over(&mut self, changes: &Changes, refused: &[Refused]) {
        for set in changes.sets() {
            let same = |refused: &Refused| refused.set.name == set.name && refused.set.kind == set.kind;
            self.state.refused.retain(|refused| !same(refused));
            match refused.iter().find(|refused| same(refused)) {
                Some(refused) => self.state.refused.push(refused.clone()),
                None => self.state.published.replace(set.clone()),
            }
        }
    }

    /// The wanted sets; in the place of those that the provider has refused as they are, those before.
    fn without_refused(&self, wanted: &RecordSets) -> RecordSets {
        let mut sets = wanted.clone();
        for Refused { set, .. } in &self.state.refused {
            let (before, wanted) =
                (self.state.published.get(&set.name, set.kind).cloned(), wanted.get(&set.name, set.kind));
            let same = wanted.map_or(set.data.is_empty(), |wanted| wanted == set);
            if same {
                let absent = || RecordSet::absent(set.name.clone(), set.kind);
                sets.replace(before.unwrap_or_else(absent));
            }
        }
        sets
    }
}

fn later(time: UnixTime, duration: Duration) -> UnixTime {
    UnixTime(time.0.saturating_add(duration.as_secs()))
}

#[cfg(test)]
mod tests;
