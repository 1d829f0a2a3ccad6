//! The schedule of push notifications: gathering, retries, giving up. Tokens are opaque, and sending is the caller's.
//!
//! A notification says nothing but that there is mail, so one that waits stands for every message that comes meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail_types::{Address, UnixTime};

/// The delay of a first notification: messages that come meanwhile share it.
const GATHER_WINDOW: Duration = Duration::from_secs(1);
/// The shortest delay after a failure.
const RETRY_DELAY_MIN: Duration = Duration::from_secs(8);
/// The delays after the first, second, ... failure; after one failure more the notification is given up.
const RETRY_DELAYS: [Duration; 4] =
    [RETRY_DELAY_MIN, Duration::from_secs(64), Duration::from_secs(512), Duration::from_secs(4096)];
/// The age of a message at which its notification is dropped: five hours.
const NOTIFICATION_LIFETIME: Duration = Duration::from_secs(5 * 60 * 60);
/// The lifetime of a token after its registration, in seconds: 90 days.
const TOKEN_LIFETIME: u64 = 90 * 86_400;
/// The tolerated difference of clocks, in seconds; a registration further in the future is invalid.
const CLOCK_SKEW_LIMIT: u64 = 60;
/// The most devices in the queue: far more than a household has, and a bound for memory.
const DEVICE_LIMIT: usize = 10_000;

/// Whether a token registered at this time is valid now.
#[must_use]
pub fn token_is_valid(registered: UnixTime, now: UnixTime) -> bool {
    registered.0 <= now.0.saturating_add(CLOCK_SKEW_LIMIT) && !token_is_expired(registered, now)
}

/// Whether a token was registered so long ago that it can be forgotten. One from the future cannot: the clock may be
/// wrong now, or may have been then.
#[must_use]
pub fn token_is_expired(registered: UnixTime, now: UnixTime) -> bool {
    now.0.saturating_sub(registered.0) > TOKEN_LIFETIME
}

/// A device that is to be notified of an account's messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// The account whose mailbox the device watches.
    pub account: Address,
    /// The token that the push service issued for the device.
    pub token: Arc<str>,
}

/// The push service's answer to a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// It took the notification.
    Taken,
    /// It does not know the token (any more).
    Gone,
    /// Another answer, or none.
    Failed,
}

/// An action for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushTask {
    /// Send a notification, then tell [`PushQueue::settle`].
    Send(Device),
    /// The notification of this device is given up; nothing is left to do.
    GiveUp(Device),
}

/// The queue of notifications, waiting or in flight.
#[derive(Debug)]
pub struct PushQueue {
    devices: BTreeMap<Device, Progress>,
    /// The waiting ones, by the time at which they are due.
    due: BTreeSet<(Instant, Device)>,
    in_flight: usize,
    at_once: usize,
}

/// The progress of one device's notification.
#[derive(Clone, Copy, Debug)]
struct Progress {
    state: State,
    /// The end of the notification's lifetime.
    deadline: Instant,
    failures: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// To be sent later.
    Waiting(Wait),
    /// With the push service; a message may have come since.
    InFlight { message: Option<Instant> },
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    /// The time at which it is due.
    at: Instant,
    /// Not earlier than this, even if a message comes.
    not_before: Instant,
}

impl PushQueue {
    /// An empty queue that has at most so many notifications under way.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self { devices: BTreeMap::new(), due: BTreeSet::new(), in_flight: 0, at_once: at_once.max(1) }
    }

    /// Queues a notification of a message of this age. One past its lifetime, or of one device too many, is dropped.
    pub fn want(&mut self, now: Instant, device: Device, age: Duration) {
        let Some(left) = NOTIFICATION_LIFETIME.checked_sub(age).filter(|left| !left.is_zero()) else {
            return;
        };
        let deadline = now + left;
        match self.devices.get(&device).copied() {
            None if self.devices.len() < DEVICE_LIMIT => {
                self.wait(device, Wait { at: now + GATHER_WINDOW, not_before: now }, 0, deadline);
            }
            None => {}
            Some(progress) => self.absorb(now, device, progress, deadline),
        }
    }

    /// Adds a message to the notification of a queued device. Failures are forgotten: the service may be back.
    fn absorb(&mut self, now: Instant, device: Device, progress: Progress, deadline: Instant) {
        let deadline = progress.deadline.max(deadline);
        match progress.state {
            State::Waiting(Wait { at, not_before }) => {
                self.due.remove(&(at, device.clone()));
                let at = at.min(not_before.max(now + GATHER_WINDOW));
                self.wait(device, Wait { at, not_before }, 0, deadline);
            }
            State::InFlight { message } => {
                let state = State::InFlight { message: message.or(Some(now)) };
                self.devices.insert(device, Progress { state, deadline, ..progress });
            }
        }
    }

    /// The next task that is due at `now`; none when there is no more.
    pub fn poll(&mut self, now: Instant) -> Option<PushTask> {
        let (at, _) = self.due.first()?;
        if *at > now || self.in_flight >= self.at_once {
            return None;
        }
        let (_, device) = self.due.pop_first()?;
        let progress = self.devices.get_mut(&device)?;
        if progress.deadline <= now {
            self.devices.remove(&device);
            return Some(PushTask::GiveUp(device));
        }
        progress.state = State::InFlight { message: None };
        self.in_flight += 1;
        Some(PushTask::Send(device))
    }

    /// The time of the next [`PushQueue::poll`], unless something else happens before; none while the next notification
    /// waits for one in flight.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at).filter(|_| self.in_flight < self.at_once)
    }

    /// Takes the outcome of a notification that was sent.
    pub fn settle(&mut self, now: Instant, device: &Device, reception: Reception) -> Settled {
        let Some(progress) = self.devices.remove(device) else { return Settled::Done };
        let State::InFlight { message } = progress.state else {
            // Nobody was asked to send this.
            self.devices.insert(device.clone(), progress);
            return Settled::Later;
        };
        self.in_flight = self.in_flight.saturating_sub(1);
        let (failures, wait) = match (reception, message) {
            (Reception::Taken, Some(message)) => {
                (0, (message + GATHER_WINDOW).saturating_duration_since(now))
            }
            (Reception::Taken | Reception::Gone, _) => return Settled::Done,
            (Reception::Failed, message) => {
                let before = if message.is_some() { 0 } else { progress.failures };
                let Some(wait) = RETRY_DELAYS.get(before) else { return Settled::GivenUp };
                (before + 1, *wait)
            }
        };
        let at = now + wait;
        if at >= progress.deadline {
            return Settled::GivenUp;
        }
        let not_before = if failures > 0 { now + RETRY_DELAY_MIN } else { now };
        self.wait(device.clone(), Wait { at, not_before }, failures, progress.deadline);
        Settled::Later
    }

    /// Whether any device of the account is still to be notified.
    #[must_use]
    pub fn concerns(&self, account: &Address) -> bool {
        let first = Device { account: account.clone(), token: Arc::from("") };
        self.devices.range(first..).next().is_some_and(|(device, _)| device.account == *account)
    }

    /// The number of devices that are still to be notified.
    #[must_use]
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether the queue is empty: there is nothing to do, now or later.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    fn wait(&mut self, device: Device, wait: Wait, failures: usize, deadline: Instant) {
        self.due.insert((wait.at, device.clone()));
        self.devices.insert(device, Progress { state: State::Waiting(wait), deadline, failures });
    }
}

/// The consequence of the service's answer for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is notified, or gone.
    Done,
    /// It will be notified (again).
    Later,
    /// It failed once too often, or too late.
    GivenUp,
}

#[cfg(test)]
mod tests {
    use super::{Device, PushQueue, PushTask, Reception, Settled, token_is_expired, token_is_valid};
    use mail_types::UnixTime;
    use std::time::{Duration, Instant};

    /// One queue and a stopwatch; times are in seconds.
    struct Timeline {
        queue: PushQueue,
        start: Instant,
    }

    fn device(name: &str) -> Device {
        let (account, token) = name.split_once('/').unwrap();
        Device { account: format!("{account}@box.test").parse().unwrap(), token: token.into() }
    }

    impl Timeline {
        #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
        fn new(at_once: usize) -> Self {
            Self { queue: PushQueue::new(at_once), start: Instant::now() }
        }

        fn at(&self, seconds: f64) -> Instant {
            self.start + Duration::from_secs_f64(seconds)
        }

        fn message(&mut self, seconds: f64, name: &str) {
            self.old_message(seconds, name, 0);
        }

        fn old_message(&mut self, seconds: f64, name: &str, age: u64) {
            self.queue.want(self.at(seconds), device(name), Duration::from_secs(age));
        }

        fn settle(&mut self, seconds: f64, name: &str, reception: Reception) -> Settled {
            self.queue.settle(self.at(seconds), &device(name), reception)
        }

        /// The notifications due at this time, and the queue's next wake-up.
        #[track_caller]
        fn check(&mut self, seconds: f64, sent: &[&str], wake_at: Option<f64>) {
            let mut found = Vec::new();
            while let Some(task) = self.queue.poll(self.at(seconds)) {
                found.push(match task {
                    PushTask::Send(device) => device,
                    PushTask::GiveUp(device) => panic!("{device:?} was given up"),
                });
            }
            assert_eq!(found, sent.iter().map(|name| device(name)).collect::<Vec<_>>());
            assert_eq!(self.queue.wake_at(), wake_at.map(|seconds| self.at(seconds)));
        }
    }

    #[test]
    fn messages_of_one_second_are_one_notification() {
        let mut line = Timeline::new(4);
        line.check(0.0, &[], None);
        line.message(0.0, "anna/phone");
        line.message(0.3, "anna/phone");
        line.message(0.5, "ben/phone");
        line.message(0.9, "anna/phone");
        line.check(0.9, &[], Some(1.0));
        line.check(1.0, &["anna/phone"], Some(1.5));
        line.check(1.5, &["ben/phone"], None);
        assert_eq!(line.settle(2.0, "anna/phone", Reception::Taken), Settled::Done);
        assert_eq!(line.settle(2.0, "ben/phone", Reception::Taken), Settled::Done);
        assert!(line.queue.is_empty());
    }

    #[test]
    fn a_message_that_comes_while_the_notification_is_in_flight_gets_its_own() {
        let mut line = Timeline::new(4);
        line.message(0.0, "anna/phone");
        line.check(1.0, &["anna/phone"], None);
        line.message(1.2, "anna/phone");
        line.message(1.4, "anna/phone");
        line.check(2.5, &[], None);
        assert_eq!(line.settle(1.5, "anna/phone", Reception::Taken), Settled::Later);
        line.check(2.1, &[], Some(2.2));
        line.check(2.2, &["anna/phone"], None);
        line.message(2.3, "anna/phone");
        // After a long answer nothing waits any longer.
        assert_eq!(line.settle(40.0, "anna/phone", Reception::Taken), Settled::Later);
        line.check(40.0, &["anna/phone"], None);
        assert_eq!(line.settle(41.0, "anna/phone", Reception::Taken), Settled::Done);
    }

    #[test]
    fn five_tries_and_then_no_more() {
        let mut line = Timeline::new(4);
        line.message(0.0, "anna/phone");
        let mut at = 1.0;
        for wait in [8.0, 64.0, 512.0, 4096.0] {
            line.check(at, &["anna/phone"], None);
            assert_eq!(line.settle(at, "anna/phone", Reception::Failed), Settled::Later);
            line.check(at + wait - 0.1, &[], Some(at + wait));
            at += wait;
        }
        line.check(at, &["anna/phone"], None);
        assert_eq!(line.settle(at, "anna/phone", Reception::Failed), Settled::GivenUp);
        line.check(1e6, &[], None);
        assert!(line.queue.is_empty());
    }

    #[test]
    fn a_new_message_begins_anew_but_never_sooner_than_eight_seconds_after_a_failure() {
        let mut line = Timeline::new(4);
        line.message(0.0, "anna/phone");
        line.check(1.0, &["anna/phone"], None);
        line.settle(1.0, "anna/phone", Reception::Failed);
        line.check(9.0, &["anna/phone"], None);
        line.settle(10.0, "anna/phone", Reception::Failed);
        line.check(10.0, &[], Some(74.0));
        // The next try would be at 74; a message brings it forward, ten more do not.
        for tenth in 0..10 {
            line.message(12.0 + f64::from(tenth) / 10.0, "anna/phone");
        }
        line.check(17.9, &[], Some(18.0));
        line.check(18.0, &["anna/phone"], None);
        line.settle(18.0, "anna/phone", Reception::Failed);
        line.check(18.0, &[], Some(26.0));
        line.message(25.5, "anna/phone");
        line.check(26.0, &["anna/phone"], None);
        // One that came while the try failed counts too.
        line.message(26.5, "anna/phone");
        line.settle(27.0, "anna/phone", Reception::Failed);
        line.check(27.0, &[], Some(35.0));
    }

    #[test]
    fn nothing_is_sent_five_hours_after_the_message() {
        let mut line = Timeline::new(4);
        line.old_message(0.0, "anna/phone", 5 * 3600);
        assert!(line.queue.is_empty(), "too old already");
        line.old_message(0.0, "anna/phone", 5 * 3600 - 5);
        line.check(1.0, &["anna/phone"], None);
        assert_eq!(line.settle(2.0, "anna/phone", Reception::Failed), Settled::GivenUp, "10 is past 5");
        // The box slept over the time.
        line.old_message(10.0, "anna/phone", 5 * 3600 - 5);
        assert_eq!(line.queue.poll(line.at(15.0)), Some(PushTask::GiveUp(device("anna/phone"))));
        assert!(line.queue.is_empty());
        // A younger message makes an old one live longer.
        line.old_message(20.0, "anna/phone", 5 * 3600 - 5);
        line.message(20.5, "anna/phone");
        line.check(40.0, &["anna/phone"], None);
    }

    #[test]
    fn a_device_that_is_gone_is_done_even_when_a_message_came() {
        let mut line = Timeline::new(4);
        line.message(0.0, "anna/phone");
        line.check(1.0, &["anna/phone"], None);
        line.message(1.5, "anna/phone");
        assert_eq!(line.settle(2.0, "anna/phone", Reception::Gone), Settled::Done);
        assert!(line.queue.is_empty());
    }

    #[test]
    fn only_so_many_are_in_flight_at_once() {
        let mut line = Timeline::new(2);
        for name in ["anna/phone", "anna/tablet", "ben/phone"] {
            line.message(0.0, name);
        }
        line.check(1.0, &["anna/phone", "anna/tablet"], None);
        line.settle(1.5, "anna/tablet", Reception::Failed);
        line.check(1.5, &["ben/phone"], None);
        line.settle(2.0, "anna/phone", Reception::Taken);
        line.check(2.0, &[], Some(9.5));
    }

    #[test]
    fn an_account_is_done_when_its_last_device_is() {
        let mut line = Timeline::new(4);
        let [anna, ben] = ["anna/x", "ben/x"].map(|name| device(name).account);
        line.message(0.0, "anna/phone");
        line.message(0.0, "anna/tablet");
        assert!(line.queue.concerns(&anna) && !line.queue.concerns(&ben));
        line.check(1.0, &["anna/phone", "anna/tablet"], None);
        line.settle(1.0, "anna/phone", Reception::Taken);
        assert!(line.queue.concerns(&anna), "the tablet is under way");
        line.settle(1.0, "anna/tablet", Reception::Taken);
        assert!(!line.queue.concerns(&anna));
    }

    #[test]
    fn memory_has_a_bound() {
        let mut line = Timeline::new(1);
        for number in 0..10_005 {
            line.message(0.0, &format!("anna/{number}"));
        }
        assert_eq!(line.queue.len(), 10_000);
        line.settle(1.0, "anna/7", Reception::Taken);
        assert_eq!(line.queue.len(), 10_000, "nobody was asked to send that");
    }

    #[test]
    fn tokens_count_for_ninety_days() {
        let day = |days: u64| UnixTime(days * 86_400);
        assert!(token_is_valid(day(10), day(100)) && !token_is_expired(day(10), day(100)));
        assert!(!token_is_valid(day(10), UnixTime(day(100).0 + 1)));
        assert!(token_is_expired(day(10), UnixTime(day(100).0 + 1)));
        assert!(token_is_valid(UnixTime(60), UnixTime(0)) && !token_is_valid(UnixTime(61), UnixTime(0)));
        assert!(!token_is_expired(day(100), day(0)), "the clock went backwards");
    }
}
