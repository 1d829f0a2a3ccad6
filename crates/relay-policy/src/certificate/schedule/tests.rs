//! Timelines: attempts and what they lead to, with seconds since the start on the left.

use mail_types::UnixTime;

use super::{
    AttemptReason, CertificateHistory, ClockTrust, DAY, HOUR, HeldCertificate, MINUTE, NextAttempt, Subject,
    WEEK,
};
use crate::certificate::{CertificateFailure, ChallengeKind, FailureKind, FailureSource, NameFailure};

const START: u64 = 1_800_000_000;

fn at(seconds: u64) -> UnixTime {
    UnixTime(START + seconds)
}

/// A server, and the certificate that it has.
#[derive(Default)]
struct Timeline {
    history: CertificateHistory,
    held: Option<HeldCertificate>,
}

impl Timeline {
    fn with(begins: u64, lifetime: u64) -> Self {
        let held = HeldCertificate { begins: at(begins), expires: at(begins + lifetime), is_complete: true };
        Self { held: Some(held), ..Self::default() }
    }

    /// The seconds of the next attempt as seen at `now`.
    #[track_caller]
    fn next(&self, now: u64) -> u64 {
        match self.history.next(at(now), ClockTrust::Known, self.held) {
            NextAttempt::At(time, _) => time.0 - START,
            NextAttempt::WhenClockIsKnown => panic!("the clock is known"),
        }
    }

    /// The history as it is after a restart.
    fn restart(&mut self) {
        let kept = serde_json::to_vec(&self.history).unwrap();
        self.history = serde_json::from_slice(&kept).unwrap();
    }

    /// Attempts as early as possible, each of which fails like this at once; the seconds of the first `count`.
    fn failing(&mut self, start: u64, count: usize, kind: FailureKind) -> Vec<u64> {
        let mut now = start;
        let mut times = Vec::new();
        while times.len() < count {
            now = self.next(now);
            times.push(now);
            self.history.begin(at(now));
            self.restart();
            self.history.failed(at(now), failure(kind), 0);
            self.restart();
        }
        times
    }

    fn issue(&mut self, now: u64, lifetime: u64) {
        self.history.begin(at(now));
        self.history.succeeded(at(now), ChallengeKind::Http01, Vec::new(), 0);
        self.held = Some(HeldCertificate { begins: at(now), expires: at(now + lifetime), is_complete: true });
    }
}

fn failure(kind: FailureKind) -> CertificateFailure {
    let challenge = Some(ChallengeKind::TlsAlpn01);
    CertificateFailure { challenge, ..CertificateFailure::new(kind, FailureSource::Here, "x") }
}

#[test]
fn the_first_certificate_is_asked_for_at_once_when_the_time_is_known() {
    let timeline = Timeline::default();
    let next = |clock| timeline.history.next(at(5), clock, None);
    assert_eq!(next(ClockTrust::Unknown), NextAttempt::WhenClockIsKnown);
    assert_eq!(next(ClockTrust::Known), NextAttempt::At(at(5), AttemptReason::First));
}

#[test]
fn waits_grow_within_the_authority_s_limits() {
    let mut timeline = Timeline::default();
    // Minutes: three in the first hour, then doubling up to two hours, while there is no certificate.
    let times = timeline.failing(0, 11, FailureKind::NoConnection);
    let minutes: Vec<u64> = times.iter().map(|time| time / MINUTE).collect();
    assert_eq!(minutes, [0, 1, 3, 60, 68, 84, 120, 184, 304, 424, 544]);
    for hour in times.windows(4) {
        assert!(hour[3] - hour[0] >= HOUR, "more than three in an hour: {hour:?}");
    }
}

#[test]
fn an_owner_who_mends_something_after_failures_waits_for_no_hour() {
    let mut timeline = Timeline::default();
    timeline.failing(0, 3, FailureKind::NoConnection);
    assert_eq!(timeline.next(10 * MINUTE), HOUR);
    timeline.history.hurry();
    assert_eq!(timeline.next(10 * MINUTE), 10 * MINUTE, "one of the hour is left for this");
    timeline.history.begin(at(10 * MINUTE));
    timeline.history.failed(at(10 * MINUTE), failure(FailureKind::NoConnection), 0);
    timeline.history.hurry();
    assert_eq!(timeline.next(11 * MINUTE), HOUR, "but not more often than the authority allows");
}

#[test]
fn a_certificate_with_time_left_is_renewed_with_patience() {
    let mut timeline = Timeline::with(0, 90 * DAY);
    assert_eq!(timeline.next(DAY), 60 * DAY);
    let times = timeline.failing(60 * DAY, 20, FailureKind::NoConnection);
    assert_eq!(times[19] - times[18], 12 * HOUR);
    // In the last sixth of the lifetime attempts are denser.
    assert_eq!(timeline.next(75 * DAY + HOUR), 75 * DAY + HOUR);
    let times = timeline.failing(76 * DAY, 3, FailureKind::NoConnection);
    assert_eq!(times[2] - times[1], 2 * HOUR);
    // Once it has expired there is none.
    let next = timeline.history.next(at(91 * DAY), ClockTrust::Known, timeline.held);
    assert!(matches!(next, NextAttempt::At(_, AttemptReason::First)));
}

#[test]
fn short_lived_certificates_are_renewed_at_their_half() {
    let mut timeline = Timeline::with(0, 160 * HOUR);
    assert_eq!(timeline.next(0), 80 * HOUR);
    timeline.history.chance = u16::MAX;
    assert_eq!(timeline.next(0), 80 * HOUR + 160 * HOUR / 30);
    let mut longer = Timeline::with(0, 90 * DAY);
    longer.history.chance = u16::MAX;
    assert_eq!(longer.next(0), 63 * DAY);
}

#[test]
fn the_authority_s_advice_chooses_the_time() {
    let mut timeline = Timeline::with(0, 90 * DAY);
    assert!(timeline.history.wants_advice(at(0)));
    timeline.history.advised(at(0), at(50 * DAY), at(52 * DAY), 6 * HOUR, 1 << 63);
    assert_eq!(timeline.next(0), 51 * DAY);
    assert!(!timeline.history.wants_advice(at(6 * HOUR - 1)) && timeline.history.wants_advice(at(6 * HOUR)));
    // The moment stays while the window does, also over a restart.
    timeline.restart();
    timeline.history.advised(at(DAY), at(50 * DAY), at(52 * DAY), 0, 0);
    assert_eq!(timeline.next(DAY), 51 * DAY);
    assert_eq!(timeline.history.ask_again, at(DAY + HOUR), "not more often than this");
    // A window in the past: at once. No answer: what was said holds.
    timeline.history.advised(at(2 * DAY), at(0), at(DAY), u64::MAX, u64::MAX);
    assert_eq!(timeline.history.ask_again, at(3 * DAY));
    timeline.history.not_advised(at(3 * DAY));
    assert_eq!(timeline.next(3 * DAY), 3 * DAY);
    // One that comes too late is none.
    timeline.history.advised(at(4 * DAY), at(200 * DAY), at(201 * DAY), 0, 0);
    assert_eq!(timeline.next(4 * DAY), 82 * DAY + DAY / 2);
    // It was about the certificate before.
    timeline.issue(82 * DAY, 90 * DAY);
    assert_eq!(timeline.next(82 * DAY), 142 * DAY);
    assert!(timeline.history.wants_advice(at(82 * DAY)));
}

#[test]
fn what_the_authority_asks_for_is_obeyed_up_to_a_week() {
    for (asked, waited) in [(30, MINUTE), (3 * HOUR, 3 * HOUR), (u64::MAX, WEEK)] {
        let mut timeline = Timeline::default();
        timeline.history.begin(at(0));
        let failure = CertificateFailure { retry_after: Some(asked), ..failure(FailureKind::NoConnection) };
        timeline.history.failed(at(0), failure, 0);
        assert_eq!(timeline.next(1), waited, "{asked}");
        // Not even a hurried owner shortens it.
        timeline.history.hurry();
        assert_eq!(timeline.next(1), asked.min(WEEK), "{asked}");
    }
}

#[test]
fn a_reboot_loop_stays_within_the_limits() {
    let mut timeline = Timeline::default();
    let mut times = Vec::new();
    for now in (0..DAY).step_by(20) {
        // The plug is pulled in each attempt, and the box is up again every twenty seconds.
        if timeline.next(now) <= now {
            timeline.history.begin(at(now));
            timeline.restart();
            times.push(now);
        }
    }
    assert!(times.len() < 20, "{times:?}");
    assert_eq!(times[..4], [0, 60, 180, 420]);
}

#[test]
fn a_loop_of_certificates_stays_within_the_limits() {
    // Whatever loses the certificate each time: four in a week.
    let mut timeline = Timeline::default();
    for now in [0, DAY, 2 * DAY, 3 * DAY] {
        assert_eq!(timeline.next(now), now);
        timeline.issue(now, 90 * DAY);
        timeline.held = None;
        timeline.restart();
    }
    assert_eq!(timeline.next(4 * DAY), WEEK);
    timeline.history.hurry();
    assert_eq!(timeline.next(4 * DAY), WEEK);
}

#[test]
fn a_week_offline_ends_within_half_an_hour() {
    let mut timeline = Timeline::with(0, 90 * DAY);
    let times = timeline.failing(60 * DAY, 300, FailureKind::Unavailable);
    assert_eq!(times[299] - times[298], HOUR / 2);
    let back = times[299] + 60;
    timeline.history.hurry();
    assert_eq!(timeline.next(back), back, "at once, if somebody tells");
    // The waits of the time offline say nothing about other trouble.
    timeline.history.begin(at(back));
    timeline.history.failed(at(back), failure(FailureKind::NoConnection), 0);
    assert_eq!(timeline.next(back), back + MINUTE);
    assert_eq!(timeline.history.failures(), 1);
}

#[test]
fn trouble_that_lasts_is_tried_seldom_but_at_once_after_a_change() {
    for kind in [FailureKind::ForbiddenByCaa, FailureKind::NameRejected] {
        let mut timeline = Timeline::default();
        let times = timeline.failing(0, 7, kind);
        let hours: Vec<u64> = times.iter().map(|time| time / HOUR).collect();
        assert_eq!(hours, [0, 1, 3, 7, 15, 31, 55]);
        timeline.history.hurry();
        assert_eq!(timeline.next(times[6] + 10), times[6] + 10);
    }
}

#[test]
fn a_clock_that_was_wrong_does_not_block() {
    let mut timeline = Timeline::default();
    timeline.failing(1000 * DAY, 9, FailureKind::NoConnection);
    timeline.issue(1000 * DAY, DAY);
    timeline.held = None;
    timeline.history.begin(at(1001 * DAY));
    assert_eq!(timeline.next(0), 0);
}

#[test]
fn a_missing_name_is_tried_again_without_haste() {
    let mut timeline = Timeline::default();
    timeline.history.begin(at(0));
    let name =
        NameFailure { name: "mta-sts.box.test".into(), kind: FailureKind::NameNotFound, words: "x".into() };
    timeline.history.succeeded(at(0), ChallengeKind::TlsAlpn01, vec![name.clone()], 0);
    timeline.held = Some(HeldCertificate { begins: at(0), expires: at(90 * DAY), is_complete: false });
    assert_eq!(timeline.history.left_out(), [name]);
    assert_eq!(timeline.next(1), DAY);
    timeline.history.hurry();
    let next = timeline.history.next(at(5), ClockTrust::Known, timeline.held);
    assert_eq!(next, NextAttempt::At(at(5), AttemptReason::MissingNames));
    let times = timeline.failing(DAY, 20, FailureKind::NameNotFound);
    assert_eq!(times[19] - times[18], DAY);
    let next = timeline.history.next(at(61 * DAY), ClockTrust::Known, timeline.held);
    assert!(matches!(next, NextAttempt::At(_, AttemptReason::MissingNames)));
}

#[test]
fn challenges_are_tried_in_turn_and_the_one_that_works_stays() {
    use ChallengeKind::{Dns01, Http01, TlsAlpn01};
    let all = [Dns01, Http01, TlsAlpn01];
    let mut history = CertificateHistory::default();
    let mut turns = Vec::new();
    for _ in 0..5 {
        let chosen = history.choose(&all, Subject::Domain).unwrap();
        turns.push(chosen);
        let failure = CertificateFailure { challenge: Some(chosen), ..failure(FailureKind::NoConnection) };
        history.failed(at(0), failure, 0);
    }
    assert_eq!(turns, [Dns01, TlsAlpn01, Http01, Dns01, TlsAlpn01]);
    assert_eq!(CertificateHistory::default().choose(&[TlsAlpn01, Http01], Subject::Domain), Some(TlsAlpn01));
    // Trouble that has nothing to do with it changes nothing.
    history.failed(at(0), failure(FailureKind::Unavailable), 0);
    assert_eq!(history.choose(&all, Subject::Domain), Some(Http01));
    assert_eq!(
        history.choose(&[Dns01, TlsAlpn01], Subject::Address),
        Some(TlsAlpn01),
        "an address has no records"
    );
    assert_eq!(history.choose(&[Dns01], Subject::Address), None);
    history.succeeded(at(0), Http01, Vec::new(), 0);
    assert_eq!(history.choose(&all, Subject::Domain), Some(Http01));
    assert_eq!(history.choose(&[TlsAlpn01], Subject::Domain), Some(TlsAlpn01));
}

#[test]
fn a_history_of_another_version_is_read() {
    let history: CertificateHistory = serde_json::from_str(r#"{"failures":3,"new":1}"#).unwrap();
    assert_eq!(history.failures(), 3);
}
