//! Changes of many messages, in pieces: each is a transaction of its own, and what others want in between gets its turn
//! between two of them. A power cut leaves some pieces done and the others not.

use std::sync::mpsc::Sender;

use mail_types::Uid;

use crate::error::Result;
use crate::pending::{Pending, Reply, pending};
use crate::store::Store;
use crate::task::{Answer, Job, Task, Verdict};
use crate::transaction::Transaction;

/// Messages that one transaction changes: a few milliseconds of the writer's time.
const PIECE: usize = 1000;

/// A change of one piece, whose findings go into the result for all.
type Change<T> = Box<dyn Fn(&mut Transaction<'_>, &[Uid], &mut T) -> Result<()> + Send>;

struct Pieces<T> {
    uids: Vec<Uid>,
    /// The number of UIDs that are done.
    done: usize,
    change: Change<T>,
    result: T,
    reply: Reply<T>,
    queue: Sender<Task>,
}

impl Store {
    /// Begins to change messages, in pieces of the UIDs, which are sorted before; does not block. The first error ends it.
    pub(crate) fn start_in_pieces<T: Default + Send + 'static>(
        &self,
        uids: &[Uid],
        change: impl Fn(&mut Transaction<'_>, &[Uid], &mut T) -> Result<()> + Send + 'static,
    ) -> Pending<T> {
        let mut uids = uids.to_vec();
        uids.sort_unstable();
        uids.dedup();
        let (reply, result) = pending();
        if let Ok(queue) = self.queue() {
            let change = Box::new(change);
            queue_next(Pieces { uids, done: 0, change, result: T::default(), reply, queue });
        }
        result
    }
}

/// Queues the next piece. One that is not taken is dropped, and its reply with it: the caller gets `Closed`.
fn queue_next<T: Send + 'static>(pieces: Pieces<T>) {
    let queue = pieces.queue.clone();
    let _ = queue.send(Task::Transaction(job(pieces)));
}

fn job<T: Send + 'static>(mut pieces: Pieces<T>) -> Job {
    Box::new(move |transaction| {
        let Pieces { uids, done, change, result, .. } = &mut pieces;
        let end = done.saturating_add(PIECE).min(uids.len());
        let outcome = change(transaction, uids.get(*done..end).unwrap_or_default(), result);
        *done = end;
        let verdict = if outcome.is_ok() { Verdict::Keep } else { Verdict::Discard };
        let answer: Answer = Box::new(move |durable| match durable.and(outcome) {
            Err(error) => pieces.reply.send(Err(error)),
            Ok(()) if pieces.done >= pieces.uids.len() => pieces.reply.send(Ok(pieces.result)),
            Ok(()) => queue_next(pieces),
        });
        (verdict, answer)
    })
}
