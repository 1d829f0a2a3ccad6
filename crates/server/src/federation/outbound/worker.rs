//! The worker of a destination: one message after the other, those with waiting senders first.

use std::sync::Arc;
use std::time::Duration;

use host::clock;
use mail_types::{Address, Domain};
use relay_policy::Due;
use smtp::Reply;
use smtp::client::Fate;
use store::{BodyReader, Outbound as Entry, OutboundId};

use super::Outbound;
use super::content::{Content, Envelope};
use super::queue::Work;
use super::reach::Reach;
use super::transport::Attempt;
use super::trial::{Ended, Trial};
use crate::runtime::blocking;

/// The time for one attempt at a destination, all its hosts together: a server that lets each step take as long as it may
/// must not hold a worker for hours.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(240);
/// The bytes a second of a bad line, for which there is more time.
const SLOWEST_LINE: u64 = 8 * 1024;

impl Outbound {
    /// Works until the destination has no message that is due.
    pub(super) async fn work(self: Arc<Self>, destination: Domain) {
        while !self.shutdown.is_cancelled() {
            let next = self.queue.lock().next(clock::now(), &destination);
            match next {
                Some(Work::Trial(trial)) => self.try_trial(&trial).await,
                Some(Work::Queued(due)) => self.try_queued(&destination, due).await,
                None => break,
            }
        }
        self.woken.notify_one();
    }

    /// The attempt at a message whose sender waits.
    pub(super) async fn try_trial(self: &Arc<Self>, trial: &Trial) {
        let Some(content) = trial.begin() else { return self.trial_ended(trial) };
        let ended = self.attempt_at(&trial.destination, &trial.envelope, content).await;
        // A message that was queued meanwhile has to stand in the queue, if it must wait, before the sender's next one goes.
        let handed_over = trial.is_handed_over();
        if !handed_over {
            self.trial_ended(trial);
        }
        if let Some((id, ended)) = trial.end(ended) {
            self.settle(id, ended, 1).await;
        }
        if handed_over {
            self.trial_ended(trial);
        }
    }

    fn trial_ended(&self, trial: &Trial) {
        self.queue.lock().trial_ended(&trial.destination, &trial.envelope.sender);
    }

    async fn try_queued(self: &Arc<Self>, destination: &Domain, due: Due) {
        let id = OutboundId(due.id);
        // What came of the last attempt could not be written: that is to be done, and nothing else.
        let kept = self.queue.lock().unwritten.remove(&due.id);
        if let Some(ended) = kept {
            return self.settle(id, ended, due.tries).await;
        }
        match self.open(id).await {
            Ok(Some((entry, body))) => {
                let envelope = Envelope {
                    sender: entry.draft.sender.clone(),
                    recipients: entry.draft.recipients.clone(),
                };
                let prefix = self.prefix(&entry).await;
                let ended = self.attempt_at(destination, &envelope, Content::new(&prefix, body)).await;
                self.settle(id, ended, due.tries).await;
            }
            // Dropped by the owner in this moment.
            Ok(None) => self.forget(id),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "a queued message could not be read");
                let entry = self.store.outbound_entry(id).ok().flatten();
                let recipients = entry.map(|entry| entry.draft.recipients).unwrap_or_default();
                self.settle(id, unreadable(&recipients), due.tries).await;
            }
        }
    }

    async fn attempt_at(&self, destination: &Domain, envelope: &Envelope, mut content: Content) -> Ended {
        let limit = ATTEMPT_LIMIT + Duration::from_secs(content.size() / SLOWEST_LINE);
        let delivering = self.transport.deliver(destination, envelope, &mut content);
        let attempt =
            tokio::time::timeout(limit, delivering).await.unwrap_or_else(|_| Attempt::timed_out(envelope));
        if content.is_unreadable() {
            return unreadable(&envelope.recipients);
        }
        let delivered = attempt.fates.iter().filter(|(_, fate)| *fate == Fate::Delivered).count();
        self.counters.outbound.attempts.count();
        tracing::debug!(%destination, host = attempt.host, delivered, of = attempt.fates.len(), fate = ?attempt.fates.first().map(|(_, fate)| fate), "a message was offered to another server");
        let ended = Ended { fates: attempt.fates, reach: attempt.reach, host: attempt.host };
        ended.complete(&envelope.recipients)
    }

    async fn open(&self, id: OutboundId) -> anyhow::Result<Option<(Entry, BodyReader)>> {
        let store = self.store.clone();
        let open = move || match store.outbound_entry(id)? {
            Some(entry) => Ok(Some((entry, store.outbound_body(id)?))),
            None => Ok(None),
        };
        blocking::run(open).await?
    }

    /// The fields in front of a queued message: those it was queued with, or a signature of now, if it has none: it was
    /// written while the clock was wrong.
    async fn prefix(&self, entry: &Entry) -> String {
        if !entry.draft.prefix.is_empty() {
            return entry.draft.prefix.clone();
        }
        let (store, id) = (self.store.clone(), entry.id);
        let signed = async { self.sign(blocking::run(move || store.outbound_body(id)).await??).await };
        signed.await.unwrap_or_else(|error: anyhow::Error| {
            tracing::error!(error = format!("{error:#}"), "a queued message could not be signed");
            String::new()
        })
    }
}

/// The end of a message that cannot be read from the disk, or not be sent as it is: no server had a say in it, and another
/// attempt would find the same, so its sender is told at once.
fn unreadable(recipients: &[Address]) -> Ended {
    let reply =
        Reply::new(550, "5.3.0 The message was damaged while it waited on this server, and was not sent");
    let fates = recipients.iter().map(|to| (to.clone(), Fate::Refused(reply.clone()))).collect();
    Ended { fates, reach: Reach::Nowhere, host: None }
}
