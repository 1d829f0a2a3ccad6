//! The outbound queue: messages for other servers. Entries come in with `Store::submit`.

use crate::bodies::BodyReader;
use crate::error::{Error, Result};
use crate::keys;
use crate::records::{OutboundRecord, from_json};
use crate::store::Store;
use crate::types::{Outbound, OutboundDraft, OutboundId, OutboundSummary};

impl Store {
    /// The whole queue, oldest first.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every read.
    pub fn outbound(&self) -> Result<Vec<Outbound>> {
        let state = self.read();
        let mut queue = Vec::new();
        for (key, value) in state.scan(keys::OUTBOUND) {
            let id =
                keys::number_of(key).map(OutboundId).ok_or(Error::Bug("a queue entry's key is too short"))?;
            let OutboundRecord { body, draft } = from_json(value)?;
            queue.push(Outbound { id, size: body.size, draft });
        }
        Ok(queue)
    }

    /// At most `limit` entries behind `after`, oldest first; from the beginning without one.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every read.
    pub fn outbound_after(&self, after: Option<OutboundId>, limit: usize) -> Result<Vec<Outbound>> {
        let state = self.read();
        let mut page = Vec::new();
        for (key, value) in state.scan(keys::OUTBOUND) {
            let id =
                keys::number_of(key).map(OutboundId).ok_or(Error::Bug("a queue entry's key is too short"))?;
            if after.is_some_and(|after| id <= after) {
                continue;
            }
            if page.len() >= limit {
                break;
            }
            let OutboundRecord { body, draft } = from_json(value)?;
            page.push(Outbound { id, size: body.size, draft });
        }
        Ok(page)
    }

    /// The length of the queue, and the time at which its oldest entry was accepted. One record is read.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every read.
    pub fn outbound_summary(&self) -> Result<OutboundSummary> {
        let state = self.read();
        let mut entries = state.scan(keys::OUTBOUND);
        let Some((_, oldest)) = entries.next() else { return Ok(OutboundSummary::default()) };
        let OutboundRecord { draft, .. } = from_json(oldest)?;
        Ok(OutboundSummary { messages: 1 + entries.count(), oldest: Some(draft.created) })
    }

    /// One entry; none when it is gone.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every read.
    pub fn outbound_entry(&self, id: OutboundId) -> Result<Option<Outbound>> {
        let state = self.read();
        let Some(value) = state.value(&keys::outbound(id)) else { return Ok(None) };
        let OutboundRecord { body, draft } = from_json(value)?;
        Ok(Some(Outbound { id, size: body.size, draft }))
    }

    /// The message of an entry.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMessage`], [`Error::Damaged`] when the body's file is missing; see [`Error`] for those of every read.
    pub fn outbound_body(&self, id: OutboundId) -> Result<BodyReader> {
        self.open_body(|state| {
            let value = state.value(&keys::outbound(id)).ok_or(Error::NoSuchMessage)?;
            Ok(from_json::<OutboundRecord>(value)?.body)
        })
    }

    /// Records the result of an attempt: remaining recipients, time of the next attempt, reply.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMessage`]; see [`Error`] for those of every change.
    pub fn update_outbound(&self, id: OutboundId, draft: OutboundDraft) -> Result<()> {
        self.write(move |transaction| {
            let key = keys::outbound(id);
            let OutboundRecord { body, .. } = transaction.json(&key)?.ok_or(Error::NoSuchMessage)?;
            transaction.put_json(key, &OutboundRecord { body, draft })
        })
    }

    /// Removes an entry that is served or given up. One that is gone already is no error.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every change.
    pub fn finish_outbound(&self, id: OutboundId) -> Result<()> {
        self.write(move |transaction| {
            let key = keys::outbound(id);
            if let Some(OutboundRecord { body, .. }) = transaction.json(&key)? {
                transaction.release_body(body.body);
                transaction.delete(key);
            }
            Ok(())
        })
    }
}
