//! A message on its way in from another server: inspected, verified, cleaned and spooled in one pass, so that memory does
//! not grow with it.
//!
//! At its worst one holds its header section twice (128 KiB each, and once more while the gate reads its fields), and the
//! buffer before the spool (40 KiB): half a MiB. [`Reception`](super::Reception) lets only so many in at once.

use std::io;

use dkim::{Signatures, Verification};
use relay_policy::{HeaderCleanup, Inspected, Inspection, Purpose, Refusal};
use store::Store;

use super::messages_at_once::MessageGuard;
use crate::mailboxes::spool_buffer::{BufferedMessage, SpoolBuffer};

/// A message that is coming in.
pub(super) struct IncomingMessage {
    inspection: Inspection,
    verification: Verification,
    cleanup: HeaderCleanup,
    spool: SpoolBuffer,
    /// Its place among those that may come in at once.
    place: MessageGuard,
}

/// A message that has come in.
pub(super) struct Complete {
    pub(super) inspected: Inspected,
    pub(super) signatures: Signatures,
    /// The cleaned message, or the failure to keep it.
    pub(super) message: io::Result<BufferedMessage>,
    /// It holds a header section until its keys are looked up.
    pub(super) place: MessageGuard,
}

impl IncomingMessage {
    /// A message of which no byte has come.
    pub(super) fn new(place: MessageGuard) -> Self {
        Self {
            inspection: Inspection::incoming(),
            verification: Verification::new(),
            cleanup: HeaderCleanup::new(Purpose::LocalDelivery),
            spool: SpoolBuffer::Empty,
            place,
        }
    }

    /// Takes the next bytes of the message, its dots unescaped; `limit` is that of the whole in bytes.
    pub(super) async fn push(&mut self, store: &Store, limit: u64, bytes: Vec<u8>) {
        self.inspection.push(&bytes);
        if self.inspection.has_failed() {
            // None of it is needed any more, least of all a header section that is too large.
            self.verification = Verification::new();
            return self.spool.discard();
        }
        self.verification.push(&bytes);
        if let Some(buffer) = self.spool.buffer(store, limit) {
            self.cleanup.push(&bytes, buffer);
        }
        // A trip to the disk may take a while, and there may be many of these.
        drop(bytes);
        self.spool.flush_if_full().await;
    }

    /// The whole message, or the reason why nobody can read it.
    pub(super) fn finish(self, store: &Store, limit: u64) -> Result<Complete, Refusal> {
        let Self { inspection, verification, cleanup, mut spool, place } = self;
        let inspected = inspection.finish()?;
        if let Some(buffer) = spool.buffer(store, limit) {
            cleanup.finish(buffer);
        }
        Ok(Complete { inspected, signatures: verification.finish(), message: spool.take(), place })
    }
}
