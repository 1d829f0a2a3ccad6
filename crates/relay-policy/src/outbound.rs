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
pub const SMALL_MESSAGE: u64 = 64 * 1024;
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
    /// The server has no way for this message, and takes others: it waits alone, and holds up no other.
    SetAside(Duration),
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
    /// The messages that may be tried: the first of each line, and the strays.
    waiting: BTreeSet<(Instant, u64)>,
    /// The messages of each account in the order of their acceptance: a later one must not overtake an earlier one, which
    /// it may correct or delete.
    lines: BTreeMap<Option<Address>, BTreeSet<u64>>,
    /// Entries that wait or are being tried.
    entries: usize,
    running: bool,
    /// The account whose message it is being tried for.
    running_for: Option<Address>,
    /// Attempts in succession that reached no server.
    failures: u32,
    last_failure: Option<Instant>,
    down_until: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    message: WaitingMessage,
    due: Instant,
    tries: u32,
    state: State,
    /// Whether its last attempt reached no server.
    unreached: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In its account's line.
    InLine,
    /// It was put off so often that it holds up its line no longer.
    Stray,
    /// It is being tried, or settled.
    Taken,
}

/// The attempts after which a message that is put off no longer holds up the later ones of its account.
const PATIENT_TRIES: u32 = 3;
/// The time after which a destination that was away is worth an attempt for a fresh message, or after a sign of life.
const PROBE_PAUSE: Duration = Duration::from_secs(15);

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

    /// Takes up a message that is due at `due`. One that is here already stays as it is. A destination that was away is
    /// tried again for it, unless that was tried just now.
    pub fn add(&mut self, id: u64, message: WaitingMessage, due: Instant) {
        if self.entries.contains_key(&id) {
            return;
        }
        let (destination, owner) = (message.destination.clone(), message.owner.clone());
        let place = self.destinations.entry(destination.clone()).or_default();
        place.entries += 1;
        place.lines.entry(owner.clone()).or_default().insert(id);
        if let Some(owner) = &owner {
            let share = self.shares.entry(owner.clone()).or_default();
            share.messages += 1;
            share.bytes = share.bytes.saturating_add(message.size);
        }
        self.entries.insert(id, Entry { message, due, tries: 0, state: State::InLine, unreached: false });
        self.seat(&destination, &owner);
        self.heard_from(due, &destination);
    }

    /// Lets the first of a line wait for its attempt, and no other of it.
    fn seat(&mut self, destination: &Domain, owner: &Option<Address>) {
        let Some(place) = self.destinations.get_mut(destination) else { return };
        let Some(line) = place.lines.get(owner) else { return };
        for (position, id) in line.iter().take(2).enumerate() {
            let Some(entry) = self.entries.get(id).filter(|entry| entry.state == State::InLine) else {
                continue;
            };
            if position == 0 {
                place.waiting.insert((entry.due, *id));
            } else {
                place.waiting.remove(&(entry.due, *id));
            }
        }
    }

    /// Takes a message out of its line.
    fn leave_line(&mut self, destination: &Domain, owner: &Option<Address>, id: u64) {
        if let Some(place) = self.destinations.get_mut(destination)
            && let Some(line) = place.lines.get_mut(owner)
        {
            line.remove(&id);
            if line.is_empty() {
                place.lines.remove(owner);
            }
        }
        self.seat(destination, owner);
    }

    /// Lets a message that is waiting hold up no other.
    pub fn set_aside(&mut self, id: u64) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.state == State::InLine) else {
            return;
        };
        entry.state = State::Stray;
        let (destination, owner) = (entry.message.destination.clone(), entry.message.owner.clone());
        if let Some(place) = self.destinations.get_mut(&destination) {
            place.waiting.insert((entry.due, id));
        }
        self.leave_line(&destination, &owner, id);
    }

    /// Whether a message of this account would have to stand in line.
    #[must_use]
    pub fn has_line(&self, destination: &Domain, owner: &Option<Address>) -> bool {
        self.destinations.get(destination).is_some_and(|place| place.lines.contains_key(owner))
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
        let small = |(_, id): &&(Instant, u64)| {
            self.entries.get(id).is_some_and(|entry| entry.message.size <= SMALL_MESSAGE)
        };
        let due_now = place.waiting.iter().take_while(|(due, _)| *due <= now).take(LOOKED_THROUGH);
        let (due, id) = due_now.clone().find(small).copied().unwrap_or(first);
        place.waiting.remove(&(due, id));
        let entry = self.entries.get_mut(&id)?;
        entry.state = State::Taken;
        entry.tries = entry.tries.saturating_add(1);
        Some(Due { id, tries: entry.tries })
    }

    /// The result of an attempt at a message that was taken; `chance` spreads the attempts at a destination that is
    /// away, as in [`RetrySchedule::next`].
    pub fn settle(&mut self, now: Instant, id: u64, attempted: Attempted, chance: u8) {
        let Some(entry) = self.entries.get(&id) else { return };
        let (destination, owner) = (entry.message.destination.clone(), entry.message.owner.clone());
        let was_stray = self
            .destinations
            .get(&destination)
            .is_some_and(|place| !place.lines.get(&owner).is_some_and(|line| line.contains(&id)));
        let due = match attempted {
            Attempted::Finished => {
                self.forget(id);
                return self.reached(now, &destination);
            }
            Attempted::Deferred(wait) | Attempted::SetAside(wait) => {
                self.reached(now, &destination);
                now + wait
            }
            Attempted::Unreachable => match self.destinations.get_mut(&destination) {
                Some(place) => place.failed(&self.rules, now, chance),
                None => return,
            },
        };
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.due = due;
        entry.unreached = attempted == Attempted::Unreachable;
        let impatient =
            entry.tries >= PATIENT_TRIES && !entry.unreached || matches!(attempted, Attempted::SetAside(_));
        if was_stray || impatient {
            entry.state = State::Stray;
            if let Some(place) = self.destinations.get_mut(&destination) {
                place.waiting.insert((due, id));
            }
            self.leave_line(&destination, &owner, id);
        } else {
            entry.state = State::InLine;
            self.seat(&destination, &owner);
        }
    }

    /// The destination answers: what waited for that is due.
    fn reached(&mut self, now: Instant, destination: &Domain) {
        let Some(place) = self.destinations.get_mut(destination) else { return };
        if place.failures == 0 && place.down_until.is_none() {
            return;
        }
        (place.failures, place.last_failure) = (0, None);
        self.revive(now, destination);
    }

    /// Makes due what was put off because no server could be reached.
    fn revive(&mut self, now: Instant, destination: &Domain) {
        let Some(place) = self.destinations.get_mut(destination) else { return };
        place.down_until = None;
        let put_off: Vec<(Instant, u64)> =
            place.waiting.iter().filter(|(due, _)| *due > now).copied().collect();
        for (due, id) in put_off {
            if let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.unreached) {
                place.waiting.remove(&(due, id));
                entry.due = now;
                place.waiting.insert((now, id));
            }
        }
    }

    /// A sign of life of the destination, as mail from it: what waits for it is due, unless it was tried just now.
    pub fn heard_from(&mut self, now: Instant, destination: &Domain) {
        let place = self.destinations.get(destination);
        let away = place.and_then(|place| place.down_until.and(place.last_failure));
        if away.is_some_and(|failure| now >= failure + PROBE_PAUSE) {
            self.revive(now, destination);
        }
    }

    /// No server of a destination could be reached with a message that was not in the queue then: those that are wait.
    pub fn unreachable(&mut self, now: Instant, destination: &Domain, chance: u8) {
        if let Some(place) = self.destinations.get_mut(destination) {
            place.failed(&self.rules, now, chance);
        }
    }

    /// Whether the destination was tried just now and could not be reached.
    #[must_use]
    pub fn is_down(&self, now: Instant, destination: &Domain) -> bool {
        self.destinations.get(destination).is_some_and(|place| {
            place.down_until.is_some()
                && place.last_failure.is_some_and(|failure| now < failure + PROBE_PAUSE)
        })
    }

    /// Some waiting messages of the destination that have been in the queue for longer than the rules allow. They wait
    /// no longer, until [`OutboundSchedule::settle`]; ask again until there are none.
    pub fn take_expired(&mut self, now: UnixTime, destination: &Domain) -> Vec<Due> {
        let Some(place) = self.destinations.get_mut(destination) else { return Vec::new() };
        let strays = place.waiting.iter().map(|(_, id)| id);
        let known: BTreeSet<u64> = place.lines.values().flatten().chain(strays).copied().collect();
        let mut taken = Vec::new();
        for id in known {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            if entry.state != State::Taken && self.rules.expired(now, entry.message.since) {
                place.waiting.remove(&(entry.due, id));
                entry.state = State::Taken;
                taken.push(Due { id, tries: entry.tries });
            }
            if taken.len() >= EXPIRED_BATCH {
                break;
            }
        }
        taken
    }

    /// Makes a waiting message due at once, and its destination worth an attempt. False if it does not wait.
    pub fn hurry(&mut self, now: Instant, id: u64) -> bool {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.state != State::Taken) else {
            return false;
        };
        let (destination, owner) = (entry.message.destination.clone(), entry.message.owner.clone());
        let Some(place) = self.destinations.get_mut(&destination) else { return false };
        place.down_until = None;
        // Whoever stands before it in its line has to go first.
        let first = place.lines.get(&owner).and_then(|line| line.first().copied());
        for id in first.into_iter().chain([id]) {
            if let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.state != State::Taken) {
                let waits = place.waiting.remove(&(entry.due, id));
                entry.due = now;
                if waits {
                    place.waiting.insert((now, id));
                }
            }
        }
        true
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
        self.leave_line(&message.destination, &message.owner, id);
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
        let entry = self.entries.get(&id).filter(|entry| entry.state != State::Taken)?;
        let place = self.destinations.get(&entry.message.destination)?;
        let first = place.lines.get(&entry.message.owner).and_then(BTreeSet::first);
        let first = first.filter(|_| entry.state == State::InLine).and_then(|id| self.entries.get(id));
        let due = first.map_or(entry.due, |first| first.due.max(entry.due));
        Some(place.down_until.map_or(due, |until| until.max(due)))
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
    /// Returns the time of the next attempt.
    fn failed(&mut self, rules: &RetrySchedule, now: Instant, chance: u8) -> Instant {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(now);
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
mod tests;
