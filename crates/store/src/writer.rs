//! The one thread that changes anything: runs the transactions that wait, makes them durable with one sync, shows
//! them to readers, answers the callers.

use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, PoisonError};

use crate::error::{Error, Result};
use crate::journal::{AppendError, Journal};
use crate::state::InlineBody;
use crate::store::Shared;
use crate::transaction::{Effects, Transaction};

/// Transactions that share one sync at most; what waits longer than that waits for the next.
const BATCH_LIMIT: usize = 512;
/// Bytes that share one sync at most, about.
const BATCH_BYTES: usize = 4 << 20;

/// Tells the caller of a transaction how it ended.
pub(crate) type Answer = Box<dyn FnOnce(Result<()>) + Send>;

/// A transaction that waits for its turn. It gives its answer and whether its changes are wanted.
pub(crate) type Job = Box<dyn FnOnce(&mut Transaction<'_>) -> (Verdict, Answer) + Send>;

/// Whether a transaction's changes are to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    Discard,
}

/// Wraps an operation as a job whose result goes to `reply` once it is durable.
pub(crate) fn job<T: Send + 'static>(
    reply: SyncSender<Result<T>>,
    operation: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
) -> Job {
    Box::new(move |transaction| {
        let result = operation(transaction);
        let verdict = if result.is_ok() { Verdict::Keep } else { Verdict::Discard };
        let answer: Answer = Box::new(move |durable| {
            // A caller that no longer waits is no reason to stop.
            let _ = reply.send(durable.and(result));
        });
        (verdict, answer)
    })
}

/// The writer's own state.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: Journal,
    /// The sequence of the last durable transaction.
    pub(crate) position: u64,
    /// After a failed sync nobody knows what is on disk.
    pub(crate) trouble: Option<String>,
}

/// Transactions on their way to the disk together.
#[derive(Default)]
struct Batch {
    frames: Vec<u8>,
    effects: Effects,
    transactions: u64,
    answers: Vec<Answer>,
}

impl Writer {
    /// Runs until every sender is gone.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let batch = self.collect(first, jobs);
            self.commit(batch);
        }
    }

    fn collect(&self, first: Job, jobs: &Receiver<Job>) -> Batch {
        let shared = Arc::clone(&self.shared);
        let state = shared.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::default();
        let mut next = Some(first);
        while let Some(job) = next {
            let sequence = self.position + batch.transactions + 1;
            let mut transaction = Transaction::new(&state, &batch.effects, sequence);
            let (verdict, answer) = job(&mut transaction);
            let effects = transaction.into_effects();
            if verdict == Verdict::Keep && !effects.is_empty() {
                if self.trouble.is_some() {
                    answer(Err(Error::Poisoned));
                } else if effects.frame().finish(sequence, self.position, &mut batch.frames) {
                    batch.effects.merge(effects);
                    batch.transactions += 1;
                    batch.answers.push(answer);
                } else {
                    answer(Err(Error::TooLarge { what: "a change", limit: crate::frame::LIMIT as u64 }));
                }
            } else {
                // What it read may be part of this batch, so it is answered with it.
                batch.answers.push(answer);
            }
            let room = batch.answers.len() < BATCH_LIMIT && batch.frames.len() < BATCH_BYTES;
            next = if room { jobs.try_recv().ok() } else { None };
        }
        batch
    }

    fn commit(&mut self, batch: Batch) {
        let Batch { frames, effects, transactions, answers } = batch;
        if transactions > 0 {
            let start = self.journal.length();
            if let Err(failure) = self.persist(&frames, &effects) {
                return self.fail(failure, answers);
            }
            self.position += transactions;
            self.publish(&frames, start, effects);
        }
        for answer in answers {
            answer(Ok(()));
        }
    }

    /// Files first, then the journal that speaks of them.
    fn persist(&mut self, frames: &[u8], effects: &Effects) -> std::result::Result<(), AppendError> {
        self.shared.bodies.adopt(&effects.files).map_err(|error| match error {
            // A file that got its name and no journal record is overwritten by the next of that number.
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
                let trouble = error.to_string();
                self.trouble = Some(trouble.clone());
                *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
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

    fn publish(&self, frames: &[u8], start: u64, effects: Effects) {
        let Effects { edits, inline, freed, expunged, changed, .. } = effects;
        let mut unlink = Vec::new();
        {
            let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
            state.position = self.position;
            state.apply(edits);
            for (body, offset, length) in inline_places(frames) {
                let journal = Arc::clone(self.journal.file());
                state.inline.insert(body, InlineBody { journal, offset: start + offset, length });
            }
            drop(inline);
            for body in freed {
                if state.inline.remove(&body).is_none() {
                    unlink.push(body);
                }
            }
            for (mailbox, uid, modseq, before) in expunged {
                state.remember_expunged(mailbox, uid, modseq, before);
            }
        }
        let callback = self.shared.callback.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(callback) = callback.as_ref() {
            for (address, mailbox) in &changed {
                callback(address, *mailbox);
            }
        }
        for body in unlink {
            // The journal says that it is free, so the next start tries again.
            let _ = self.shared.bodies.remove(body);
        }
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
