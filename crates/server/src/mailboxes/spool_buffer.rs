//! A message on its way in: goes to the store's spool as it comes, so that memory does not grow with it.

use std::io::{self, Write};

use store::{SmallBody, Spool, Store};

use crate::runtime::blocking;

/// Bytes that wait before they are written together: a small message needs no trip of its own to the disk.
const TOGETHER: usize = 24 * 1024;
/// Room for them and for one more read from the network.
const ROOM: usize = 40 * 1024;

/// What came so far, or why nothing more is kept.
#[derive(Default)]
pub(crate) enum Incoming {
    /// Nothing came yet.
    #[default]
    Nothing,
    /// All that came so far.
    Coming(Filling),
    /// It could not be written; told when the message is complete.
    Failed(io::Error),
}

/// A spool, and the last bytes that are not in it yet.
pub(crate) struct Filling {
    spool: Spool,
    waiting: Vec<u8>,
}

impl Filling {
    /// The whole message if it is small, which needs no disk; else the same again.
    pub(crate) fn into_small(self) -> Result<SmallBody, Self> {
        if !self.spool.stays_small(self.waiting.len()) {
            return Err(self);
        }
        // What cannot be kept is an error in the usual way.
        let Self { mut spool, waiting } = self;
        match spool.write_all(&waiting) {
            Ok(()) => spool.into_small().map_err(|spool| Self { spool, waiting: Vec::new() }),
            Err(_) => Err(Self { spool, waiting }),
        }
    }

    /// Writes what waits. It may block.
    pub(crate) fn finish(mut self) -> io::Result<Spool> {
        self.spool.write_all(&self.waiting)?;
        Ok(self.spool)
    }
}

impl Incoming {
    /// Where the next bytes are to be put; the first call opens a spool of at most `limit` bytes. `None` once
    /// something could not be written.
    pub(crate) fn buffer(&mut self, store: &Store, limit: u64) -> Option<&mut Vec<u8>> {
        if let Self::Nothing = self {
            *self = Self::Coming(Filling { spool: store.spool(limit), waiting: Vec::new() });
        }
        let Self::Coming(filling) = self else { return None };
        if filling.waiting.capacity() == 0 {
            filling.waiting.reserve_exact(ROOM);
        }
        Some(&mut filling.waiting)
    }

    /// Writes what waits if it is worth a trip to the disk; to be called whenever something was put into the buffer.
    pub(crate) async fn relieve(&mut self) {
        if !matches!(self, Self::Coming(filling) if filling.waiting.len() >= TOGETHER) {
            return;
        }
        if let Self::Coming(filling) = std::mem::take(self) {
            let written = blocking::run(move || filling.finish()).await;
            *self = match written {
                Ok(Ok(spool)) => Self::Coming(Filling { spool, waiting: Vec::new() }),
                Ok(Err(error)) => Self::Failed(error),
                Err(unfinished) => Self::Failed(io::Error::other(unfinished)),
            };
        }
    }

    /// The complete message. Afterwards nothing has come yet.
    pub(crate) fn take(&mut self) -> io::Result<Filling> {
        match std::mem::take(self) {
            Self::Coming(filling) => Ok(filling),
            Self::Failed(error) => Err(error),
            Self::Nothing => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no byte of the message came")),
        }
    }

    /// Forgets what came.
    pub(crate) fn forget(&mut self) {
        *self = Self::Nothing;
    }
}
