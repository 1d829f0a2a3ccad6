//! The order of all attempts: the queue's schedule, and the messages whose senders wait, which go first. Values behind
//! one lock; the store is not asked here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail_types::{Address, Domain};
use relay_policy::{Due, OutboundSchedule, RetrySchedule, SMALL_MESSAGE};

use super::trial::{Ended, Trial};

/// The time after which a worker that is still at the same message is busy: further senders do not wait for it.
const BUSY: Duration = Duration::from_millis(1500);
/// The most destinations at which a message is tried beside a busy worker.
const ALONE: usize = 8;
/// The most destinations that are tried at once for the queue.
const QUEUE_WORKERS: usize = 24;
/// The most that are tried at once in all: a sender who waits does not wait for a queue of servers that are away.
const WORKERS: usize = 40;
/// The most messages with waiting senders at one destination; more go into the queue at once.
const TRIALS_PER_DESTINATION: usize = 30;
/// The same for all destinations together; each may hold a small message in memory.
const TRIALS: usize = 200;
/// The same for one sender: the rest of a message to hundreds of domains goes into the queue.
const TRIALS_PER_SENDER: usize = 12;

/// The turn of a message whose sender waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The destination's worker takes it up.
    Next,
    /// A worker is to be started for the destination.
    WithNewWorker,
    /// It is to be tried beside the destination's worker, which is busy.
    Alone,
}

/// The next message of a destination.
pub(super) enum Work {
    /// Its sender waits.
    Trial(Arc<Trial>),
    Queued(Due),
}

/// See the file's head.
pub(super) struct Queue {
    pub(super) schedule: OutboundSchedule,
    /// Results of attempts that the store did not take, by entry: the message must not be sent again for that.
    pub(super) unwritten: BTreeMap<u64, Ended>,
    trials: BTreeMap<Domain, VecDeque<Arc<Trial>>>,
    trial_count: usize,
    /// The destinations at which a small message is tried beside the busy worker.
    alone: BTreeSet<Domain>,
    /// The messages of waiting senders that wait or are being tried: one of a sender at a destination.
    in_flight: BTreeSet<(Option<Address>, Domain)>,
    workers: BTreeMap<Domain, Worker>,
}

/// A destination that is being tried.
struct Worker {
    /// Whether the schedule started it, or a waiting sender did.
    scheduled: bool,
    /// The time at which it took up its present message.
    since: Instant,
}

impl Queue {
    pub(super) fn new(rules: RetrySchedule) -> Self {
        Self {
            schedule: OutboundSchedule::new(rules, QUEUE_WORKERS),
            unwritten: BTreeMap::new(),
            trials: BTreeMap::new(),
            trial_count: 0,
            alone: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            workers: BTreeMap::new(),
        }
    }

    /// Takes up a message whose sender waits, unless there is no room, or its destination was away a moment ago.
    pub(super) fn add_trial(&mut self, now: Instant, trial: &Arc<Trial>) -> Option<Turn> {
        let destination = &trial.destination;
        let there = self.trials.get(destination).map_or(0, VecDeque::len);
        let idle = !self.workers.contains_key(destination);
        let sender = &trial.envelope.sender;
        let own = self.in_flight.iter().filter(|(other, _)| other == sender).count();
        let pair = (sender.clone(), destination.clone());
        // Whoever sends a second message before the first is through must not have it overtake, nor wait for nothing.
        let stands_in_line = self.schedule.has_line(destination, sender) || self.in_flight.contains(&pair);
        let busy = self.workers.get(destination).is_some_and(|worker| now - worker.since > BUSY);
        let full = there >= TRIALS_PER_DESTINATION
            || stands_in_line
            || own >= TRIALS_PER_SENDER
            || self.trial_count >= TRIALS
            || idle && self.workers.len() >= WORKERS;
        if full || self.schedule.is_down(now, destination) {
            return None;
        }
        if busy {
            // A large message may take minutes on the house's line; a small one of somebody else need not wait for it.
            let possible =
                trial.size <= SMALL_MESSAGE && self.alone.len() < ALONE && !self.alone.contains(destination);
            if !possible {
                return None;
            }
            self.alone.insert(destination.clone());
        } else {
            self.trials.entry(destination.clone()).or_default().push_back(Arc::clone(trial));
            self.trial_count += 1;
        }
        self.in_flight.insert(pair);
        if idle {
            self.workers.insert(destination.clone(), Worker { scheduled: false, since: now });
        }
        Some(match (busy, idle) {
            (true, _) => Turn::Alone,
            (false, true) => Turn::WithNewWorker,
            (false, false) => Turn::Next,
        })
    }

    /// The attempt beside a destination's busy worker has ended.
    pub(super) fn alone_ended(&mut self, destination: &Domain) {
        self.alone.remove(destination);
    }

    /// A destination of the queue for which a worker is to be started.
    pub(super) fn start(&mut self, now: Instant) -> Option<Domain> {
        loop {
            let destination = self.schedule.start(now)?;
            // A worker that is there for a waiting sender takes the queue's messages, too.
            match self.workers.get_mut(&destination) {
                Some(worker) => worker.scheduled = true,
                None => {
                    self.workers.insert(destination.clone(), Worker { scheduled: true, since: now });
                    return Some(destination);
                }
            }
        }
    }

    /// The next message for the worker of this destination. None ends it.
    pub(super) fn next(&mut self, now: Instant, destination: &Domain) -> Option<Work> {
        if let Some(worker) = self.workers.get_mut(destination) {
            worker.since = now;
        }
        if let Some(trial) = self.trials.get_mut(destination).and_then(VecDeque::pop_front) {
            self.trial_count -= 1;
            return Some(Work::Trial(trial));
        }
        self.trials.remove(destination);
        // A worker that is there for a sender who waited takes what lies in the queue, too.
        if let Some(worker) = self.workers.get_mut(destination)
            && !worker.scheduled
        {
            worker.scheduled = self.schedule.join(now, destination);
        }
        let scheduled = self.workers.get(destination).is_some_and(|worker| worker.scheduled);
        if scheduled && let Some(due) = self.schedule.take(now, destination) {
            return Some(Work::Queued(due));
        }
        if self.workers.remove(destination).is_some_and(|worker| worker.scheduled) {
            self.schedule.stop(destination);
        }
        None
    }

    /// The attempt at a message whose sender waits, or waited, has ended.
    pub(super) fn trial_ended(&mut self, destination: &Domain, sender: &Option<Address>) {
        self.in_flight.remove(&(sender.clone(), destination.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use host::clock;
    use mail_types::{Domain, UnixTime};
    use relay_policy::{Attempted, Due, RetrySchedule, WaitingMessage};
    use store::Store;

    use super::{BUSY, Queue, TRIALS_PER_DESTINATION, TRIALS_PER_SENDER, Turn, Work};
    use crate::federation::outbound::content::{Content, Envelope};
    use crate::federation::outbound::trial::Trial;

    fn domain(name: &str) -> Domain {
        name.parse().unwrap()
    }

    fn waiting(name: &str) -> WaitingMessage {
        WaitingMessage { destination: domain(name), owner: None, since: UnixTime(0), size: 0 }
    }

    fn trial(name: &str) -> Arc<Trial> {
        trial_of(0, name)
    }

    fn trial_of(sender: usize, name: &str) -> Arc<Trial> {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let body = store.spool(100).into_small().unwrap().reader();
        let envelope = Envelope {
            sender: Some(format!("account{sender}@box.test").parse().unwrap()),
            recipients: vec![format!("ben@{name}").parse().unwrap()],
        };
        Trial::new(domain(name), envelope, Content::new("", body))
    }

    fn next(queue: &mut Queue, now: Instant, name: &str) -> Option<&'static str> {
        queue.next(now, &domain(name)).map(|work| match work {
            Work::Trial(_) => "trial",
            Work::Queued(Due { .. }) => "queued",
        })
    }

    #[test]
    fn a_message_whose_sender_waits_goes_before_the_queue() {
        let (mut queue, now) = (Queue::new(RetrySchedule::default()), clock::now());
        queue.schedule.add(1, waiting("b.test"), now);
        queue.schedule.add(2, waiting("b.test"), now);
        assert_eq!(queue.start(now), Some(domain("b.test")));
        assert_eq!(next(&mut queue, now, "b.test"), Some("queued"));
        queue.schedule.settle(now, 1, Attempted::Finished, 0);
        assert_eq!(queue.add_trial(now, &trial("b.test")), Some(Turn::Next));
        assert_eq!(next(&mut queue, now, "b.test"), Some("trial"));
        assert_eq!(next(&mut queue, now, "b.test"), Some("queued"));
        assert_eq!(next(&mut queue, now, "b.test"), None);
    }

    #[test]
    fn a_second_message_of_a_sender_does_not_overtake_the_first_and_nobody_waits_for_a_busy_worker() {
        let (mut queue, now) = (Queue::new(RetrySchedule::default()), clock::now());
        let first = trial("b.test");
        assert_eq!(queue.add_trial(now, &first), Some(Turn::WithNewWorker));
        assert_eq!(queue.add_trial(now, &trial("b.test")), None);
        assert_eq!(queue.add_trial(now, &trial_of(1, "b.test")), Some(Turn::Next));
        assert_eq!(next(&mut queue, now, "b.test"), Some("trial"));
        assert_eq!(queue.add_trial(now + 2 * BUSY, &trial_of(2, "b.test")), Some(Turn::Alone));
        assert_eq!(queue.add_trial(now + 2 * BUSY, &trial_of(3, "b.test")), None);
        queue.alone_ended(&domain("b.test"));
        assert_eq!(queue.add_trial(now + 2 * BUSY, &trial_of(3, "b.test")), Some(Turn::Alone));
        queue.trial_ended(&first.destination, &first.envelope.sender);
        assert_eq!(queue.add_trial(now, &trial("b.test")), Some(Turn::Next));
        let owner = first.envelope.sender.clone();
        queue.schedule.add(1, WaitingMessage { owner, ..waiting("c.test") }, now);
        assert_eq!(queue.add_trial(now, &trial("c.test")), None);
        assert_eq!(queue.add_trial(now, &trial_of(1, "c.test")), Some(Turn::WithNewWorker));
    }

    #[test]
    fn one_worker_serves_a_destination_and_a_crowd_goes_into_the_queue() {
        let (mut queue, now) = (Queue::new(RetrySchedule::default()), clock::now());
        assert_eq!(queue.add_trial(now, &trial("b.test")), Some(Turn::WithNewWorker));
        queue.schedule.add(1, waiting("b.test"), now);
        assert_eq!(queue.start(now), None);
        for sender in 1..TRIALS_PER_DESTINATION {
            assert_eq!(queue.add_trial(now, &trial_of(sender, "b.test")), Some(Turn::Next));
        }
        assert_eq!(queue.add_trial(now, &trial_of(99, "b.test")), None);
        assert_eq!(queue.add_trial(now, &trial("c.test")), Some(Turn::WithNewWorker));
        for _ in 0..TRIALS_PER_DESTINATION {
            assert_eq!(next(&mut queue, now, "b.test"), Some("trial"));
        }
        assert_eq!(next(&mut queue, now, "b.test"), Some("queued"));
        assert_eq!(next(&mut queue, now, "b.test"), None);
    }

    #[test]
    fn one_sender_waits_for_a_few_destinations_only() {
        let (mut queue, now) = (Queue::new(RetrySchedule::default()), clock::now());
        let sent: Vec<_> = (0..TRIALS_PER_SENDER).map(|number| trial(&format!("t{number}.test"))).collect();
        assert!(sent.iter().all(|trial| queue.add_trial(now, trial) == Some(Turn::WithNewWorker)));
        assert_eq!(queue.add_trial(now, &trial("more.test")), None);
        assert_eq!(queue.add_trial(now, &trial_of(1, "more.test")), Some(Turn::WithNewWorker));
        queue.trial_ended(&sent[0].destination, &sent[0].envelope.sender);
        assert_eq!(queue.add_trial(now, &trial("more.test")), Some(Turn::Next));
    }
}
