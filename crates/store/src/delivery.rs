//! Delivery: one body, any number of local mailboxes and outbound queue entries, one commit.

use crate::bodies::{SmallBody, Spool, Spooled};
use crate::error::{Error, Result};
use crate::keys;
use crate::messages::MailboxEdit;
use crate::pending::Pending;
use crate::push::want_push;
use crate::records::{BodyRef, MessageRecord, OutboundRecord, bounded};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::types::{Announce, Delivered, OutboundDraft, OutboundId, Submitted, Target};
use mail_types::ModSeq;

impl Store {
    /// Puts one message into several mailboxes; returns when it is durable in all of them.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`] when less than the reserve would be left free, [`Error::MailboxExhausted`]; see [`Error`] for those of every change. A
    /// mailbox that is gone is no error but a result of its target.
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
    pub fn submit(
        &self,
        mut spool: Spool,
        targets: &[Target],
        outbound: &[OutboundDraft],
    ) -> Result<Submitted> {
        let (size, crc) = (spool.size(), spool.crc());
        self.require_room(size)?;
        let body = self.poison_on_sync_error(spool.finish())?;
        let (targets, outbound) = (targets.to_vec(), outbound.to_vec());
        // The spool outlives the commit: if that fails, dropping it removes the file.
        self.write(move |transaction| take_in(transaction, body, size, crc, &targets, outbound))
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
            flags: bounded(target.flags.clone()),
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
