//! The order in which queued messages go to other servers: pure. The queue itself is in the store; this holds an entry's
//! number, destination and times.
//!
//! A destination is tried with one message at a time. When it cannot be reached, all its messages wait together: a
//! thousand messages for a server that is away cost one attempt at each step of the [`RetrySchedule`], and delay no
//! message for another server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mail_types::{Address, Domain, UnixTime};

use crate::retry::RetrySchedule;

/// The most expired entries that are named at once.
const EXPIRED_BATCH: usize = 100;

/// A message for one destination that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingMessage {
    /// The domain of its recipients.
    pub destination: Domain,
    /// The account that it is charged to: its sender. None for a report.
    pub owner: Option<Address>,
    /// The time of its acceptance.
    pub since: UnixTime,
    /// Its size in bytes.
    pub size: u64,
}

/// The part of the queue that one account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueShare {
    /// The number of messages; one for several destinations counts for each.
    pub messages: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// The most messages of one account that wait for other servers.
const MESSAGES_PER_ACCOUNT: usize = 1000;
/// The most messages that wait in all; each takes some 3 kB of memory, with its entry in the store.
const MESSAGES: usize = 20_000;
/// The part of the destinations tried at once that may be for messages of one account: a server that drags its answers
/// out holds up its sender, not the others.
const SHARE_PER_ACCOUNT: usize = 3;
/// A message up to this size, in bytes, goes before larger ones of its destination.
const SMALL: u64 = 64 * 1024;
/// The most messages of a destination that are looked through for a small one.
const LOOKED_THROUGH: usize = 64;

/// A queued message that is to be tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The entry's number in the store.
    pub id: u64,
    /// The number of attempts, this one included.
    pub tries: u32,
}

/// The result of an attempt, as far as the order of further ones is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// The message is delivered or given up: the entry is gone.
    Finished,
    /// The server put this message off. It is due again after the wait.
    Deferred(Duration),
    /// No server of the destination could be reached: all its messages wait.
    Unreachable,
}

/// The times of all queued messages, by destination.
#[derive(Debug)]
pub struct OutboundSchedule {
    rules: RetrySchedule,
    /// The most destinations that are tried at once.
    concurrency: usize,
    running: usize,
    /// The destinations that are being tried, by the account whose message was due first.
    running_for: BTreeMap<Option<Address>, usize>,
    destinations: BTreeMap<Domain, Destination>,
    entries: BTreeMap<u64, Entry>,
    shares: BTreeMap<Address, QueueShare>,
}

#[derive(Debug, Default)]
struct Destination {
    waiting: BTreeSet<(Instant, u64)>,
    /// Entries that wait or are being tried.
    entries: usize,
    running: bool,
    /// The account whose message it is being tried for.
    running_for: Option<Address>,
    /// Attempts in succession that reached no server.
    failures: u32,
    down_until: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    message: WaitingMessage,
    due: Instant,
    tries: u32,
}

impl OutboundSchedule {
    /// An empty one, which tries so many destinations at once.
    #[must_use]
    pub fn new(rules: RetrySchedule, concurrency: usize) -> Self {
        Self {
            rules,
            concurrency,
            running: 0,
            running_for: BTreeMap::new(),
            destinations: BTreeMap::new(),
            entries: BTreeMap::new(),
            shares: BTreeMap::new(),
        }
    }

    /// The number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no message waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes up a message that is due at `due`. One that is here already stays as it is.
    pub fn add(&mut self, id: u64, message: WaitingMessage, due: Instant) {
        if self.entries.contains_key(&id) {
            return;
        }
        let place = self.destinations.entry(message.destination.clone()).or_default();
        place.waiting.insert((due, id));
        place.entries += 1;
        if let Some(owner) = &message.owner {
            let share = self.shares.entry(owner.clone()).or_default();
            share.messages += 1;
            share.bytes = share.bytes.saturating_add(message.size);
        }
        self.entries.insert(id, Entry { message, due, tries: 0 });
    }

    /// So many attempts at the message were made before it was queued, or in another place.
    pub fn tried(&mut self, id: u64, tries: u32) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.tries = tries;
        }
    }

    /// The number of attempts at a message, one that is being made included.
    #[must_use]
    pub fn tries(&self, id: u64) -> u32 {
        self.entries.get(&id).map_or(0, |entry| entry.tries)
    }

    /// Whether so many further messages of an account may wait, each of this size, if all of it together may have so many
    /// bytes.
    #[must_use]
    pub fn admits(&self, owner: &Address, messages: usize, size: u64, bytes_limit: u64) -> bool {
        let share = self.share(owner);
        let more = size.saturating_mul(messages as u64);
        self.entries.len().saturating_add(messages) <= MESSAGES
            && share.messages.saturating_add(messages) <= MESSAGES_PER_ACCOUNT
            && share.bytes.saturating_add(more) <= bytes_limit
    }

    /// The part of the queue that an account has.
    #[must_use]
    pub fn share(&self, owner: &Address) -> QueueShare {
        self.shares.get(owner).copied().unwrap_or_default()
    }

    /// A destination to be tried: it has a message that is due, and is not being tried. The one that has waited longest
    /// comes first, unless its account has its share already. It counts as being tried until [`OutboundSchedule::stop`].
    pub fn start(&mut self, now: Instant) -> Option<Domain> {
        if self.running >= self.concurrency {
            return None;
        }
        let due = self.destinations.iter().filter(|(_, place)| place.is_due(now));
        let permitted = due.filter(|(_, place)| self.has_share_left(&self.owner_of_first(place)));
        let (domain, _) = permitted.min_by_key(|(_, place)| place.due())?;
        let domain = domain.clone();
        self.mark_running(&domain);
        Some(domain)
    }

    /// Whether a destination that is being tried for another reason may have its waiting messages tried, too: one is due.
    /// Then it counts as being tried until [`OutboundSchedule::stop`].
    pub fn join(&mut self, now: Instant, destination: &Domain) -> bool {
        let due = self.destinations.get(destination).is_some_and(|place| place.is_due(now));
        if due {
            self.mark_running(destination);
        }
        due
    }

    fn has_share_left(&self, owner: &Option<Address>) -> bool {
        let running = self.running_for.get(owner).copied().unwrap_or_default();
        running < self.concurrency.div_ceil(SHARE_PER_ACCOUNT)
    }

    fn owner_of_first(&self, place: &Destination) -> Option<Address> {
        let (_, id) = place.waiting.first()?;
        self.entries.get(id)?.message.owner.clone()
    }

    fn mark_running(&mut self, destination: &Domain) {
        let owner = self.destinations.get(destination).and_then(|place| self.owner_of_first(place));
        if let Some(place) = self.destinations.get_mut(destination) {
            place.running = true;
            place.running_for.clone_from(&owner);
            self.running += 1;
            *self.running_for.entry(owner).or_default() += 1;
        }
    }

    /// The end of the attempts at a destination.
    pub fn stop(&mut self, destination: &Domain) {
        if let Some(place) = self.destinations.get_mut(destination)
            && std::mem::take(&mut place.running)
        {
            self.running = self.running.saturating_sub(1);
            let owner = place.running_for.take();
            if let Some(count) = self.running_for.get_mut(&owner) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.running_for.remove(&owner);
                }
            }
        }
        self.tidy(destination);
    }

    /// The next message of a destination that is being tried. It waits no longer, until [`OutboundSchedule::settle`].
    pub fn take(&mut self, now: Instant, destination: &Domain) -> Option<Due> {
        let place = self.destinations.get_mut(destination)?;
        let first = place.next(now)?;
        let small =
            |(_, id): &&(Instant, u64)| self.entries.get(id).is_some_and(|entry| entry.message.size <= SMALL);
        let due_now = place.waiting.iter().take_while(|(due, _)| *due <= now).take(LOOKED_THROUGH);
        let (due, id) = due_now.clone().find(small).copied().unwrap_or(first);
        place.waiting.remove(&(due, id));
        let entry = self.entries.get_mut(&id)?;
        entry.tries = entry.tries.saturating_add(1);
        Some(Due { id, tries: entry.tries })
    }

    /// The result of an attempt at a message that was taken; `chance` spreads the attempts at a destination that is
    /// away, as in [`RetrySchedule::next`].
    pub fn settle(&mut self, now: Instant, id: u64, attempted: Attempted, chance: u8) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let destination = entry.message.destination.clone();
        let Some(place) = self.destinations.get_mut(&destination) else { return };
        let due = match attempted {
            Attempted::Finished => {
                place.reached();
                return self.forget(id);
            }
            Attempted::Deferred(wait) => {
                place.reached();
                now + wait
            }
            Attempted::Unreachable => place.failed(&self.rules, now, chance),
        };
        entry.due = due;
        place.waiting.insert((due, id));
    }

    /// No server of a destination could be reached with a message that was not in the queue then: those that are wait.
    pub fn unreachable(&mut self, now: Instant, destination: &Domain, chance: u8) {
        if let Some(place) = self.destinations.get_mut(destination) {
            place.failed(&self.rules, now, chance);
        }
    }

    /// Whether the destination was tried a short time ago and could not be reached.
    #[must_use]
    pub fn is_down(&self, now: Instant, destination: &Domain) -> bool {
        self.destinations
            .get(destination)
            .is_some_and(|place| place.down_until.is_some_and(|until| until > now))
    }

    /// Some waiting messages of the destination that have been in the queue for longer than the rules allow. They wait
    /// no longer, until [`OutboundSchedule::settle`]; ask again until there are none.
    pub fn take_expired(&mut self, now: UnixTime, destination: &Domain) -> Vec<Due> {
        let Some(place) = self.destinations.get_mut(destination) else { return Vec::new() };
        let expired =
            |id: &u64| self.entries.get(id).is_some_and(|entry| self.rules.expired(now, entry.message.since));
        let keys: Vec<(Instant, u64)> =
            place.waiting.iter().filter(|(_, id)| expired(id)).take(EXPIRED_BATCH).copied().collect();
        for key in &keys {
            place.waiting.remove(key);
        }
        let due = |(_, id): &(Instant, u64)| Due {
            id: *id,
            tries: self.entries.get(id).map_or(0, |entry| entry.tries),
        };
        keys.iter().map(due).collect()
    }

    /// Makes a waiting message due at once, and its destination worth an attempt. False if it does not wait.
    pub fn hurry(&mut self, now: Instant, id: u64) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let Some(place) = self.destinations.get_mut(&entry.message.destination) else { return false };
        let waits = place.waiting.remove(&(entry.due, id));
        if waits {
            entry.due = now;
            place.waiting.insert((now, id));
            place.down_until = None;
        }
        waits
    }

    /// The same for all messages; returns the number of those that waited.
    pub fn hurry_all(&mut self, now: Instant) -> usize {
        let ids: Vec<u64> = self.entries.keys().copied().collect();
        ids.into_iter().filter(|id| self.hurry(now, *id)).count()
    }

    /// Whether a message is known here.
    #[must_use]
    pub fn contains(&self, id: u64) -> bool {
        self.entries.contains_key(&id)
    }

    /// Removes a message.
    pub fn forget(&mut self, id: u64) {
        let Some(Entry { message, due, .. }) = self.entries.remove(&id) else { return };
        if let Some(place) = self.destinations.get_mut(&message.destination) {
            place.waiting.remove(&(due, id));
            place.entries = place.entries.saturating_sub(1);
        }
        if let Some(owner) = &message.owner
            && let Some(share) = self.shares.get_mut(owner)
        {
            share.messages = share.messages.saturating_sub(1);
            share.bytes = share.bytes.saturating_sub(message.size);
            if share.messages == 0 {
                self.shares.remove(owner);
            }
        }
        self.tidy(&message.destination);
    }

    /// The time of a message's next attempt; none while it is being tried.
    #[must_use]
    pub fn due(&self, id: u64) -> Option<Instant> {
        let entry = self.entries.get(&id)?;
        let place = self.destinations.get(&entry.message.destination)?;
        place
            .waiting
            .contains(&(entry.due, id))
            .then(|| place.down_until.map_or(entry.due, |until| until.max(entry.due)))
    }

    /// The time at which [`OutboundSchedule::start`] is to be asked again, unless something is queued or stops before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        if self.running >= self.concurrency {
            return None;
        }
        let waiting = self.destinations.values().filter(|place| !place.running);
        // Whoever has its share has to wait for an end, which asks again.
        let permitted = waiting.filter(|place| self.has_share_left(&self.owner_of_first(place)));
        permitted.filter_map(Destination::due).min()
    }

    /// Drops what is known of a destination without messages.
    fn tidy(&mut self, destination: &Domain) {
        if self.destinations.get(destination).is_some_and(|place| place.entries == 0 && !place.running) {
            self.destinations.remove(destination);
        }
    }
}

impl Destination {
    fn reached(&mut self) {
        (self.failures, self.down_until) = (0, None);
    }

    /// Returns the time of the next attempt.
    fn failed(&mut self, rules: &RetrySchedule, now: Instant, chance: u8) -> Instant {
        self.failures = self.failures.saturating_add(1);
        let until = now + rules.spread_wait(self.failures, chance);
        self.down_until = Some(until);
        until
    }

    /// The time of the next attempt.
    fn due(&self) -> Option<Instant> {
        let (first, _) = self.waiting.first()?;
        Some(self.down_until.map_or(*first, |until| until.max(*first)))
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.running && self.due().is_some_and(|due| due <= now)
    }

    fn next(&self, now: Instant) -> Option<(Instant, u64)> {
        self.due().filter(|due| *due <= now).and_then(|_| self.waiting.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use mail_types::{Domain, UnixTime};

    use super::{Attempted, Due, OutboundSchedule, QueueShare, WaitingMessage};
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
    fn a_message_that_is_put_off_holds_up_no_other() {
        let start = anchor();
        let mut schedule = with(start, &[(1, "a.test"), (2, "a.test")]);
        let a = domain("a.test");
        schedule.start(start).unwrap();
        assert_eq!(schedule.take(start, &a).unwrap().id, 1);
        schedule.settle(start, 1, Attempted::Deferred(MINUTE), 0);
        assert_eq!(schedule.take(start, &a).unwrap().id, 2);
        schedule.settle(start, 2, Attempted::Finished, 0);
        schedule.stop(&a);
        assert_eq!(schedule.wake_at(), Some(start + MINUTE));
        assert_eq!(schedule.due(1), Some(start + MINUTE));
        assert_eq!((schedule.hurry(start, 1), schedule.hurry(start, 9)), (true, false));
        assert_eq!(schedule.hurry_all(start), 1);
        assert_eq!(schedule.start(start), Some(a.clone()));
        assert_eq!(schedule.take(start, &a), Some(Due { id: 1, tries: 2 }));
        assert_eq!((schedule.tries(1), schedule.tries(9)), (2, 0));
        schedule.tried(1, 5);
        assert_eq!(schedule.tries(1), 5);
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
}
