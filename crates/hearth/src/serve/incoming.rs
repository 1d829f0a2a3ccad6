//! A message on its way in: goes to the store's spool as it comes, so that memory does not grow with it.

use std::io::{self, Write};

use store::{Spool, Store};

use super::blocking;

/// The spool, or why there is none any more.
#[derive(Default)]
pub(crate) enum Incoming {
    /// Nothing came yet.
    #[default]
    Nothing,
    /// All that came so far.
    Spooled(Spool),
    /// It could not be written; told when the message is complete.
    Failed(io::Error),
}

impl Incoming {
    /// Adds bytes; the first ones open a spool of at most `limit` bytes.
    pub(crate) async fn write(&mut self, store: &Store, limit: u64, bytes: Vec<u8>) {
        let mut spool = match std::mem::take(self) {
            Self::Nothing => store.spool(limit),
            Self::Spooled(spool) => spool,
            failed @ Self::Failed(_) => {
                *self = failed;
                return;
            }
        };
        let written = blocking::run(move || spool.write_all(&bytes).map(|()| spool)).await;
        *self = match written {
            Ok(Ok(spool)) => Self::Spooled(spool),
            Ok(Err(error)) => Self::Failed(error),
            Err(unfinished) => Self::Failed(io::Error::other(unfinished)),
        };
    }

    /// The complete message. Afterwards nothing has come yet.
    pub(crate) fn take(&mut self) -> io::Result<Spool> {
        match std::mem::take(self) {
            Self::Spooled(spool) => Ok(spool),
            Self::Failed(error) => Err(error),
            Self::Nothing => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no byte of the message came")),
        }
    }

    /// Forgets what came.
    pub(crate) fn forget(&mut self) {
        *self = Self::Nothing;
    }
}
