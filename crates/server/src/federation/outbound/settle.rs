//! The end of an attempt at a queued message: the store's entry, the report to the sender, the next attempt.

use std::sync::Arc;
use std::time::Duration;

use host::clock;
use mail_types::{Address, Domain};
use relay_policy::{Attempted, Queued};
use smtp::client::{Fate, Trouble};
use store::{Outbound as Entry, OutboundDraft, OutboundId};

use super::outcome::{Outcome, outcome};
use super::reach::Reach;
use super::trial::Ended;
use super::{Outbound, waiting};
use crate::runtime::blocking;

impl Outbound {
    /// Settles a queued message after its attempt number `tries`, and the destination's expired ones with it if no server
    /// could be reached.
    pub(super) async fn settle(self: &Arc<Self>, id: OutboundId, ended: Ended, tries: u32) {
        let unreachable = (ended.reach == Reach::Nowhere).then(|| first_trouble(&ended.fates)).flatten();
        let destination = self.settle_one(id, ended, tries).await;
        if let (Some(trouble), Some(destination)) = (unreachable, destination) {
            self.expire(&destination, &trouble).await;
        }
    }

    async fn settle_one(self: &Arc<Self>, id: OutboundId, ended: Ended, tries: u32) -> Option<Domain> {
        let (outbound, kept) = (Arc::clone(self), ended.clone());
        let settled = blocking::run(move || outbound.settle_blocking(id, &ended, tries)).await;
        match settled.map_err(anyhow::Error::from).flatten() {
            Ok(destination) => destination,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the result of a delivery could not be kept");
                let attempted = Attempted::Deferred(Duration::from_secs(60));
                let mut queue = self.queue.lock();
                queue.unwritten.insert(id.0, kept);
                // One whose first attempt this was is not in the schedule yet.
                if let Some(message) = self.store.outbound_entry(id).ok().flatten().as_ref().and_then(waiting)
                {
                    queue.schedule.add(id.0, message, clock::now() + Duration::from_secs(60));
                }
                queue.schedule.settle(clock::now(), id.0, attempted, Self::chance());
                None
            }
        }
    }

    fn settle_blocking(&self, id: OutboundId, ended: &Ended, tries: u32) -> anyhow::Result<Option<Domain>> {
        let Some(entry) = self.store.outbound_entry(id)? else {
            self.forget(id);
            return Ok(None);
        };
        let destination = entry.draft.recipients.first().map(|recipient| recipient.domain().clone());
        let queued = Queued { since: entry.draft.created, tries };
        let chance = Self::chance();
        let host = ended.host.as_deref();
        let outcome = outcome(&self.rules, clock::wall(), queued, host, &ended.fates, chance);
        self.count(&outcome);
        if let Some(destination) = &destination {
            let deferred = !outcome.remaining.is_empty();
            self.note_answer(destination, deferred.then_some(outcome.last_reply.as_str()));
        }
        if !outcome.failed.is_empty() {
            self.counters.outbound.given_up.count();
            // The sender is told before the entry goes: a power cut in between reports twice rather than never.
            self.reports.write_for(&entry, &outcome.failed)?;
        }
        if outcome.remaining.is_empty() {
            self.store.finish_outbound(id)?;
        } else if outcome.remaining != entry.draft.recipients {
            let draft = OutboundDraft { recipients: outcome.remaining.clone(), ..entry.draft.clone() };
            self.store.update_outbound(id, draft)?;
        }
        self.schedule(&entry, destination.as_ref(), &outcome, ended.reach, chance);
        Ok(destination)
    }

    fn schedule(
        &self,
        entry: &Entry,
        destination: Option<&Domain>,
        outcome: &Outcome,
        reach: Reach,
        chance: u8,
    ) {
        let now = clock::now();
        let mut queue = self.queue.lock();
        let attempted = match (outcome.remaining.is_empty(), reach) {
            // Given up, or not readable: that says nothing about its server, for which others may wait.
            (true, Reach::Nowhere) => {
                queue.schedule.forget(entry.id.0);
                drop(queue);
                return self.woken.notify_one();
            }
            (true, Reach::Answered | Reach::NotForThisOne) => Attempted::Finished,
            (false, Reach::Answered) => Attempted::Deferred(Duration::from_secs(outcome.wait)),
            (false, Reach::NotForThisOne) => Attempted::SetAside(Duration::from_secs(outcome.wait)),
            (false, Reach::Nowhere) => Attempted::Unreachable,
        };
        let id = entry.id.0;
        match destination {
            // It was queued while its first attempt was being made.
            Some(destination) if !queue.schedule.contains(id) && attempted != Attempted::Finished => {
                let due = now + Duration::from_secs(outcome.wait);
                if let Some(message) = waiting(entry) {
                    queue.schedule.add(id, message, due);
                }
                queue.schedule.tried(id, 1);
                if reach == Reach::NotForThisOne {
                    queue.schedule.set_aside(id);
                }
                if attempted == Attempted::Unreachable {
                    queue.schedule.unreachable(now, destination, chance);
                }
            }
            _ => queue.schedule.settle(now, id, attempted, chance),
        }
        drop(queue);
        self.woken.notify_one();
    }

    /// Gives up the destination's messages that have waited for too long; each would wait for an attempt of its own.
    async fn expire(self: &Arc<Self>, destination: &Domain, trouble: &Trouble) {
        loop {
            let expired = self.queue.lock().schedule.take_expired(clock::wall(), destination);
            if expired.is_empty() {
                return;
            }
            for due in expired {
                let id = OutboundId(due.id);
                let entry = self.store.outbound_entry(id).ok().flatten();
                let recipients = entry.map(|entry| entry.draft.recipients).unwrap_or_default();
                let fates = recipients.into_iter().map(|to| (to, Fate::Unsettled(trouble.clone()))).collect();
                self.settle_one(id, Ended { fates, reach: Reach::Nowhere, host: None }, due.tries).await;
            }
        }
    }

    pub(super) fn count(&self, outcome: &Outcome) {
        let counters = &self.counters.outbound;
        counters.delivered.add(outcome.delivered as u64);
        counters.deferred.add(outcome.remaining.len() as u64);
        counters.failed.add(outcome.failed.len() as u64);
    }
}

fn first_trouble(fates: &[(Address, Fate)]) -> Option<Trouble> {
    fates.iter().find_map(|(_, fate)| match fate {
        Fate::Unsettled(trouble) => Some(trouble.clone()),
        Fate::Delivered | Fate::Refused(_) => None,
    })
}
