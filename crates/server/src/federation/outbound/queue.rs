//! The order of all attempts: the queue's schedule, and the messages whose senders wait, which go first. Values behind
//! one lock; the store is not asked here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use mail_types::Domain;
use relay_policy::{Due, OutboundSchedule, RetrySchedule};

use super::trial::Trial;

/// The most destinations that are tried at once for the queue.
const QUEUE_WORKERS: usize = 24;
/// The most that are tried at once in all: a sender who waits does not wait for a queue of servers that are away.
const WORKERS: usize = 40;
/// The most messages with waiting senders at one destination; more go into the queue at once.
const TRIALS_PER_DESTINATION: usize = 30;
/// The same for all destinations together; each may hold a small message in memory.
const TRIALS: usize = 200;

/// The next message of a destination.
pub(super) enum Work {
    /// Its sender waits.
    Trial(Arc<Trial>),
    Queued(Due),
}

/// See the file's head.
pub(super) struct Queue {
    pub(super) schedule: OutboundSchedule,
    trials: BTreeMap<Domain, VecDeque<Arc<Trial>>>,
    trial_count: usize,
    workers: BTreeMap<Domain, Worker>,
}

/// A destination that is being tried.
struct Worker {
    /// Whether the schedule started it, or a waiting sender did.
    scheduled: bool,
}

impl Queue {
    pub(super) fn new(rules: RetrySchedule) -> Self {
        Self {
            schedule: OutboundSchedule::new(rules, QUEUE_WORKERS),
            trials: BTreeMap::new(),
            trial_count: 0,
            workers: BTreeMap::new(),
        }
    }

    /// Takes up a message whose sender waits, unless there is no room, or its destination was away a moment ago. The
    /// boolean tells whether a worker is to be started for it.
    pub(super) fn add_trial(&mut self, now: Instant, trial: &Arc<Trial>) -> Option<bool> {
        let destination = &trial.destination;
        let there = self.trials.get(destination).map_or(0, VecDeque::len);
        let idle = !self.workers.contains_key(destination);
        let full = there >= TRIALS_PER_DESTINATION
            || self.trial_count >= TRIALS
            || idle && self.workers.len() >= WORKERS;
        if full || self.schedule.is_down(now, destination) {
            return None;
        }
        self.trials.entry(destination.clone()).or_default().push_back(Arc::clone(trial));
        self.trial_count += 1;
        if idle {
            self.workers.insert(destination.clone(), Worker { scheduled: false });
        }
        Some(idle)
    }

    /// A destination of the queue for which a worker is to be started.
    pub(super) fn start(&mut self, now: Instant) -> Option<Domain> {
        loop {
            let destination = self.schedule.start(now)?;
            // A worker that is there for a waiting sender takes the queue's messages, too.
            match self.workers.get_mut(&destination) {
                Some(worker) => worker.scheduled = true,
                None => {
                    self.workers.insert(destination.clone(), Worker { scheduled: true });
                    return Some(destination);
                }
            }
        }
    }

    /// The next message for the worker of this destination. None ends it.
    pub(super) fn next(&mut self, now: Instant, destination: &Domain) -> Option<Work> {
        if let Some(trial) = self.trials.get_mut(destination).and_then(VecDeque::pop_front) {
            self.trial_count -= 1;
            return Some(Work::Trial(trial));
        }
        self.trials.remove(destination);
        let scheduled = self.workers.get(destination).is_some_and(|worker| worker.scheduled);
        if scheduled && let Some(due) = self.schedule.take(now, destination) {
            return Some(Work::Queued(due));
        }
        if self.workers.remove(destination).is_some_and(|worker| worker.scheduled) {
            self.schedule.stop(destination);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use host::clock;
    use mail_types::{Domain, UnixTime};
    use relay_policy::{Due, RetrySchedule, WaitingMessage};
    use store::Store;

    use super::{Queue, TRIALS_PER_DESTINATION, Work};
    use crate::federation::outbound::content::{Content, Envelope};
    use crate::federation::outbound::trial::Trial;

    fn domain(name: &str) -> Domain {
        name.parse().unwrap()
    }

    fn waiting(name: &str) -> WaitingMessage {
        WaitingMessage { destination: domain(name), owner: None, since: UnixTime(0), size: 0 }
    }

    fn trial(name: &str) -> Arc<Trial> {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let body = store.spool(100).into_small().unwrap().reader();
        let envelope = Envelope { sender: None, recipients: vec![format!("ben@{name}").parse().unwrap()] };
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
        assert_eq!(queue.add_trial(now, &trial("b.test")), Some(false));
        assert_eq!(next(&mut queue, now, "b.test"), Some("trial"));
        assert_eq!(next(&mut queue, now, "b.test"), Some("queued"));
        assert_eq!(next(&mut queue, now, "b.test"), None);
        assert_eq!(queue.add_trial(now, &trial("b.test")), Some(true));
    }

    #[test]
    fn one_worker_serves_a_destination_and_a_crowd_goes_into_the_queue() {
        let (mut queue, now) = (Queue::new(RetrySchedule::default()), clock::now());
        assert_eq!(queue.add_trial(now, &trial("b.test")), Some(true));
        queue.schedule.add(1, waiting("b.test"), now);
        assert_eq!(queue.start(now), None);
        for _ in 1..TRIALS_PER_DESTINATION {
            assert_eq!(queue.add_trial(now, &trial("b.test")), Some(false));
        }
        assert_eq!(queue.add_trial(now, &trial("b.test")), None);
        assert_eq!(queue.add_trial(now, &trial("c.test")), Some(true));
        for _ in 0..TRIALS_PER_DESTINATION {
            assert_eq!(next(&mut queue, now, "b.test"), Some("trial"));
        }
        assert_eq!(next(&mut queue, now, "b.test"), Some("queued"));
        assert_eq!(next(&mut queue, now, "b.test"), None);
    }
}
