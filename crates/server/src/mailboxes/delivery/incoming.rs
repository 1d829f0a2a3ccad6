//! Delivery of mail from other servers: into all mailboxes, with the report about the others, in one commit.
//!
//! A message that reaches nobody is refused at the end of its transmission. When some recipients are reached, the others
//! are reported to the author, if the author's domain has proved to be where the message comes from and the envelope
//! names the author: reports that go anywhere else would make this server a cannon of others (backscatter).

use std::io::Read;
use std::sync::Arc;

use anyhow::Context;
use host::clock;
use mail_types::Address;
use relay_policy::FailedRecipient;
use store::{OutboundDraft, Spool, Submission};

use super::{Delivery, Failure};
use crate::mailboxes::recipients::{Plan, Unreached};
use crate::mailboxes::reports;
use crate::mailboxes::spool_buffer::BufferedMessage;
use crate::runtime::blocking;

/// The bytes of a message that are read for its report: more than the header sections that other relays write, and
/// less than one that is as large as it may be.
const QUOTED_BYTES: u64 = 16 * 1024;

/// A message from elsewhere that passed the gate.
pub(crate) struct Letter {
    /// The address in From.
    pub(crate) author: Address,
    /// The recipient of a report about those who did not get it; none if a report could reach somebody else.
    pub(crate) report_to: Option<Address>,
    /// The recipients, all of them at our domains.
    pub(crate) recipients: Vec<Address>,
    /// The message, cleaned.
    pub(crate) message: BufferedMessage,
}

impl Delivery {
    /// Delivers a message from elsewhere. `Ok` means: it is on disk in every mailbox that it reaches, and so is the report
    /// about the others, if there may be one.
    pub(crate) async fn receive(self: &Arc<Self>, letter: Letter) -> Result<(), Failure> {
        let Letter { author, report_to, recipients, mut message } = letter;
        let mut plan = self.sort(&author, &recipients, message.size())?;
        if let Some(refusal) = plan.refusal(None) {
            return Err(Failure::Refused(refusal));
        }
        let report_to = self.permitted(report_to, &plan);
        if report_to.is_none() {
            // The usual message costs no trip to a thread that may block: it waits for the store's writer and nothing else.
            message = match message.into_small() {
                Ok(small) => {
                    let submitted = self.store.start_submission(small, &plan.targets, Vec::new())?.await?;
                    self.sort_out(None, &mut plan, submitted.delivered)?;
                    return Ok(self.trim_received(plan).await?);
                }
                Err(message) => message,
            };
        }
        let delivery = Arc::clone(self);
        let work = move || delivery.receive_large(plan, report_to, message);
        blocking::run(work).await.map_err(Failure::from).flatten()
    }

    /// The recipient of a report, if one is due and there have not been too many.
    fn permitted(&self, report_to: Option<Address>, plan: &Plan) -> Option<Address> {
        if plan.unreached.is_empty() {
            return None;
        }
        let permitted =
            report_to.filter(|_| self.outbound.is_some()).filter(|to| self.report_pace.permits(to.domain()));
        if permitted.is_none() {
            self.counters.received.unreported.add(plan.unreached.len() as u64);
        }
        permitted
    }

    fn receive_large(
        &self,
        mut plan: Plan,
        report_to: Option<Address>,
        message: BufferedMessage,
    ) -> Result<(), Failure> {
        let spool = message.finish()?;
        let report = match report_to {
            Some(to) => Some(self.report_undelivered(&to, std::mem::take(&mut plan.unreached), &spool)?),
            None => None,
        };
        let reported = report.is_some();
        let letter = Submission { spool, targets: plan.targets.clone(), outbound: Vec::new() };
        let submitted = self.store.submit_all(std::iter::once(letter).chain(report).collect())?;
        let mut submitted = submitted.into_iter();
        let delivered = submitted.next().map(|submitted| submitted.delivered);
        if let Some(outbound) = &self.outbound {
            submitted.flat_map(|report| report.queued).for_each(|id| outbound.take_up(id));
        }
        self.sort_out(None, &mut plan, delivered.unwrap_or_default())?;
        if reported {
            self.counters.bounces.count();
        }
        plan.accounts.iter().for_each(|account| self.trim(account));
        Ok(())
    }

    /// The report about recipients who do not get a message, for the outbound queue.
    fn report_undelivered(
        &self,
        sender: &Address,
        unreached: Vec<Unreached>,
        original: &Spool,
    ) -> anyhow::Result<Submission> {
        let mut head = Vec::new();
        original.reader()?.take(QUOTED_BYTES).read_to_end(&mut head)?;
        let failed: Vec<FailedRecipient> = unreached.into_iter().map(Unreached::into_failed).collect();
        let domain = self.domains.first().context("the server has no domain")?;
        let now = clock::wall();
        let spool = reports::spooled(&self.store, domain, (sender, &failed, &head), now)?;
        // It is signed on its way out.
        let outbound = OutboundDraft::new(None, vec![sender.clone()], String::new(), now);
        Ok(Submission { spool, targets: Vec::new(), outbound: vec![outbound] })
    }

    /// Makes room where it is scarce.
    async fn trim_received(self: &Arc<Self>, plan: Plan) -> Result<(), blocking::Unfinished> {
        let scarce: Vec<Address> =
            plan.accounts.into_iter().filter(|account| !self.is_roomy(account)).collect();
        if scarce.is_empty() {
            return Ok(());
        }
        let delivery = Arc::clone(self);
        blocking::run(move || scarce.iter().for_each(|account| delivery.trim(account))).await
    }
}
