//! The writer's thread, the only one that changes anything. It commits in groups: all transactions that have queued up
//! during one sync share the next.
//!
//! ```text
//! collect ─▶ persist ──────────────────────────▶ publish ─▶ answer the callers
//! run jobs   rename body files, append, sync     state, places, callback
//! ```
//!
//! A transaction sees those before it in its batch although they are not durable yet. That is safe because they share a
//! fate: if the sync fails, all of them fail, and nothing of the batch is ever published.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::error::{Error, Result};
use crate::journal::AppendError;
use crate::log::Kind;
use crate::places::{ContainerId, Place};
use crate::state::State;
use crate::task::{Answer, Job, Task, Verdict};
use crate::transaction::{Effects, Transaction};
use crate::writer_state::Writer;

/// Transactions in one batch; further ones wait for the next.
const BATCH_LIMIT: usize = 512;
/// Deferred transactions kept back; one more is committed at once, and all with it.
const DEFERRED_LIMIT: usize = 256;
/// Bytes of frames after which a batch takes no further transaction.
const BATCH_BYTES: usize = 4 << 20;

/// The transactions of one group commit.
#[derive(Default)]
struct Batch {
    frames: Vec<u8>,
    effects: Effects,
    transactions: u64,
    answers: Vec<Answer>,
}

impl Writer {
    /// Runs until every sender is gone, then commits the deferred transactions.
    pub(crate) fn run(mut self, tasks: &Receiver<Task>) {
        while let Ok(first) = tasks.recv() {
            let mut next = Some(first);
            while let Some(task) = next.take() {
                match task {
                    Task::Deferred(job) if self.deferred.len() < DEFERRED_LIMIT => self.deferred.push(job),
                    Task::Transaction(job) | Task::Deferred(job) => {
                        let (batch, behind) = self.collect(job, tasks);
                        next = behind;
                        self.commit(batch);
                        self.checkpoint_if_due();
                    }
                    Task::Checkpoint(reply) => self.request_checkpoint(reply),
                    Task::CheckpointDone => self.settle_checkpoint(),
                }
            }
        }
        if let Some(last) = self.deferred.pop() {
            let (batch, _) = self.collect(last, tasks);
            self.commit(batch);
        }
    }

    /// Runs the queued transactions, up to a limit, without waiting for more. Returns also the task that ended the batch,
    /// if it is of another kind.
    fn collect(&mut self, first: Job, tasks: &Receiver<Task>) -> (Batch, Option<Task>) {
        let deferred = std::mem::take(&mut self.deferred);
        let shared = Arc::clone(&self.shared);
        let state = shared.state.read();
        let mut batch = Batch::default();
        for job in deferred {
            self.run_transaction(job, &state, &mut batch);
        }
        let mut next = Some(Task::Transaction(first));
        while let Some(Task::Transaction(job) | Task::Deferred(job)) = next {
            self.run_transaction(job, &state, &mut batch);
            let room = batch.answers.len() < BATCH_LIMIT && batch.frames.len() < BATCH_BYTES;
            next = if room { tasks.try_recv().ok() } else { None };
        }
        (batch, next)
    }

    fn run_transaction(&self, job: Job, state: &State, batch: &mut Batch) {
        let sequence = self.position + batch.transactions + 1;
        let mut transaction = Transaction::new(state, &batch.effects, sequence);
        let (verdict, answer) = job(&mut transaction);
        let effects = transaction.into_effects();
        if verdict == Verdict::Discard || effects.is_empty() {
            // It may have read what this batch has yet to make durable, so it is answered with the batch.
            batch.answers.push(answer);
        } else if self.shared.is_poisoned() {
            answer(Err(Error::Poisoned));
        } else if effects.frame().finish(sequence, self.position, &mut batch.frames) {
            // Merged before the next transaction runs, which so sees it; a refused one leaves no trace in the batch.
            batch.effects.merge(effects);
            batch.transactions += 1;
            batch.answers.push(answer);
        } else {
            answer(Err(Error::TooLarge { what: "a change", limit: crate::frame::LIMIT as u64 }));
        }
    }

    fn commit(&mut self, batch: Batch) {
        let Batch { frames, effects, transactions, answers } = batch;
        if transactions > 0 {
            let start = self.journal.length();
            if let Err(failure) = self.persist(&frames, &effects) {
                // After a fatal error the journal may hold the frames, and the next start may find their bodies needed:
                // they are removed only if the append was undone.
                if matches!(failure, AppendError::Undone(_)) {
                    for (_, body) in &effects.files {
                        // A file that cannot be removed now goes at the next start: no record refers to it.
                        let _ = self.shared.bodies.remove(*body);
                    }
                }
                return self.fail(failure, answers);
            }
            self.position += transactions;
            if let Err(mistake) = self.publish(&frames, start, effects) {
                self.shared.poison(&mistake);
            }
        }
        for answer in answers {
            answer(Ok(()));
        }
    }

    /// Makes a batch durable. Body files get their names before the journal refers to them, so that a power cut in
    /// between leaves files without a record, which the next start removes, and never the reverse.
    fn persist(&mut self, frames: &[u8], effects: &Effects) -> std::result::Result<(), AppendError> {
        self.shared.bodies.adopt(&effects.files).map_err(|error| match error {
            // A file that has its name and no record is overwritten by the next body of that number.
            Error::DiskFull => AppendError::Undone(error),
            error => AppendError::Fatal(error),
        })?;
        self.journal.append(frames)?;
        self.journal.sync().map_err(AppendError::Fatal)
    }

    fn fail(&mut self, failure: AppendError, answers: Vec<Answer>) {
        let error = match failure {
            AppendError::Undone(error) => error,
            AppendError::Fatal(error) => {
                self.shared.poison(&error);
                Error::Poisoned
            }
        };
        let full = matches!(error, Error::DiskFull);
        let mut first = Some(error);
        for answer in answers {
            let fallback = || if full { Error::DiskFull } else { Error::Poisoned };
            answer(Err(first.take().unwrap_or_else(fallback)));
        }
    }

    /// Makes a durable batch visible to readers as a whole, and calls the callback for the mailboxes in it.
    fn publish(&mut self, frames: &[u8], start: u64, effects: Effects) -> Result<()> {
        let Effects { edits, freed, expunged, changed, .. } = effects;
        let container = ContainerId { kind: Kind::Journal, position: self.journal.position() };
        let mut unlink = Vec::new();
        {
            let mut state = self.shared.state.write();
            state.position = self.position;
            state.apply(edits);
            for (body, offset, length) in inline_places(frames) {
                let length = u32::try_from(length).map_err(|_| Error::Bug("a small body is large"))?;
                state.places.insert(body, Place { container, offset: start + offset, length })?;
            }
            for body in freed {
                if !state.places.remove(body) {
                    unlink.push(body);
                }
            }
            for (mailbox, uid, modseq, before) in expunged {
                state.expunged.remember(mailbox, uid, modseq, before);
            }
        }
        // Outside the lock on the state: the callback wakes sessions, which read.
        let callback = self.shared.callback.read();
        if let Some(callback) = callback.as_ref() {
            for (address, mailbox) in &changed {
                callback(address, *mailbox);
            }
        }
        for body in unlink {
            // The journal says that it is free, so the next start tries again.
            let _ = self.shared.bodies.remove(body);
        }
        Ok(())
    }
}

/// The small bodies in some frames: id, offset of the bytes, length.
fn inline_places(frames: &[u8]) -> Vec<(u64, u64, usize)> {
    use crate::frame::{Found, Operation, read};
    let mut places = Vec::new();
    let mut start = 0;
    while let Found::Frame(frame, length) = read(frames.get(start..).unwrap_or_default()) {
        for operation in frame.operations().flatten() {
            if let Operation::Body { body, offset, length } = operation {
                places.push((body, (start + offset) as u64, length));
            }
        }
        start += length;
    }
    places
}
