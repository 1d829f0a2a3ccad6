//! The judgement of a round, and the correction of the clock that follows from it.
//!
//! ```text
//! samples ─▶ majority, or the only server there is ─▶ bounds, dates ─▶ offset ─▶ first, or > 0.5 s: step
//!                                                                                > 2 ms: slew
//! dates of web servers ─▶ majority ─▶ bounds ─▶ offset ─▶ larger than its uncertainty: step
//! ```

use std::time::Duration;

use crate::agreement::{Agreement, majority};
use crate::bounds::{Bounds, OutOfBounds};
use crate::dates::Dates;
use crate::frequency::Frequency;
use crate::nanoseconds::Nanoseconds;
use crate::sample::Sample;
use crate::schedule::{Outcome, Schedule};

/// The rounds in which the only server there is must say the same before it is believed.
pub const LONE_ROUNDS: u32 = 3;

/// The largest offset that is slewed.
const LARGEST_SLEW: Duration = Duration::from_millis(500);
/// The largest offset that is left as it is: a slew needs a wake-up at its end.
const LARGEST_IGNORED: Duration = Duration::from_millis(2);
/// The rate of a slew: with the crystal's correction it stays below the kernel's 500 parts per million.
const SLEW_PPM: f64 = 390.0;

/// The state from round to round.
#[derive(Debug)]
pub struct Keeper {
    bounds: Bounds,
    frequency: Frequency,
    schedule: Schedule,
    dates: Dates,
    /// The uptime of the last round of time servers that brought the time, if nothing has contradicted it since.
    synchronised: Option<Duration>,
    slew: Option<Slew>,
    lone: Option<Lone>,
}

/// A slew in force.
#[derive(Clone, Copy, Debug)]
struct Slew {
    ppm: f64,
    until: Duration,
}

/// The claim of a server that is the only one.
#[derive(Clone, Copy, Debug)]
struct Lone {
    claim: Sample,
    rounds: u32,
}

/// The facts of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round<'a> {
    /// The uptime at its end.
    pub uptime: Duration,
    /// The calendar's time at that uptime.
    pub calendar: Nanoseconds,
    /// The claims of the servers that have answered, each server once.
    pub samples: &'a [Sample],
    /// The number of servers that there are, whether they answer or not.
    pub servers: usize,
    /// A random byte, for the time of the next round.
    pub chance: u8,
}

/// The judgement of a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The time is known.
    Known {
        /// The difference of the calendar from it: positive if the calendar was behind.
        offset: Nanoseconds,
        /// The greatest error of the offset.
        uncertainty: Duration,
        /// The number of servers that agree on it.
        servers: usize,
        /// The correction to make.
        correction: Correction,
    },
    /// This round has not brought the time.
    Refused(Refusal),
}

/// A correction of the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Correction {
    /// The clock is right as it is.
    None,
    /// Set it by this much at once, and end a slew.
    Step(Nanoseconds),
    /// Let it run at [`Keeper::rate`] until [`Keeper::slew_end`].
    Slew,
}

/// A round without the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No server has answered.
    #[error("no time server answers")]
    Silence,
    /// One of several servers has answered, and nobody confirms it.
    #[error("only one of several time servers answers")]
    Alone,
    /// The only server there is has to confirm its time in the next rounds.
    #[error("the only time server has yet to confirm its time")]
    Unconfirmed,
    /// The servers contradict each other.
    #[error("the time servers contradict each other")]
    Disagreement,
    /// The servers agree on a time that is minutes away from the one that web servers have told since the start, by dates
    /// that nobody in the path can forge.
    #[error(
        "the time servers contradict the dates of web servers by more than five minutes and are not believed"
    )]
    AgainstDates,
    /// Too few web servers have answered.
    #[error("too few web servers tell a date")]
    FewDates,
    /// The web servers contradict each other.
    #[error("the dates of web servers contradict each other")]
    ContradictoryDates,
    /// The dates of web servers are not believed.
    #[error("the dates of web servers name {0}")]
    DatesOutOfBounds(OutOfBounds),
    /// The time is not believed.
    #[error("the time servers name {0}")]
    OutOfBounds(#[from] OutOfBounds),
}

impl Keeper {
    /// A keeper whose first round is due at once. Web servers are to be asked when time servers have not brought the time
    /// after `patience`, usually [`dates::PATIENCE`](crate::dates::PATIENCE).
    #[must_use]
    pub fn new(bounds: Bounds, now: Duration, patience: Duration) -> Self {
        let (schedule, dates) = (Schedule::new(now), Dates::new(now, patience));
        let frequency = Frequency::default();
        Self { bounds, frequency, schedule, dates, synchronised: None, slew: None, lone: None }
    }

    /// Whether a round of time servers has brought the time.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        self.synchronised.is_some()
    }

    /// The uptime of the next round.
    #[must_use]
    pub fn next_round(&self) -> Duration {
        self.schedule.next()
    }

    /// The uptime at which web servers are to be asked for their dates, if no round brings the time before.
    #[must_use]
    pub fn next_dates(&self) -> Duration {
        self.dates.next()
    }

    /// The uptime at which the slew in force ends, and with it the rate.
    #[must_use]
    pub fn slew_end(&self, now: Duration) -> Option<Duration> {
        self.slew.map(|slew| slew.until).filter(|until| *until > now)
    }

    /// The rate at which the clock is to run, as the difference from its own in parts per million: 490 at most.
    #[must_use]
    pub fn rate(&self, now: Duration) -> f64 {
        let slew = self.slew.filter(|slew| slew.until > now);
        self.frequency.ppm() + slew.map_or(0.0, |slew| slew.ppm)
    }

    /// The network has changed: if there has not been a time yet, there may be one now.
    pub fn network_changed(&mut self, now: Duration) {
        if self.synchronised.is_none() {
            self.schedule.retry_soon(now);
            self.dates.network_changed(now);
        }
    }

    /// Judges a round of time servers, and sets the time of the next.
    pub fn round_ended(&mut self, round: &Round<'_>) -> Verdict {
        let (verdict, outcome) = match self.judge(round) {
            Ok(found @ Agreement { uncertainty, servers, .. }) => {
                let offset = found.at(round.uptime).minus(round.calendar);
                let correction = self.correct(offset, round.uptime);
                self.dates.spare(round.uptime);
                let outcome = match correction {
                    Correction::Step(_) => Outcome::Stepped,
                    Correction::None | Correction::Slew => Outcome::Good,
                };
                (Verdict::Known { offset, uncertainty, servers, correction }, outcome)
            }
            Err(refusal) => {
                if refusal == Refusal::AgainstDates {
                    self.dates.hasten(round.uptime, Duration::ZERO);
                }
                (Verdict::Refused(refusal), self.without_time())
            }
        };
        self.schedule.round_ended(round.uptime, outcome, round.chance);
        verdict
    }

    fn without_time(&self) -> Outcome {
        if self.is_synchronised() {
            Outcome::Missed
        } else if self.dates.are_known() {
            Outcome::NotNeeded
        } else {
            Outcome::NotYet
        }
    }

    /// Judges the dates of web servers, and sets the time of the next question. The clock is stepped if it is off by more
    /// than they can be.
    pub fn dates_ended(&mut self, round: &Round<'_>) -> Verdict {
        let judged = self.judge_dates(round);
        self.dates.ended(round.uptime, judged.ok(), round.chance);
        match judged {
            Ok(found @ Agreement { uncertainty, servers, .. }) => {
                let offset = found.at(round.uptime).minus(round.calendar);
                let correction = if offset.magnitude() > uncertainty {
                    // The time servers were wrong, or the crystal is: their rates are no longer worth anything.
                    (self.synchronised, self.slew) = (None, None);
                    Correction::Step(offset)
                } else {
                    Correction::None
                };
                Verdict::Known { offset, uncertainty, servers, correction }
            }
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    fn judge_dates(&self, round: &Round<'_>) -> Result<Agreement, Refusal> {
        if round.samples.len() < 2 {
            return Err(Refusal::FewDates);
        }
        let found = majority(round.samples).ok_or(Refusal::ContradictoryDates)?;
        self.bounds.check(found.at(round.uptime)).map_err(Refusal::DatesOutOfBounds)?;
        Ok(found)
    }

    /// The agreement of the servers, which may be one, if it is believed.
    fn judge(&mut self, round: &Round<'_>) -> Result<Agreement, Refusal> {
        let found = match round.samples {
            [] => return Err(Refusal::Silence),
            [sample] if round.servers <= 1 => {
                self.confirm(*sample)?;
                Agreement { start: sample.start, uncertainty: sample.uncertainty, servers: 1 }
            }
            [_] => return Err(Refusal::Alone),
            samples => majority(samples).ok_or(Refusal::Disagreement)?,
        };
        self.bounds.check(found.at(round.uptime))?;
        if self.dates.contradict(&found) {
            return Err(Refusal::AgainstDates);
        }
        self.lone = None;
        Ok(found)
    }

    /// The only server there is says the same as before, often enough. Later a step needs the same again.
    fn confirm(&mut self, claim: Sample) -> Result<(), Refusal> {
        let rounds = match self.lone {
            Some(before) if before.claim.agrees_with(&claim) => before.rounds + 1,
            _ => 1,
        };
        self.lone = Some(Lone { claim, rounds });
        if rounds >= LONE_ROUNDS { Ok(()) } else { Err(Refusal::Unconfirmed) }
    }

    fn correct(&mut self, offset: Nanoseconds, now: Duration) -> Correction {
        let before = self.synchronised.replace(now);
        let was_slewing = self.slew_end(now).is_some();
        self.slew = None;
        let Some(before) = before.filter(|_| offset.magnitude() <= LARGEST_SLEW) else {
            return Correction::Step(offset);
        };
        if !was_slewing {
            self.frequency.learn(offset, now.saturating_sub(before));
        }
        if offset.magnitude() <= LARGEST_IGNORED {
            return Correction::None;
        }
        let length = offset.magnitude().as_secs_f64() / SLEW_PPM * 1e6;
        let ppm = SLEW_PPM.copysign(offset.as_seconds());
        self.slew = Some(Slew { ppm, until: now + Duration::from_secs_f64(length) });
        Correction::Slew
    }
}
