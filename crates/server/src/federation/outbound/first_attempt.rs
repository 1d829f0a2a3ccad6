//! A submitted message on its way to other servers, until it is delivered, refused or queued.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use host::clock;
use mail_types::{Address, Domain, UnixTime};
use relay_policy::{FailedRecipient, Queued, WaitingMessage};
use store::{BodyReader, OutboundDraft, OutboundId};

use super::Outbound;
use super::content::{Content, Envelope};
use super::outcome::outcome;
use super::queue::Turn;
use super::reach::Reach;
use super::trial::{Ended, Handed, Trial};

/// A message for other servers, but for its body.
pub(crate) struct Sending {
    /// The envelope sender.
    pub(crate) sender: Address,
    /// The signature, to be put before the body.
    pub(crate) prefix: String,
    /// The recipients by destination.
    pub(crate) recipients: BTreeMap<Domain, Vec<Address>>,
    /// The size of the body in bytes.
    pub(crate) size: u64,
}

/// The state of a message after the first attempt.
pub(crate) struct FirstAttempt {
    /// The number of recipients who have it.
    pub(crate) delivered: usize,
    /// The recipients who will not get it.
    pub(crate) failed: Vec<FailedRecipient>,
    sender: Address,
    prefix: String,
    size: u64,
    /// The rest: to be queued.
    parts: Vec<Part>,
}

/// The recipients at one destination who may still get the message.
struct Part {
    destination: Domain,
    recipients: Vec<Address>,
    progress: Progress,
}

enum Progress {
    /// No attempt was made.
    Untried,
    /// The attempt is being made.
    Running(Arc<Trial>),
    /// The attempt ended without a result.
    Deferred { wait: Duration, reach: Reach },
}

impl FirstAttempt {
    /// A message for which no attempt is made now: its sender need not wait, since others here have it.
    pub(crate) fn none(sending: Sending) -> Self {
        let untried =
            |(destination, recipients)| Part { destination, recipients, progress: Progress::Untried };
        let parts = sending.recipients.into_iter().map(untried).collect();
        let Sending { sender, prefix, size, .. } = Sending { recipients: BTreeMap::new(), ..sending };
        Self { delivered: 0, failed: Vec::new(), sender, prefix, size, parts }
    }

    /// Whether the message is to be queued for anybody.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.parts.is_empty()
    }

    /// The entries of the queue, to be made durable before [`Outbound::queued`].
    pub(crate) fn drafts(&self, now: UnixTime) -> Vec<OutboundDraft> {
        let draft = |part: &Part| {
            let sender = Some(self.sender.clone());
            OutboundDraft::new(sender, part.recipients.clone(), self.prefix.clone(), now)
        };
        self.parts.iter().map(draft).collect()
    }

    fn take_ended(&mut self, outbound: &Outbound, trial: &Trial, ended: &Ended) {
        let queued = Queued { since: clock::wall(), tries: 1 };
        let host = ended.host.as_deref();
        let outcome = outcome(&outbound.rules, clock::wall(), queued, host, &ended.fates, Outbound::chance());
        outbound.count(&outcome);
        let deferred = !outcome.remaining.is_empty();
        outbound.note_answer(&trial.destination, deferred.then_some(outcome.last_reply.as_str()));
        self.delivered += outcome.delivered;
        self.failed.extend(outcome.failed);
        if !outcome.remaining.is_empty() {
            let progress = Progress::Deferred { wait: Duration::from_secs(outcome.wait), reach: ended.reach };
            let destination = trial.destination.clone();
            self.parts.push(Part { destination, recipients: outcome.remaining, progress });
        }
    }
}

impl Outbound {
    /// Tries all destinations at once, and waits for a few seconds for their answers.
    ///
    /// # Errors
    ///
    /// When the body cannot be opened.
    pub(crate) async fn attempt(
        self: &Arc<Self>,
        sending: Sending,
        mut body: impl FnMut() -> io::Result<BodyReader>,
    ) -> io::Result<FirstAttempt> {
        let Sending { sender, prefix, recipients, size } = sending;
        let mut trials = Vec::new();
        let mut attempt = FirstAttempt {
            delivered: 0,
            failed: Vec::new(),
            sender: sender.clone(),
            prefix: prefix.clone(),
            size,
            parts: Vec::new(),
        };
        for (destination, recipients) in recipients {
            let envelope = Envelope { sender: Some(sender.clone()), recipients: recipients.clone() };
            let trial = Trial::new(destination.clone(), envelope, Content::new(&prefix, body()?));
            if self.clock.is_right() && self.begin(&trial) {
                trials.push(trial);
            } else {
                attempt.parts.push(Part { destination, recipients, progress: Progress::Untried });
            }
        }
        let deadline = tokio::time::sleep(self.transport.peers.patience);
        tokio::pin!(deadline);
        for trial in trials {
            let ended = tokio::select! {
                ended = trial.wait() => Some(ended),
                () = &mut deadline => trial.result(),
            };
            match ended {
                Some(ended) => attempt.take_ended(self, &trial, &ended),
                None => {
                    let (destination, recipients) =
                        (trial.destination.clone(), trial.envelope.recipients.clone());
                    let progress = Progress::Running(trial);
                    attempt.parts.push(Part { destination, recipients, progress });
                }
            }
        }
        Ok(attempt)
    }

    /// Whether a worker takes the message up.
    fn begin(self: &Arc<Self>, trial: &Arc<Trial>) -> bool {
        let turn = self.queue.lock().add_trial(clock::now(), trial);
        match turn {
            Some(Turn::WithNewWorker) => self.spawn_worker(trial.destination.clone()),
            Some(Turn::Alone) => self.spawn_alone(Arc::clone(trial)),
            Some(Turn::Next) | None => {}
        }
        turn.is_some()
    }

    /// The drafts of this attempt are durable, under these numbers.
    pub(crate) fn queued(self: &Arc<Self>, attempt: FirstAttempt, ids: &[OutboundId], created: UnixTime) {
        let now = clock::now();
        let FirstAttempt { parts, sender, size, .. } = attempt;
        for (part, id) in parts.into_iter().zip(ids) {
            let Part { destination, progress, .. } = part;
            let (mut reach, mut tries) = (Reach::Answered, 0);
            let due = match progress {
                Progress::Untried => now,
                Progress::Deferred { wait, reach: come } => {
                    (reach, tries) = (come, 1);
                    now + wait
                }
                Progress::Running(trial) => match trial.queued(*id) {
                    Handed::InProgress => continue,
                    Handed::Untried => now,
                    Handed::Ended(ended) => {
                        let (outbound, id) = (Arc::clone(self), *id);
                        self.tasks.spawn(async move { outbound.settle(id, ended, 1).await });
                        continue;
                    }
                },
            };
            let mut queue = self.queue.lock();
            let message = WaitingMessage {
                destination: destination.clone(),
                owner: Some(sender.clone()),
                since: created,
                size,
            };
            queue.schedule.add(id.0, message, due);
            queue.schedule.tried(id.0, tries);
            if reach == Reach::NotForThisOne {
                queue.schedule.set_aside(id.0);
            }
            if reach == Reach::Nowhere {
                queue.schedule.unreachable(now, &destination, Self::chance());
            }
        }
        self.woken.notify_one();
    }

    /// The message is refused, or cannot be kept: what is under way is of no interest any more.
    pub(crate) fn withdraw(attempt: &FirstAttempt) {
        for part in &attempt.parts {
            if let Progress::Running(trial) = &part.progress {
                trial.withdraw();
            }
        }
    }
}
