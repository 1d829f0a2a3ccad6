//! The time of the next attempt at a certificate, and the challenge that it uses.
//!
//! The limits are those of Let's Encrypt: five failed proofs of a name in an hour, five certificates for the same names in
//! a week, three hundred orders in three hours. An attempt counts from its beginning, and the history is kept before it
//! begins: a box that is switched off again and again stays within them.

use mail_types::UnixTime;
use serde::{Deserialize, Serialize};

use super::failure::{CertificateFailure, ChallengeKind, FailureKind, NameFailure};
use crate::retry::spread_wait;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// The attempts in an hour, one less than the authority's limit.
const ATTEMPTS_AN_HOUR: usize = 4;
/// Those among them that begin after failures without a reason: the last one waits for an owner who opens a port or mends a
/// record.
const ATTEMPTS_WITHOUT_REASON: usize = 3;
/// The certificates in a week, one less than the authority's limit.
const CERTIFICATES_A_WEEK: usize = 4;
/// The lifetime below which a certificate is renewed at its half, in seconds.
const SHORT_LIFETIME: u64 = 10 * DAY;
/// The longest wait that an authority may ask for, in seconds.
const RETRY_AFTER_LIMIT: u64 = WEEK;
/// The bounds of the time until the authority's advice is asked for again, in seconds (RFC 9773 section 4.3.2), and the
/// time when it gives none (section 4.3.3).
const ADVICE_BOUNDS: (u64, u64) = (HOUR, DAY);
const ADVICE_AFTER_FAILURE: u64 = 6 * HOUR;

/// The knowledge of the calendar's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockTrust {
    /// A time server has told it, for example.
    Known,
    /// It may be any time: the machine has no battery, and nobody has told it yet.
    Unknown,
}

/// The certificate in use, if an authority issued it for the name that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldCertificate {
    /// The beginning of its validity.
    pub begins: UnixTime,
    /// The end of its validity.
    pub expires: UnixTime,
    /// Whether it has the optional names, too.
    pub is_complete: bool,
}

impl HeldCertificate {
    /// Whether it needs to be renewed soon: less than a sixth of its lifetime is left.
    #[must_use]
    pub fn is_pressing(&self, now: UnixTime) -> bool {
        let lifetime = self.expires.0.saturating_sub(self.begins.0);
        self.expires.0.saturating_sub(now.0) < lifetime / 6
    }
}

/// The time of the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAttempt {
    /// As soon as the time is known: without it no date of a certificate can be judged.
    WhenClockIsKnown,
    /// Now, or at this time.
    At(UnixTime, AttemptReason),
}

/// The reason of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptReason {
    /// There is no certificate for the name, or it has expired.
    First,
    /// The certificate is to be renewed.
    Renewal,
    /// The certificate lacks names.
    MissingNames,
}

/// The kind of name that a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A domain name.
    Domain,
    /// An IP address, which has no TXT records (RFC 8738 section 7).
    Address,
}

/// The attempts so far. The caller keeps it, and keeps it again after each change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificateHistory {
    /// The beginnings of the last attempts, as far as limits count them, the newest at the end.
    attempts: Vec<UnixTime>,
    /// The beginning of an attempt that has no end: one that runs, or was cut.
    unfinished: Option<UnixTime>,
    /// The times of the last certificates, the newest at the end.
    issued: Vec<UnixTime>,
    /// The failures since the last certificate, or since they began to be of another sort.
    failures: u32,
    last_failure: Option<Failed>,
    /// The optional names that the certificate in use lacks, and why.
    left_out: Vec<NameFailure>,
    /// Whether something has changed that lets an attempt succeed which failed before.
    is_hurried: bool,
    /// Spreads the renewals of many servers.
    chance: u16,
    advice: Option<Advice>,
    /// The time from which on the authority's advice is to be asked for.
    ask_again: UnixTime,
    /// The challenge that is to be used next, if it is available.
    challenge: Option<ChallengeKind>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failed {
    at: UnixTime,
    failure: CertificateFailure,
    /// Spreads the next attempt.
    chance: u8,
}

/// A window for the renewal that the authority suggests (RFC 9773 section 4.2), and the moment in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Advice {
    start: UnixTime,
    end: UnixTime,
    chosen: UnixTime,
}

impl CertificateHistory {
    /// The time of the next attempt. An attempt that has begun and no end counts as cut.
    #[must_use]
    pub fn next(&self, now: UnixTime, clock: ClockTrust, held: Option<HeldCertificate>) -> NextAttempt {
        if clock == ClockTrust::Unknown {
            return NextAttempt::WhenClockIsKnown;
        }
        let held = held.filter(|held| now < held.expires);
        let (due, reason) = self.due(held);
        let earliest = self.earliest(now, held);
        NextAttempt::At(due.max(earliest).max(now), reason)
    }

    /// The time at which the certificate is to be renewed, whatever stands in the way: at the authority's advice, or else
    /// when two thirds of its lifetime are over, the half if that is less than ten days.
    #[must_use]
    pub fn renewal(&self, held: HeldCertificate) -> UnixTime {
        let lifetime = held.expires.0.saturating_sub(held.begins.0);
        let at = |part: u64| UnixTime(held.begins.0.saturating_add(part));
        match self.advice {
            // Advice that comes too late is none.
            Some(advice) => advice.chosen.min(at(lifetime / 12 * 11)),
            None => {
                let share = if lifetime < SHORT_LIFETIME { lifetime / 2 } else { lifetime / 3 * 2 };
                at(share + lifetime / 30 * u64::from(self.chance) / u64::from(u16::MAX))
            }
        }
    }

    /// An attempt begins. The caller keeps the history before it makes the first request.
    pub fn begin(&mut self, now: UnixTime) {
        if self.unfinished.is_some() {
            // The one before was cut.
            self.failures = self.failures.saturating_add(1);
        }
        self.unfinished = Some(now);
        self.is_hurried = false;
        // Twice as many as count: one that did not arrive is taken out again.
        push(&mut self.attempts, now, 2 * ATTEMPTS_AN_HOUR);
    }

    /// The attempt has failed. Chance spreads the next one.
    pub fn failed(&mut self, now: UnixTime, failure: CertificateFailure, chance: u8) {
        let is_away = |failure: &CertificateFailure| failure.kind == FailureKind::Unavailable;
        let before = self.last_failure.as_ref().map(|failed| is_away(&failed.failure));
        let is_more = before == Some(is_away(&failure));
        self.failures = if is_more { self.failures.saturating_add(1) } else { 1 };
        self.unfinished = None;
        if is_away(&failure) {
            // The authority has not counted it.
            self.attempts.pop();
        }
        if let Some(challenge) = failure.challenge.filter(|_| failure.kind.depends_on_challenge()) {
            self.challenge = Some(successor(challenge));
        }
        self.last_failure = Some(Failed { at: now, failure, chance });
    }

    /// The attempt has led to a certificate, by this challenge, without these optional names. Chance spreads the renewal.
    pub fn succeeded(
        &mut self,
        now: UnixTime,
        challenge: ChallengeKind,
        left_out: Vec<NameFailure>,
        chance: u16,
    ) {
        push(&mut self.issued, now, CERTIFICATES_A_WEEK);
        let (attempts, issued) = (std::mem::take(&mut self.attempts), std::mem::take(&mut self.issued));
        let challenge = Some(challenge);
        *self = Self { attempts, issued, left_out, chance, challenge, ..Self::default() };
    }

    /// Something has changed that may let the next attempt succeed: an address, a record, a port of the router, or the
    /// owner wants it. Waits after failures are over; what the authority limits, or asked for, is not.
    pub fn hurry(&mut self) {
        self.is_hurried = true;
    }

    /// Whether the authority's advice on the certificate in use is to be asked for (RFC 9773 section 4.3).
    #[must_use]
    pub fn wants_advice(&self, now: UnixTime) -> bool {
        self.ask_again <= now
    }

    /// The authority suggests this window, and wants to be asked again after so many seconds. Chance chooses the moment in
    /// a window that is new; all values are equally likely.
    pub fn advised(&mut self, now: UnixTime, start: UnixTime, end: UnixTime, ask_again: u64, chance: u64) {
        let is_known = self.advice.is_some_and(|advice| (advice.start, advice.end) == (start, end));
        if !is_known {
            let length = u128::from(end.0.saturating_sub(start.0));
            let part = u64::try_from((length * u128::from(chance)) >> 64).unwrap_or(u64::MAX);
            self.advice = Some(Advice { start, end, chosen: UnixTime(start.0.saturating_add(part)) });
        }
        let wait = ask_again.clamp(ADVICE_BOUNDS.0, ADVICE_BOUNDS.1);
        self.ask_again = UnixTime(now.0.saturating_add(wait));
    }

    /// The authority gives no advice, or none now. What it said before holds.
    pub fn not_advised(&mut self, now: UnixTime) {
        self.ask_again = UnixTime(now.0.saturating_add(ADVICE_AFTER_FAILURE));
    }

    /// The challenge of the next attempt among those that this server can answer: the one that led to a certificate; after
    /// a failure, the next in the order of preference (port 443, which is needed anyway; port 80; records).
    #[must_use]
    pub fn choose(&self, available: &[ChallengeKind], subject: Subject) -> Option<ChallengeKind> {
        let can = |kind: &ChallengeKind| {
            available.contains(kind) && (*kind != ChallengeKind::Dns01 || subject == Subject::Domain)
        };
        // A record works with every port shut.
        let usual = if can(&ChallengeKind::Dns01) { ChallengeKind::Dns01 } else { ChallengeKind::TlsAlpn01 };
        let first = self.challenge.unwrap_or(usual);
        std::iter::successors(Some(first), |kind| Some(successor(*kind))).take(3).find(can)
    }

    /// The last attempt's failure and its time; none after a certificate.
    #[must_use]
    pub fn last_failure(&self) -> Option<(UnixTime, &CertificateFailure)> {
        self.last_failure.as_ref().map(|failed| (failed.at, &failed.failure))
    }

    /// The optional names that the certificate in use lacks, and why.
    #[must_use]
    pub fn left_out(&self) -> &[NameFailure] {
        &self.left_out
    }

    /// The number of failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    fn due(&self, held: Option<HeldCertificate>) -> (UnixTime, AttemptReason) {
        let Some(held) = held else { return (UnixTime(0), AttemptReason::First) };
        let renewal = self.renewal(held);
        let issued = self.issued.last().copied().unwrap_or_default();
        let missing = if self.is_hurried { UnixTime(0) } else { UnixTime(issued.0.saturating_add(DAY)) };
        if held.is_complete || renewal <= missing {
            (renewal, AttemptReason::Renewal)
        } else {
            (missing, AttemptReason::MissingNames)
        }
    }

    /// The time before which limits and waits forbid an attempt. What happened in the future is not counted: the clock was
    /// wrong then.
    fn earliest(&self, now: UnixTime, held: Option<HeldCertificate>) -> UnixTime {
        let past = |time: &&UnixTime| **time <= now;
        let limit = |times: &[UnixTime], count: usize, span: u64| {
            let oldest = times.iter().rev().filter(past).nth(count - 1);
            oldest.map_or(0, |oldest| oldest.0.saturating_add(span))
        };
        let has_reason = self.is_hurried || self.last_failure.is_none();
        let attempts = if has_reason { ATTEMPTS_AN_HOUR } else { ATTEMPTS_WITHOUT_REASON };
        let limits = [
            limit(&self.attempts, attempts, HOUR),
            limit(&self.issued, CERTIFICATES_A_WEEK, WEEK),
            self.last_failure.as_ref().filter(|failed| failed.at <= now).map_or(0, Failed::asked_for),
            if self.is_hurried { 0 } else { self.back_off(now, held) },
        ];
        UnixTime(limits.into_iter().max().unwrap_or(0))
    }

    /// The end of the wait after failures.
    fn back_off(&self, now: UnixTime, held: Option<HeldCertificate>) -> u64 {
        let urgency = Urgency::of(now, held);
        let (since, kind, failures, chance) = match (self.unfinished, &self.last_failure) {
            (Some(begun), _) => (begun, FailureKind::TooSlow, self.failures.saturating_add(1), 0),
            (None, Some(failed)) => (failed.at, failed.failure.kind, self.failures, failed.chance),
            (None, None) => return 0,
        };
        if since > now {
            return 0;
        }
        let (first, longest) = waits(kind, urgency);
        since.0.saturating_add(spread_wait(first, longest, failures, chance))
    }
}

impl Failed {
    /// The time that the authority asked for.
    fn asked_for(&self) -> u64 {
        let wait = self.failure.retry_after.unwrap_or(0).min(RETRY_AFTER_LIMIT);
        self.at.0.saturating_add(wait)
    }
}

/// The need for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgency {
    /// There is none, or it needs to be renewed soon.
    Pressing,
    /// The certificate has some time yet.
    Calm,
    /// Only names are missing.
    Low,
}

impl Urgency {
    fn of(now: UnixTime, held: Option<HeldCertificate>) -> Self {
        let Some(held) = held else { return Self::Pressing };
        match held.is_complete {
            _ if held.is_pressing(now) => Self::Pressing,
            true => Self::Calm,
            false => Self::Low,
        }
    }
}

/// The first and the longest wait in seconds after failures, the last one of this kind.
fn waits(kind: FailureKind, urgency: Urgency) -> (u64, u64) {
    match kind {
        // Nobody counts attempts that do not arrive; the network may be back any moment.
        FailureKind::Unavailable => (MINUTE, HOUR / 2),
        FailureKind::RateLimited => (HOUR, 12 * HOUR),
        _ if kind.lasts_until_a_person_acts() => (HOUR, DAY),
        _ if kind.depends_on_challenge() => match urgency {
            Urgency::Pressing => (MINUTE, 2 * HOUR),
            Urgency::Calm => (MINUTE, 12 * HOUR),
            Urgency::Low => (MINUTE, DAY),
        },
        // The authority's answers make no sense, or it does not accept the account.
        _ => (10 * MINUTE, 12 * HOUR),
    }
}

/// The next challenge in the order of preference, the first one after the last.
fn successor(challenge: ChallengeKind) -> ChallengeKind {
    match challenge {
        ChallengeKind::TlsAlpn01 => ChallengeKind::Http01,
        ChallengeKind::Http01 => ChallengeKind::Dns01,
        ChallengeKind::Dns01 => ChallengeKind::TlsAlpn01,
    }
}

/// Adds a time, and forgets the oldest if there are more than `limit`.
fn push(times: &mut Vec<UnixTime>, time: UnixTime, limit: usize) {
    times.push(time);
    times.drain(..times.len().saturating_sub(limit));
}

#[cfg(test)]
mod tests;
