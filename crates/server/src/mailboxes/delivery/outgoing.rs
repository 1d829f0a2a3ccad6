//! Submitted mail with recipients at other servers.
//!
//! When nobody here gets the message but its sender, the other servers are tried first, while the sender waits for a few
//! seconds: what they refuse for good is said in the reply to DATA. When somebody else here gets it, the answer is `250`
//! in any case, and the other servers are tried afterwards. A message is one body in the store, and everything that is
//! promised by the `250` is one commit: mailboxes and queue.

use std::io::{self, Read};
use std::sync::Arc;

use host::clock;
use mail_types::{Address, UnixTime};
use relay_policy::Refusal;
use store::{BodyReader, OutboundDraft, SmallBody, Spool, Store, Submitted};

use super::{Delivery, Failure};
use crate::federation::outbound::{FirstAttempt, Outbound, Sending};
use crate::mailboxes::recipients::{Plan, Unreached};
use crate::mailboxes::reports::QUOTED_BYTES;
use crate::mailboxes::spool_buffer::BufferedMessage;
use crate::runtime::blocking;

/// The body of a message that is complete, and not in the store yet.
enum Body {
    Small(SmallBody),
    Spooled(Spool),
}

impl Delivery {
    /// Takes a message with recipients elsewhere. `Ok` means: everybody has it, or it is on disk for those who have not.
    pub(super) async fn submit_outgoing(
        self: &Arc<Self>,
        outbound: &Arc<Outbound>,
        sender: Address,
        mut plan: Plan,
        message: BufferedMessage,
    ) -> Result<(), Failure> {
        let size = message.size();
        if !outbound.admits(&sender, plan.remote.len(), size) {
            return Err(Failure::Refused(Refusal::QueueFull(sender)));
        }
        let body = Body::of(message).await?;
        let head = body.head()?;
        let prefix =
            if outbound.clock_is_right() { outbound.sign(body.reader()?).await? } else { String::new() };
        let sending =
            Sending { sender: sender.clone(), prefix, recipients: std::mem::take(&mut plan.remote), size };
        let mut attempt = if plan.reaches_another(&sender) {
            FirstAttempt::none(sending)
        } else {
            outbound.attempt(sending, || body.reader()).await?
        };
        plan.elsewhere = attempt.delivered > 0 || attempt.is_unfinished();
        plan.unreached
            .extend(std::mem::take(&mut attempt.failed).into_iter().map(Unreached::by_other_server));
        if let Some(refusal) = plan.refusal(Some(&sender)) {
            return Err(Failure::Refused(refusal));
        }
        let now = clock::wall();
        match self.keep(body, &plan, attempt.drafts(now)).await {
            Ok(submitted) => {
                self.sort_out_outgoing(outbound, &sender, plan, attempt, submitted, (now, head)).await
            }
            Err(error) => {
                Outbound::withdraw(&attempt);
                Err(error)
            }
        }
    }

    /// Writes the message for everybody who is to get it from the store. What was delivered and needs no copy here costs
    /// no write.
    async fn keep(
        self: &Arc<Self>,
        body: Body,
        plan: &Plan,
        drafts: Vec<OutboundDraft>,
    ) -> Result<Submitted, Failure> {
        if plan.targets.is_empty() && drafts.is_empty() {
            return Ok(Submitted { delivered: Vec::new(), queued: Vec::new() });
        }
        match body {
            Body::Small(small) => Ok(self.store.start_submission(small, &plan.targets, drafts)?.await?),
            Body::Spooled(spool) => {
                let (store, targets): (Store, _) = (self.store.clone(), plan.targets.clone());
                Ok(blocking::run(move || store.submit(spool, &targets, &drafts)).await??)
            }
        }
    }

    async fn sort_out_outgoing(
        self: &Arc<Self>,
        outbound: &Arc<Outbound>,
        sender: &Address,
        mut plan: Plan,
        attempt: FirstAttempt,
        submitted: Submitted,
        (now, head): (UnixTime, Vec<u8>),
    ) -> Result<(), Failure> {
        outbound.queued(attempt, &submitted.queued, now);
        self.sort_out_submitted(sender, &mut plan, submitted.delivered)?;
        if self.is_settled(&plan) {
            return Ok(());
        }
        let (delivery, sender) = (Arc::clone(self), sender.clone());
        Ok(blocking::run(move || delivery.settle(&sender, plan, &head)).await?)
    }
}

impl Body {
    async fn of(message: BufferedMessage) -> Result<Self, Failure> {
        match message.into_small() {
            Ok(small) => Ok(Self::Small(small)),
            Err(message) => Ok(Self::Spooled(blocking::run(move || message.finish()).await??)),
        }
    }

    fn reader(&self) -> io::Result<BodyReader> {
        match self {
            Self::Small(small) => Ok(small.reader()),
            Self::Spooled(spool) => spool.reader().map_err(io::Error::other),
        }
    }

    /// The beginning, for a report.
    fn head(&self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        self.reader()?.take(QUOTED_BYTES).read_to_end(&mut head)?;
        Ok(head)
    }
}
