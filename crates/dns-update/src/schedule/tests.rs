//! Timelines of updates.

use std::time::Duration;

use mail_types::UnixTime;

use super::{Limits, Permission, Purpose, ScheduleState, Step, UpdateSchedule};
use crate::applied::{Applied, Refused};
use crate::error::UpdateError;
use crate::rdata::{Rdata, RecordKind};
use crate::records::{Changes, RecordSets};

const DAY: u64 = 86_400;
const LIMITS: Limits = Limits {
    windows: &[(Duration::from_secs(1), 1), (Duration::from_secs(60), 4), (Duration::from_secs(DAY), 30)],
    refresh: None,
};
const REFRESHED: Limits = Limits { refresh: Some(Duration::from_secs(25 * DAY)), ..LIMITS };
const START: u64 = 1_800_000_000;

fn wanted(address: &str) -> RecordSets {
    let mut sets = RecordSets::default();
    sets.set_addresses(&"home.example".parse().unwrap(), &[address.parse().unwrap()]);
    sets
}

/// A schedule with the time since the start, in seconds.
struct Timeline(UpdateSchedule);

impl Timeline {
    fn new(limits: Limits) -> Self {
        Self(UpdateSchedule::new(limits, 7, ScheduleState::default()))
    }

    fn next(&mut self, second: u64, address: &str) -> Step {
        self.0.next(UnixTime(START + second), &wanted(address))
    }

    #[track_caller]
    fn send(&mut self, second: u64, address: &str, result: Result<Applied, UpdateError>) -> Changes {
        let Step::Send(changes) = self.next(second, address) else {
            panic!("{:?}", self.next(second, address));
        };
        self.0.begin(UnixTime(START + second));
        self.0.settle(UnixTime(START + second), 0, &changes, &result);
        changes
    }

    /// Kept and read again, with other settings or the same.
    fn restarted(self, limits: Limits, settings: u64) -> Self {
        let kept = serde_json::to_string(self.0.state()).unwrap();
        Self(UpdateSchedule::new(limits, settings, serde_json::from_str(&kept).unwrap()))
    }
}

fn at(second: u64) -> UnixTime {
    UnixTime(START + second)
}

fn unreachable() -> Result<Applied, UpdateError> {
    Err(UpdateError::Unreachable("no network".into()))
}

#[test]
fn nothing_is_sent_without_a_change() {
    let mut timeline = Timeline::new(LIMITS);
    timeline.send(0, "8.8.4.4", Ok(Applied::default()));
    assert_eq!(timeline.next(1, "8.8.4.4"), Step::Idle(None));
    let mut timeline = timeline.restarted(LIMITS, 7);
    assert_eq!(timeline.next(400 * DAY, "8.8.4.4"), Step::Idle(None));
    let changes = timeline.send(400 * DAY, "8.8.8.8", Ok(Applied::default()));
    assert_eq!(changes.sets().len(), 1);
}

#[test]
fn a_name_is_refreshed_before_its_provider_drops_it() {
    let mut timeline = Timeline::new(REFRESHED);
    timeline.send(0, "8.8.4.4", Ok(Applied::default()));
    assert_eq!(timeline.next(1, "8.8.4.4"), Step::Idle(Some(at(25 * DAY))));
    timeline.send(25 * DAY, "8.8.4.4", Ok(Applied::default()));
    assert_eq!(timeline.next(26 * DAY, "8.8.4.4"), Step::Idle(Some(at(50 * DAY))));
    assert_eq!(timeline.0.next(at(90 * DAY), &RecordSets::default()), {
        let gone = Changes::between(&wanted("8.8.4.4"), &RecordSets::default());
        Step::Send(gone)
    });
}

#[test]
fn pauses_grow_and_end_with_a_success() {
    let mut timeline = Timeline::new(LIMITS);
    let (mut second, mut pauses) = (0, Vec::new());
    for _ in 0..9 {
        timeline.send(second, "8.8.4.4", Err(UpdateError::Trouble("broken".into(), Duration::ZERO)));
        let Step::Wait(until) = timeline.next(second, "8.8.4.4") else { panic!("no pause") };
        pauses.push(until.0 - START - second);
        second = until.0 - START;
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920, 3840, 7680]);
    assert_eq!(timeline.0.error(), Some("broken"));
    timeline.send(second, "8.8.4.4", Ok(Applied::default()));
    assert_eq!(timeline.0.error(), None);
}

#[test]
fn the_providers_wish_to_wait_is_granted_and_spread() {
    for (chance, wait) in [(0, 3600), (u32::MAX, 4500)] {
        let mut timeline = Timeline::new(LIMITS);
        let Step::Send(changes) = timeline.next(0, "8.8.4.4") else { panic!("nothing to send") };
        timeline.0.begin(at(0));
        let busy = Err(UpdateError::TooMany(Duration::from_secs(3600)));
        timeline.0.settle(at(0), chance, &changes, &busy);
        timeline.0.network_changed(at(5));
        assert_eq!(timeline.next(5, "8.8.8.8"), Step::Wait(at(wait)));
    }
}

#[test]
fn a_network_that_comes_back_ends_the_wait_for_it() {
    let mut timeline = Timeline::new(LIMITS);
    timeline.send(0, "8.8.4.4", unreachable());
    timeline.send(30, "8.8.4.4", unreachable());
    assert_eq!(timeline.next(31, "8.8.4.4"), Step::Wait(at(90)));
    timeline.0.network_changed(at(31));
    assert_eq!(timeline.next(31, "8.8.4.4"), Step::Wait(at(45)));
    timeline.send(45, "8.8.8.8", Ok(Applied::default()));
}

#[test]
fn a_restart_forgets_no_request() {
    let mut timeline = Timeline::new(LIMITS);
    let mut sent = 0;
    // Each start finds an address that it takes for new, and the process ends before the answer.
    for second in (0..DAY).step_by(20) {
        if let Step::Send(_) = timeline.next(second, "8.8.4.4") {
            timeline.0.begin(at(second));
            sent += 1;
        }
        timeline = timeline.restarted(LIMITS, 7 + second);
    }
    // A third is kept for the certificate authority.
    assert_eq!(sent, 20);
    assert_eq!(timeline.0.permission(at(DAY - 1), Purpose::Challenge), Permission::Now);
}

#[test]
fn every_window_is_kept() {
    let mut timeline = Timeline::new(LIMITS);
    for second in [0, 1, 2, 3] {
        assert_eq!(timeline.0.permission(at(second), Purpose::Records), Permission::Now);
        timeline.0.begin(at(second));
        assert_eq!(
            timeline.0.permission(at(second), Purpose::Records),
            match second {
                3 => Permission::At(at(60)),
                _ => Permission::At(at(second + 1)),
            }
        );
    }
    assert_eq!(timeline.0.permission(at(60), Purpose::Records), Permission::Now);
}

#[test]
fn only_other_settings_help_against_wrong_ones() {
    for error in [
        UpdateError::Credentials("wrong token".into()),
        UpdateError::NoSuchName("no such name".into()),
        UpdateError::Blocked("abuse".into()),
        UpdateError::Forbidden("another's name".into()),
    ] {
        let mut timeline = Timeline::new(REFRESHED);
        timeline.send(0, "8.8.4.4", Err(error));
        let mut timeline = timeline.restarted(REFRESHED, 7);
        assert_eq!(timeline.next(100 * DAY, "8.8.8.8"), Step::Stopped);
        assert_eq!(timeline.0.permission(at(100 * DAY), Purpose::Challenge), Permission::Never);
        assert!(timeline.0.error().is_some());
        let mut timeline = timeline.restarted(REFRESHED, 8);
        assert!(matches!(timeline.next(100 * DAY, "8.8.8.8"), Step::Send(_)));
    }
}

#[test]
fn a_refused_record_holds_up_no_other_and_is_not_sent_again() {
    let mut timeline = Timeline::new(LIMITS);
    let mut sets = wanted("8.8.4.4");
    let name = "_dmarc.home.example".parse::<crate::RecordName>().unwrap();
    sets.insert(name.clone(), Rdata::text("v=DMARC1;p=reject").unwrap());
    let Step::Send(changes) = timeline.0.next(at(0), &sets) else { panic!("nothing to send") };
    let refused = sets.get(&name, RecordKind::Txt).unwrap().clone();
    let refused = vec![Refused { set: refused, reason: "no texts here".into() }];
    timeline.0.begin(at(0));
    timeline.0.settle(at(0), 0, &changes, &Ok(Applied { refused: refused.clone() }));
    let mut timeline = timeline.restarted(LIMITS, 7);
    assert_eq!(timeline.0.next(at(10), &sets), Step::Idle(None));
    assert_eq!(timeline.0.refused(), refused);
    let mut other = wanted("8.8.4.4");
    other.insert(name.clone(), Rdata::text("v=DMARC1;p=none").unwrap());
    let Step::Send(changes) = timeline.0.next(at(10), &other) else { panic!("nothing to send") };
    assert_eq!(changes.sets().len(), 1);
    timeline.0.begin(at(10));
    timeline.0.settle(at(10), 0, &changes, &Err(UpdateError::Records("never".into())));
    assert_eq!(timeline.0.next(at(20), &other), Step::Idle(None));
    assert_eq!(timeline.0.refused()[0].reason, "never");
}

#[test]
fn a_clock_that_was_ahead_delays_for_a_day_at_most() {
    let mut timeline = Timeline::new(LIMITS);
    timeline.send(4000 * DAY, "8.8.4.4", Err(UpdateError::Trouble("911".into(), Duration::from_secs(1800))));
    let Step::Wait(until) = timeline.next(0, "8.8.4.4") else { panic!("no pause") };
    assert!(until <= at(2 * DAY), "{until:?}");
    assert_eq!(timeline.next(9, "8.8.4.4"), Step::Wait(until));
    let mut timeline = Timeline::new(REFRESHED);
    timeline.send(4000 * DAY, "8.8.4.4", Ok(Applied::default()));
    assert!(matches!(timeline.next(0, "8.8.4.4"), Step::Idle(Some(_))));
    assert_eq!(timeline.next(0, "8.8.8.8"), Step::Wait(at(1)));
    timeline.send(1, "8.8.8.8", Ok(Applied::default()));
}
