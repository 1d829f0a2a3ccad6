//! Delivery: one body, any number of local mailboxes and outbound queue entries, one commit.

use crate::bodies::{SmallBody, Spool, Spooled};
use crate::error::{Error, Result};
use crate::keys;
use crate::messages::MailboxEdit;
use crate::pending::Pending;
use crate::push::want_push;
use crate::records::{BodyRef, MessageRecord, OutboundRecord};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::types::{Announce, Delivered, OutboundDraft, OutboundId, Submitted, Target};
use mail_types::ModSeq;

/// A message, and where it goes.
#[derive(Debug)]
pub struct Submission {
    /// The body.
    pub spool: Spool,
    /// The local mailboxes.
    pub targets: Vec<Target>,
    /// The entries of the outbound queue.
    pub outbound: Vec<OutboundDraft>,
}

impl Store {
    /// Puts one message into several mailboxes; returns when it is durable in all of them.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`] when less than the reserve would be left free, [`Error::MailboxExhausted`],
    /// [`Error::KeywordsFull`]; see [`Error`] for those of every change. A mailbox that is gone is no error but a result of
    /// its target.
    pub fn deliver(&self, spool: Spool, targets: &[Target]) -> Result<Vec<Delivered>> {
        Ok(self.submit(spool, targets, &[])?.delivered)
    }

    /// Begins to put a small message into several mailboxes and into the outbound queue; does not block.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`] at once; all others come with the result.
    pub fn start_submission(
        &self,
        message: SmallBody,
        targets: &[Target],
        outbound: Vec<OutboundDraft>,
    ) -> Result<Pending<Submitted>> {
        let SmallBody { bytes, crc } = message;
        let (size, targets) = (bytes.len() as u64, targets.to_vec());
        self.require_room(size)?;
        Ok(self.start(move |transaction| {
            take_in(transaction, Spooled::Inline(bytes), size, crc, &targets, outbound)
        }))
    }

    /// Puts one message into several mailboxes and into the outbound queue; returns when all of it is durable.
    ///
    /// # Errors
    ///
    /// Those of [`Store::deliver`].
    pub fn submit(&self, spool: Spool, targets: &[Target], outbound: &[OutboundDraft]) -> Result<Submitted> {
        let submission = Submission { spool, targets: targets.to_vec(), outbound: outbound.to_vec() };
        let submitted = self.submit_all(vec![submission])?;
        submitted.into_iter().next().ok_or(Error::Bug("a submission had no result"))
    }

    /// Puts several messages where they go, in one commit: after a power cut there are all of them, or none. Returns when
    /// all of it is durable, with a result for each, in their order.
    ///
    /// # Errors
    ///
    /// Those of [`Store::deliver`].
    pub fn submit_all(&self, mut submissions: Vec<Submission>) -> Result<Vec<Submitted>> {
        self.require_room(submissions.iter().map(|submission| submission.spool.size()).sum())?;
        let mut messages = Vec::with_capacity(submissions.len());
        for Submission { spool, targets, outbound } in &mut submissions {
            let (size, crc) = (spool.size(), spool.crc());
            let body = self.poison_on_sync_error(spool.finish())?;
            messages.push((body, size, crc, std::mem::take(targets), std::mem::take(outbound)));
        }
        // The spools outlive the commit: if that fails, dropping them removes their files.
        self.write(move |transaction| {
            let take = |(body, size, crc, targets, outbound): (_, _, _, Vec<_>, _)| {
                take_in(transaction, body, size, crc, &targets, outbound)
            };
            messages.into_iter().map(take).collect()
        })
    }
}

fn take_in(
    transaction: &mut Transaction<'_>,
    spooled: Spooled,
    size: u64,
    crc: u32,
    targets: &[Target],
    outbound: Vec<OutboundDraft>,
) -> Result<Submitted> {
    let body = BodyRef { body: transaction.fresh_id()?, size, crc };
    let mut references = 0_u32;
    let mut delivered = Vec::with_capacity(targets.len());
    for target in targets {
        let mut change = match MailboxEdit::begin(transaction, target.mailbox) {
            Err(Error::NoSuchMailbox) => {
                delivered.push(Delivered::NoSuchMailbox);
                continue;
            }
            change => change?,
        };
        let record = MessageRecord {
            body,
            modseq: ModSeq::default(),
            internal_date: target.internal_date,
            arrived: target.arrived,
            flags: change.intern(transaction, &target.flags)?,
            named: Vec::new(),
        };
        let uid = change.add(transaction, record)?;
        delivered.push(Delivered::Stored { uid_validity: change.counters.uid_validity, uid });
        if target.announce == Announce::ToDevices {
            want_push(transaction, change.counters.account, target.arrived, body.body);
        }
        change.end(transaction)?;
        references += 1;
    }
    let mut queued = Vec::with_capacity(outbound.len());
    for draft in outbound {
        let id = OutboundId(transaction.fresh_id()?);
        transaction.put_json(keys::outbound(id), &OutboundRecord { body, draft })?;
        queued.push(id);
        references += 1;
    }
    if references > 0 {
        transaction.set_references(body.body, references);
        match spooled {
            Spooled::Inline(bytes) => transaction.add_inline_body(body.body, bytes),
            Spooled::File(path) => transaction.add_body_file(body.body, path),
        }
    }
    Ok(Submitted { delivered, queued })
}
