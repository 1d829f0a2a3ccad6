//! The state of the writer's thread, and that of a checkpoint beside it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::checkpoint::Move;
use crate::error::Result;
use crate::journal::Journal;
use crate::pending::Reply;
use crate::places::ContainerId;
use crate::shared::Shared;
use crate::task::Job;

/// The writer's own state.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: Journal,
    /// The sequence of the last durable transaction.
    pub(crate) position: u64,
    /// The position of the newest export; zero is the empty store.
    pub(crate) last_export: u64,
    /// The journal's length that asks for a checkpoint.
    pub(crate) checkpoint_at: u64,
    /// Deferred transactions, not yet run.
    pub(crate) deferred: Vec<Job>,
    /// The checkpoint that is being made.
    pub(crate) running: Option<Running>,
    /// Those who asked for a checkpoint that is still to begin.
    pub(crate) waiting: Vec<Reply<()>>,
}

/// Whether a checkpoint is tried once more when the index is found not to have what it should, and is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    First,
    Second,
}

/// A checkpoint that is being made beside the writer.
pub(crate) struct Running {
    pub(crate) settlement: Settlement,
    pub(crate) attempt: Attempt,
    /// The end at which its result comes.
    pub(crate) done: Receiver<Result<()>>,
    /// Those who asked for it.
    pub(crate) replies: Vec<Reply<()>>,
}

/// The things to do once a checkpoint is durable.
pub(crate) struct Settlement {
    pub(crate) position: u64,
    /// The position of the export before, which is kept beside the new one.
    pub(crate) kept: u64,
    pub(crate) moves: Arc<Vec<Move>>,
    /// The files that had no body, or none that stayed, at the position of the checkpoint: neither it nor what comes later
    /// names them.
    pub(crate) idle: BTreeSet<ContainerId>,
}
