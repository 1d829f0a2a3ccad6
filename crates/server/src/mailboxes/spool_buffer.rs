//! The buffer before the store's spool: a message goes to disk as it comes in, so that memory does not grow with it.

use std::io::{self, Write};

use store::{SmallBody, Spool, Store};

use crate::runtime::blocking;

/// The bytes from which on the buffer is written: a small message needs no trip of its own to the disk.
const FLUSH_BYTES: usize = 24 * 1024;
/// The buffer's capacity in bytes: [`FLUSH_BYTES`] and one more read from the network.
const CAPACITY: usize = 40 * 1024;

/// A message that is coming in, or the failure after which no more of it is kept.
#[derive(Default)]
pub(crate) enum SpoolBuffer {
    /// No byte has come yet.
    #[default]
    Empty,
    /// All bytes so far.
    Receiving(BufferedMessage),
    /// A write failed; reported when the message is complete.
    Failed(io::Error),
}

/// A spool, and the last bytes, which are not in it yet.
pub(crate) struct BufferedMessage {
    spool: Spool,
    buffered: Vec<u8>,
}

impl BufferedMessage {
    /// The bytes of the message so far.
    pub(crate) fn size(&self) -> u64 {
        self.spool.size().saturating_add(self.buffered.len() as u64)
    }

    /// The whole message if it is small, which needs no disk; else the same again.
    pub(crate) fn into_small(self) -> Result<SmallBody, Self> {
        if !self.spool.stays_small(self.buffered.len()) {
            return Err(self);
        }
        // A message that cannot be kept small is reported by `finish`.
        let Self { mut spool, buffered } = self;
        match spool.write_all(&buffered) {
            Ok(()) => spool.into_small().map_err(|spool| Self { spool, buffered: Vec::new() }),
            Err(_) => Err(Self { spool, buffered }),
        }
    }

    /// Writes the buffer, and gives the whole spool. It may block.
    pub(crate) fn finish(mut self) -> io::Result<Spool> {
        self.spool.write_all(&self.buffered)?;
        Ok(self.spool)
    }
}

impl SpoolBuffer {
    /// The buffer for the next bytes; the first call opens a spool of at most `limit` bytes. None once a write has
    /// failed.
    pub(crate) fn buffer(&mut self, store: &Store, limit: u64) -> Option<&mut Vec<u8>> {
        if let Self::Empty = self {
            *self = Self::Receiving(BufferedMessage { spool: store.spool(limit), buffered: Vec::new() });
        }
        let Self::Receiving(filling) = self else { return None };
        if filling.buffered.capacity() == 0 {
            filling.buffered.reserve_exact(CAPACITY);
        }
        Some(&mut filling.buffered)
    }

    /// Writes the buffer if it holds [`FLUSH_BYTES`]; to be called whenever bytes were put into it.
    pub(crate) async fn flush_if_full(&mut self) {
        if !matches!(self, Self::Receiving(filling) if filling.buffered.len() >= FLUSH_BYTES) {
            return;
        }
        if let Self::Receiving(filling) = std::mem::take(self) {
            let written = blocking::run(move || filling.finish()).await;
            *self = match written {
                Ok(Ok(spool)) => Self::Receiving(BufferedMessage { spool, buffered: Vec::new() }),
                Ok(Err(error)) => Self::Failed(error),
                Err(unfinished) => Self::Failed(io::Error::other(unfinished)),
            };
        }
    }

    /// The complete message; the buffer is empty afterwards.
    pub(crate) fn take(&mut self) -> io::Result<BufferedMessage> {
        match std::mem::take(self) {
            Self::Receiving(filling) => Ok(filling),
            Self::Failed(error) => Err(error),
            Self::Empty => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no byte of the message has come"))
            }
        }
    }

    /// Discards the message.
    pub(crate) fn discard(&mut self) {
        *self = Self::Empty;
    }
}
