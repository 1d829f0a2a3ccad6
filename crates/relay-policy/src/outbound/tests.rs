//! Timelines of the schedule: who goes when, and who waits for whom.

use std::time::{Duration, Instant};

use mail_types::{Domain, UnixTime};

use super::{Attempted, Due, OutboundSchedule, PATIENT_TRIES, QueueShare, WaitingMessage};
use crate::retry::RetrySchedule;

const SINCE: UnixTime = UnixTime(1_000_000);
const MINUTE: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "any time will do as the first one")]
fn anchor() -> Instant {
    Instant::now()
}

fn message(name: &str, since: UnixTime) -> WaitingMessage {
    let owner = Some("anna@box.test".parse().unwrap());
    WaitingMessage { destination: domain(name), owner, since, size: 100 }
}

fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

/// A schedule with these messages, all due at the start.
fn with(start: Instant, messages: &[(u64, &str)]) -> OutboundSchedule {
    let mut schedule = OutboundSchedule::new(RetrySchedule::default(), 6);
    for (id, name) in messages {
        schedule.add(*id, message(name, SINCE), start);
    }
    schedule
}

#[test]
fn a_destination_is_tried_by_one_at_a_time_and_only_so_many_at_once() {
    let start = anchor();
    let mut schedule = with(start, &[(1, "a.test"), (2, "a.test"), (3, "b.test"), (4, "c.test")]);
    assert_eq!(schedule.start(start), Some(domain("a.test")));
    assert_eq!(schedule.start(start), Some(domain("b.test")));
    assert_eq!((schedule.start(start), schedule.wake_at()), (None, None));
    assert_eq!(schedule.take(start, &domain("a.test")), Some(Due { id: 1, tries: 1 }));
    schedule.settle(start, 1, Attempted::Finished, 0);
    assert_eq!(schedule.take(start, &domain("a.test")), Some(Due { id: 2, tries: 1 }));
    schedule.settle(start, 2, Attempted::Finished, 0);
    assert_eq!(schedule.take(start, &domain("a.test")), None);
    schedule.stop(&domain("a.test"));
    assert_eq!(schedule.wake_at(), Some(start));
    assert_eq!(schedule.start(start), Some(domain("c.test")));
    assert_eq!(schedule.len(), 2);
}

#[test]
fn all_messages_of_a_destination_that_is_away_wait_for_one_attempt() {
    let start = anchor();
    let mut schedule = with(start, &[(1, "a.test"), (2, "a.test")]);
    let a = domain("a.test");
    let mut now = start;
    for wait in [60, 120, 240] {
        assert_eq!(schedule.start(now), Some(a.clone()));
        let due = schedule.take(now, &a).unwrap();
        schedule.settle(now, due.id, Attempted::Unreachable, 0);
        assert_eq!(schedule.take(now, &a), None);
        schedule.stop(&a);
        assert!(schedule.is_down(now, &a));
        now += Duration::from_secs(wait);
        assert_eq!(schedule.wake_at(), Some(now));
    }
    // It answers: the message that waited without an attempt goes at once.
    schedule.start(now).unwrap();
    let due = schedule.take(now, &a).unwrap();
    schedule.settle(now, due.id, Attempted::Finished, 0);
    assert!(schedule.take(now, &a).is_some());
}

#[test]
fn a_message_that_is_put_off_holds_up_the_later_ones_of_its_account_for_a_while() {
    let start = anchor();
    let mut schedule = with(start, &[(1, "a.test"), (2, "a.test")]);
    schedule.add(3, of("ben@box.test", "a.test", 100), start);
    let a = domain("a.test");
    schedule.start(start).unwrap();
    let mut now = start;
    for tries in 1..PATIENT_TRIES {
        assert_eq!(schedule.take(now, &a), Some(Due { id: 1, tries }));
        schedule.settle(now, 1, Attempted::Deferred(MINUTE), 0);
        if tries == 1 {
            // Another account's mail goes on.
            assert_eq!(schedule.take(now, &a).unwrap().id, 3);
            schedule.settle(now, 3, Attempted::Finished, 0);
        }
        assert_eq!(schedule.take(now, &a), None);
        assert_eq!(schedule.due(2), Some(now + MINUTE));
        now += MINUTE;
    }
    assert_eq!(schedule.take(now, &a).unwrap().id, 1);
    schedule.settle(now, 1, Attempted::Deferred(MINUTE), 0);
    assert_eq!(schedule.take(now, &a).unwrap().id, 2);
    schedule.settle(now, 2, Attempted::Finished, 0);
    schedule.hurry(now, 1);
    assert_eq!(schedule.take(now, &a).unwrap().id, 1);
    schedule.settle(now, 1, Attempted::Finished, 0);
    schedule.stop(&a);
    assert!(schedule.is_empty() && schedule.destinations.is_empty());
}

#[test]
fn a_message_that_comes_late_into_its_line_goes_first() {
    let start = anchor();
    let mut schedule = with(start, &[(5, "a.test"), (6, "a.test")]);
    let a = domain("a.test");
    // Its first attempt was under way when the others were queued.
    schedule.add(4, message("a.test", SINCE), start + MINUTE);
    schedule.start(start + MINUTE).unwrap();
    let order: Vec<u64> = (0..3)
        .map(|_| {
            let id = schedule.take(start + MINUTE, &a).unwrap().id;
            schedule.settle(start + MINUTE, id, Attempted::Finished, 0);
            id
        })
        .collect();
    assert_eq!(order, [4, 5, 6]);
}

#[test]
fn a_destination_that_was_away_is_tried_for_a_fresh_message_and_after_a_sign_of_life() {
    let start = anchor();
    let a = domain("a.test");
    let away = || {
        let mut schedule = with(start, &[(1, "a.test")]);
        schedule.start(start).unwrap();
        schedule.take(start, &a).unwrap();
        for _ in 0..8 {
            schedule.settle(start, 1, Attempted::Unreachable, 0);
        }
        schedule.stop(&a);
        assert!(schedule.is_down(start, &a) && !schedule.is_down(start + MINUTE, &a));
        schedule
    };
    let mut schedule = away();
    schedule.heard_from(start + Duration::from_secs(1), &a);
    schedule.add(2, message("a.test", SINCE), start + Duration::from_secs(2));
    assert_eq!(schedule.start(start + MINUTE), None);
    let mut schedule = away();
    schedule.heard_from(start + MINUTE, &a);
    assert_eq!(schedule.start(start + MINUTE), Some(a.clone()));
    let mut schedule = away();
    schedule.add(2, message("a.test", SINCE), start + MINUTE);
    assert_eq!(schedule.start(start + MINUTE), Some(a.clone()));
    assert_eq!(schedule.take(start + MINUTE, &a).unwrap().id, 1);
    assert_eq!(schedule.take(start + MINUTE, &a), None);
}

#[test]
fn messages_that_are_too_old_are_named_also_while_their_destination_is_away() {
    let start = anchor();
    let mut schedule = with(start, &[(1, "a.test"), (2, "a.test")]);
    let a = domain("a.test");
    schedule.add(3, message("a.test", UnixTime(SINCE.0 + 1)), start + MINUTE);
    schedule.start(start).unwrap();
    let due = schedule.take(start, &a).unwrap();
    schedule.settle(start, due.id, Attempted::Unreachable, 0);
    let late = UnixTime(SINCE.0 + 2 * 86_400);
    let mut expired: Vec<u64> = schedule.take_expired(late, &a).iter().map(|due| due.id).collect();
    expired.sort_unstable();
    assert_eq!(expired, [1, 2]);
    assert_eq!(schedule.take_expired(late, &a), []);
    schedule.settle(start, 1, Attempted::Finished, 0);
    schedule.forget(2);
    assert_eq!(schedule.len(), 1);
}

#[test]
fn nothing_is_kept_of_a_destination_without_messages() {
    let start = anchor();
    let mut schedule = with(start, &[(1, "a.test")]);
    schedule.start(start).unwrap();
    schedule.take(start, &domain("a.test")).unwrap();
    schedule.settle(start, 1, Attempted::Finished, 0);
    schedule.stop(&domain("a.test"));
    assert!(schedule.destinations.is_empty() && schedule.is_empty() && schedule.running == 0);
}

#[test]
fn an_account_has_a_part_of_the_queue_until_its_messages_are_gone() {
    let start = anchor();
    let mut schedule = with(start, &[(1, "a.test"), (2, "b.test"), (2, "b.test")]);
    let anna = "anna@box.test".parse().unwrap();
    assert_eq!(schedule.share(&anna), QueueShare { messages: 2, bytes: 200 });
    assert!(schedule.admits(&anna, 3, 100, 500));
    assert!(!schedule.admits(&anna, 4, 100, 500));
    assert!(!schedule.admits(&anna, 999, 0, 500));
    assert!(!schedule.admits(&anna, usize::MAX, u64::MAX, 500));
    schedule.forget(1);
    schedule.settle(start, 2, Attempted::Finished, 0);
    assert_eq!(schedule.share(&anna), QueueShare::default());
    assert!(schedule.shares.is_empty());
}

fn of(owner: &str, destination: &str, size: u64) -> WaitingMessage {
    let owner = Some(owner.parse().unwrap());
    WaitingMessage { destination: domain(destination), owner, since: SINCE, size }
}

#[test]
fn one_account_takes_its_share_of_the_workers_and_the_longest_wait_ends_first() {
    let start = anchor();
    let mut schedule = OutboundSchedule::new(RetrySchedule::default(), 6);
    for id in 0..100 {
        schedule.add(id, of("eve@box.test", &format!("tarpit{id}.test"), 1), start);
    }
    schedule.add(100, of("anna@box.test", "zz.test", 1), start + MINUTE);
    schedule.add(101, of("anna@box.test", "aa.test", 1), start + 2 * MINUTE);
    let now = start + 3 * MINUTE;
    let started: Vec<Domain> = std::iter::from_fn(|| schedule.start(now)).collect();
    let [one, two, rest @ ..] = started.as_slice() else { panic!("{started:?}") };
    assert!(one.to_string().starts_with("tarpit") && two.to_string().starts_with("tarpit"));
    assert_eq!(rest, [domain("zz.test"), domain("aa.test")]);
    assert_eq!(schedule.wake_at(), None);
    schedule.stop(one);
    assert!(schedule.start(now).is_some());
}

#[test]
fn a_small_message_goes_before_large_ones_of_its_destination() {
    let start = anchor();
    let mut schedule = OutboundSchedule::new(RetrySchedule::default(), 6);
    schedule.add(1, of("eve@box.test", "a.test", 30 << 20), start);
    schedule.add(2, of("eve@box.test", "a.test", 30 << 20), start);
    schedule.add(3, of("anna@box.test", "a.test", 2000), start + MINUTE);
    let (a, now) = (domain("a.test"), start + MINUTE);
    schedule.start(start).unwrap();
    assert_eq!(schedule.take(start, &a).unwrap().id, 1);
    assert_eq!(schedule.take(now, &a).unwrap().id, 3);
    assert_eq!(schedule.take(now, &a), None, "the second of an account waits for the first");
    schedule.settle(now, 1, Attempted::Finished, 0);
    assert_eq!(schedule.take(now, &a).unwrap().id, 2);
}

#[test]
fn whoever_tries_a_destination_anyway_takes_what_waits_there() {
    let start = anchor();
    let mut schedule = with(start, &[(1, "a.test")]);
    let a = domain("a.test");
    assert!(!schedule.join(start, &domain("b.test")));
    assert!(schedule.join(start, &a) && !schedule.join(start, &a));
    assert_eq!(schedule.take(start, &a).unwrap().id, 1);
    schedule.settle(start, 1, Attempted::Finished, 0);
    schedule.stop(&a);
    assert!(schedule.running == 0 && schedule.running_for.is_empty());
}

#[test]
fn a_message_that_is_given_up_is_no_sign_of_life_of_its_destination() {
    let start = anchor();
    let mut schedule = with(start, &[(1, "a.test")]);
    let fresh = WaitingMessage { since: UnixTime(SINCE.0 + 86_400), ..of("ben@box.test", "a.test", 100) };
    schedule.add(2, fresh, start);
    let a = domain("a.test");
    schedule.start(start).unwrap();
    let tried = schedule.take(start, &a).unwrap();
    schedule.settle(start, tried.id, Attempted::Unreachable, 0);
    let expired = schedule.take_expired(UnixTime(SINCE.0 + 2 * 86_400), &a);
    assert_eq!(expired.iter().map(|due| due.id).collect::<Vec<_>>(), [1]);
    schedule.forget(1);
    schedule.stop(&a);
    assert!(schedule.is_down(start, &a));
    assert_eq!((schedule.start(start), schedule.wake_at()), (None, Some(start + MINUTE)));
}
