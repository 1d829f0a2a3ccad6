//! The writer's part of a checkpoint.
//!
//! ```text
//! writer       new journal, head of the export, edits set aside ─┬─▶ other transactions ─▶ ... ─▶ settle: places, old files
//! store-export                                                   └─▶ index ─▶ pack ─▶ messages ─▶ publish ─┘
//! ```
//!
//! At every point in between, the files on disk open to the same state: the new journal continues the one before, the
//! export counts from the moment at which it has its name, and files are removed last. An export without a journal of
//! its position never exists, so a missing journal is noticed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, sync_channel};

use crate::checkpoint::{self, Checkpoint, Move};
use crate::error::{Error, Result};
use crate::files;
use crate::frame::FrameBuilder;
use crate::journal::{AppendError, Journal};
use crate::keys::Edits;
use crate::log::Kind;
use crate::pending::Reply;
use crate::places::ContainerId;
use crate::task::Task;
use crate::writer_state::{Attempt, Running, Settlement, Writer};

/// The journal's length, in lengths that ask for a checkpoint, at which transactions wait for the one that is being made:
/// a bound on what is in memory since the last.
const WAIT_AT: u64 = 3;

/// The scope of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckpointScope {
    /// All records, and the small bodies that would go with a journal.
    Regular,
    /// All records and all small bodies that are in journals, since a journal was found damaged.
    Full,
}

impl Writer {
    /// Answers when a checkpoint that holds everything up to now is durable.
    pub(crate) fn request_checkpoint(&mut self, reply: Reply<()>) {
        if self.shared.is_poisoned() {
            return reply.send(Err(Error::Poisoned));
        }
        self.waiting.push(reply);
        if self.running.is_none() {
            self.start_checkpoint(Attempt::First);
        }
    }

    pub(crate) fn checkpoint_if_due(&mut self) {
        if self.journal.length() >= WAIT_AT * self.shared.options.checkpoint_bytes
            && let Some(running) = self.running.take()
        {
            let result = running.done.recv().unwrap_or(Err(THREAD_ENDED));
            self.end_checkpoint(running, result);
        }
        let due = self.journal.length() >= self.checkpoint_at && self.running.is_none();
        if due && !self.shared.is_poisoned() {
            self.start_checkpoint(Attempt::First);
        }
    }

    /// Settles the running checkpoint if its result is there.
    pub(crate) fn settle_checkpoint(&mut self) {
        let Some(running) = self.running.take() else { return };
        match running.done.try_recv() {
            // The news of an earlier one, whose result was waited for.
            Err(TryRecvError::Empty) => self.running = Some(running),
            Err(TryRecvError::Disconnected) => self.end_checkpoint(running, Err(THREAD_ENDED)),
            Ok(result) => self.end_checkpoint(running, result),
        }
    }

    /// Rewrites everything after a repair: records, small bodies, journal.
    ///
    /// Files are named for their position, and none that is still needed may be written over, so the position moves on
    /// by an empty transaction first.
    pub(crate) fn renew(&mut self) -> Result<()> {
        let mut frame = Vec::new();
        FrameBuilder::default().finish(self.position + 1, self.position, &mut frame);
        self.journal
            .append(&frame)
            .map_err(|(AppendError::Undone(error) | AppendError::Fatal(error))| error)?;
        self.journal.sync()?;
        self.position += 1;
        self.shared.state.write().position = self.position;
        let result = match self.checkpoint_here(CheckpointScope::Full) {
            Err(Error::MailboxDamaged) => self.checkpoint_here(CheckpointScope::Full),
            result => result,
        };
        self.poison_on_sync_error(result)
    }

    fn checkpoint_here(&mut self, scope: CheckpointScope) -> Result<()> {
        let Some((checkpoint, edits, settlement)) = self.begin_checkpoint(scope)? else { return Ok(()) };
        checkpoint.run(&edits)?;
        self.settle(settlement)
    }

    /// Begins a checkpoint for all who wait for one, and leaves the rest of it to a thread of its own.
    fn start_checkpoint(&mut self, attempt: Attempt) {
        let replies = std::mem::take(&mut self.waiting);
        if self.shared.is_poisoned() {
            return answer(replies, Err(Error::Poisoned));
        }
        let begun = self.begin_checkpoint(CheckpointScope::Regular);
        let (checkpoint, edits, settlement) = match self.poison_on_sync_error(begun) {
            Ok(Some(begun)) => begun,
            Ok(None) => return answer(replies, Ok(())),
            Err(error) => return self.give_up_checkpoint(replies, error),
        };
        let (tell, done) = sync_channel(1);
        // Without a queue the store is being closed, and so the result is waited for at once.
        let queue = self.shared.queue.lock().clone();
        let work = move || {
            // The writer has room for the one result, and waits for it.
            let _ = tell.send(checkpoint.run(&edits));
            if let Some(queue) = queue {
                let _ = queue.send(Task::CheckpointDone);
            }
        };
        let running = Running { settlement, attempt, done, replies };
        match std::thread::Builder::new().name("store-export".to_owned()).spawn(work) {
            Ok(_) if self.shared.queue.lock().is_some() => self.running = Some(running),
            Ok(_) => {
                let result = running.done.recv().unwrap_or(Err(THREAD_ENDED));
                self.end_checkpoint(running, result);
            }
            Err(cause) => {
                let error = Error::io("start a thread for", &self.shared.directory)(cause);
                self.give_up_checkpoint(running.replies, error);
            }
        }
    }

    /// Makes what the rest of a checkpoint needs; none if nothing has changed since the last.
    fn begin_checkpoint(
        &mut self,
        scope: CheckpointScope,
    ) -> Result<Option<(Checkpoint, Arc<Edits>, Settlement)>> {
        // A journal is named for the position it begins at: without a change since, this one already is the new one
        // (an earlier attempt got this far).
        if self.position > self.journal.position() {
            self.journal = self.next_journal()?;
            self.checkpoint_at = self.shared.options.checkpoint_bytes;
        }
        // The export so far becomes the older of the two that are kept.
        let kept = self.last_export;
        if kept == self.position {
            return Ok(None);
        }
        let (checkpoint, idle) = {
            // Only this thread writes the state, so readers go on meanwhile, and the state stands still.
            let state = self.shared.state.read();
            let mut leaving = BTreeSet::new();
            let mut idle = BTreeSet::new();
            for (id, container) in state.places.containers() {
                let leaves = match id.kind {
                    // The journals that are about to be removed, and packs that are mostly holes.
                    Kind::Journal => id.position < kept || scope == CheckpointScope::Full,
                    _ => container.is_sparse(),
                };
                if leaves {
                    leaving.insert(id);
                }
                let goes = match id.kind {
                    Kind::Journal => id.position < kept,
                    _ => leaves || container.is_empty(),
                };
                if goes {
                    idle.insert(id);
                }
            }
            (Checkpoint::begin(&self.shared.directory, &state, &leaving)?, idle)
        };
        let edits = self.shared.state.write().freeze();
        let moves = Arc::clone(checkpoint.moves());
        Ok(Some((checkpoint, edits, Settlement { position: self.position, kept, moves, idle })))
    }

    fn end_checkpoint(&mut self, running: Running, result: Result<()>) {
        let Running { settlement, attempt, replies, .. } = running;
        let result = match result {
            Err(Error::MailboxDamaged) if attempt == Attempt::First => {
                self.waiting.extend(replies);
                return self.start_checkpoint(Attempt::Second);
            }
            result => result.and_then(|()| self.settle(settlement)),
        };
        match self.poison_on_sync_error(result) {
            Ok(()) => answer(replies, Ok(())),
            Err(error) => self.give_up_checkpoint(replies, error),
        }
        if !self.waiting.is_empty() && self.running.is_none() {
            self.start_checkpoint(Attempt::First);
        }
    }

    /// For example on a full disk. The journal goes on, and the next attempt comes a quarter later.
    fn give_up_checkpoint(&mut self, replies: Vec<Reply<()>>, error: Error) {
        self.checkpoint_at = self.journal.length() + self.shared.options.checkpoint_bytes / 4;
        answer(replies, Err(error));
    }

    /// The export is durable: only now may readers use the new places, and the edits be dropped that were set aside.
    fn settle(&mut self, settlement: Settlement) -> Result<()> {
        let Settlement { position, kept, moves, idle } = settlement;
        let index = {
            let mut state = self.shared.state.write();
            for Move { body, from, to } in moves.iter() {
                // It may have gone meanwhile.
                if state.places.find(*body).is_some_and(|(place, _)| place == *from) {
                    checkpoint::add_container(&self.shared.directory, &mut state, to.container)?;
                    state.places.insert(*body, *to)?;
                }
            }
            Arc::clone(state.index()?)
        };
        index.set_export(position);
        if index.complete_to() < position {
            // A reader found it damaged, and has made it again from the export before.
            index.rebuild()?;
        }
        self.shared.state.write().forget_frozen();
        self.last_export = position;
        self.clean_up(kept, &idle)
    }

    /// A new journal, known to the state; the one before is not written to any more.
    fn next_journal(&self) -> Result<Journal> {
        let directory = &self.shared.directory;
        let journal = match Journal::create(directory, self.position) {
            Ok(journal) => journal,
            Err(error) => {
                // If the new journal has its name, the next start replays it after the old one, and a further frame in
                // the old one would have a sequence that belongs to the new. So nothing may be written any more.
                if directory.join(Kind::Journal.name(self.position)).exists() {
                    self.shared.poison(&error);
                }
                return Err(error);
            }
        };
        let mut state = self.shared.state.write();
        let container = ContainerId { kind: Kind::Journal, position: journal.position() };
        state.places.add_container(container, Arc::clone(journal.file()), journal.path().to_owned());
        Ok(journal)
    }

    /// Removes the files that neither the newest export nor the one before (at position `kept`) needs.
    fn clean_up(&self, kept: u64, idle: &BTreeSet<ContainerId>) -> Result<()> {
        let directory = &self.shared.directory;
        let unused = {
            let mut state = self.shared.state.write();
            let unused = state.places.containers();
            let unused = unused.filter(|(id, container)| idle.contains(id) && container.is_empty());
            let unused: Vec<_> = unused.map(|(id, container)| (id, container.path.clone())).collect();
            unused.iter().for_each(|(id, _)| state.places.remove_container(*id));
            unused
        };
        unused.iter().try_for_each(|(_, path)| files::remove(path))?;
        self.shared.bodies.remove_empty_shards()?;
        for kind in [Kind::Export, Kind::Journal] {
            for position in kind.positions(directory)?.into_iter().filter(|position| *position < kept) {
                files::remove(&directory.join(kind.name(position)))?;
            }
        }
        Ok(())
    }

    /// A failed sync poisons the store even here.
    fn poison_on_sync_error<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error @ Error::Sync { .. }) = &result {
            self.shared.poison(error);
        }
        result
    }
}

const THREAD_ENDED: Error = Error::Bug("the thread of a checkpoint ended without a result");

/// Tells all who asked for a checkpoint; the first of them hears the error itself.
fn answer(replies: Vec<Reply<()>>, result: Result<()>) {
    let failed = result.is_err();
    let full = matches!(result, Err(Error::DiskFull));
    let mut first = Some(result);
    for reply in replies {
        reply.send(match first.take() {
            Some(result) => result,
            None if full => Err(Error::DiskFull),
            None if failed => Err(Error::Bug("a checkpoint failed, and another caller knows why")),
            None => Ok(()),
        });
    }
}
