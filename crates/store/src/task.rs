//! Requests to the writer's thread.

use crate::error::Result;
use crate::pending::Reply;
use crate::transaction::Transaction;

/// Hands a transaction's outcome to its caller.
pub(crate) type Answer = Box<dyn FnOnce(Result<()>) + Send>;

/// A queued transaction. Run, it returns whether to keep its changes, and the answer to call once that is done.
pub(crate) type Job = Box<dyn FnOnce(&mut Transaction<'_>) -> (Verdict, Answer) + Send>;

/// Whether a transaction's changes are to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    Discard,
}

/// A request to the writer.
pub(crate) enum Task {
    Transaction(Job),
    /// A transaction without a waiting caller that a power cut may undo: it is committed with the next other one.
    Deferred(Job),
    Checkpoint(Reply<()>),
    /// The result of the running checkpoint is there.
    CheckpointDone,
}

/// Wraps an operation as a job whose result goes to `reply` once it is durable.
pub(crate) fn job<T: Send + 'static>(
    reply: Reply<T>,
    operation: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
) -> Job {
    Box::new(move |transaction| {
        let result = operation(transaction);
        let verdict = if result.is_ok() { Verdict::Keep } else { Verdict::Discard };
        let answer: Answer = Box::new(move |durable| {
            reply.send(durable.and(result));
        });
        (verdict, answer)
    })
}
