//! A message on its way to another server: header fields that are added in front, then the stored body, in pieces.

use std::io::{self, Read, Seek};

use mail_types::Address;
use store::BodyReader;

use crate::runtime::blocking;

/// The size of a piece in bytes.
const PIECE: usize = 32 * 1024;

/// The envelope of a message for the recipients at one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// None for the null sender.
    pub(crate) sender: Option<Address>,
    /// All at one domain; at least one.
    pub(crate) recipients: Vec<Address>,
}

/// The content of a message, which can be read more than once: another host may be tried.
#[derive(Debug)]
pub(crate) struct Content {
    prefix: Vec<u8>,
    prefix_is_read: bool,
    /// None while a thread that may block has it, and for ever if that did not come back.
    body: Option<BodyReader>,
    size: u64,
    unreadable: bool,
}

impl Content {
    /// The header fields `prefix`, then the body.
    pub(crate) fn new(prefix: &str, body: BodyReader) -> Self {
        let prefix = prefix.as_bytes().to_vec();
        let size = body.size().saturating_add(prefix.len() as u64);
        Self { prefix, prefix_is_read: false, body: Some(body), size, unreadable: false }
    }

    /// The size in bytes, before any escaping.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether reading never waits for the disk; such a message is small.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.body.as_ref().is_some_and(BodyReader::is_in_memory)
    }

    /// Starts again from the beginning.
    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        self.prefix_is_read = false;
        self.body.as_mut().ok_or_else(lost)?.rewind()
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    ///
    /// When the body cannot be read, or is not what was stored.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<u8>> {
        if !std::mem::replace(&mut self.prefix_is_read, true) && !self.prefix.is_empty() {
            return Ok(self.prefix.clone());
        }
        let mut body = self.body.take().ok_or_else(lost)?;
        let (piece, body) = if body.is_in_memory() {
            (piece_of(&mut body), body)
        } else {
            blocking::run(move || (piece_of(&mut body), body)).await.map_err(io::Error::other)?
        };
        self.body = Some(body);
        self.unreadable |= piece.is_err();
        piece
    }

    /// Whether the body could not be read, or is not what was stored.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.unreadable
    }
}

fn piece_of(body: &mut BodyReader) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    body.take(PIECE as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

fn lost() -> io::Error {
    io::Error::other("the message's reader is gone")
}
