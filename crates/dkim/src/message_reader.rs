//! Divides a message that streams by into its header section, which is held, and its body.

use message::SectionCollector;

use crate::line_ends::LineEnds;

/// The largest header section held, in bytes: as the encryption gate has it.
const HEADER_LIMIT: usize = 1024 * 1024;

/// A message that is neither signed nor verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The header section is too large.
    HeaderTooLarge,
    /// A CR or an LF stands alone.
    BareLineEnd,
}

/// A message up to some byte.
#[derive(Debug)]
pub(crate) struct MessageReader {
    line_ends: LineEnds,
    section: SectionCollector,
    trouble: Option<Unreadable>,
}

impl MessageReader {
    pub(crate) fn new() -> Self {
        Self { line_ends: LineEnds::default(), section: SectionCollector::new(HEADER_LIMIT), trouble: None }
    }

    /// Takes the next bytes; returns those of the body. After the first trouble there are none.
    pub(crate) fn push<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.trouble.is_some() {
            return &[];
        }
        let body = match self.line_ends.push(bytes) {
            Ok(()) => self.section.push(bytes).map_err(|_| Unreadable::HeaderTooLarge),
            Err(_) => Err(Unreadable::BareLineEnd),
        };
        body.unwrap_or_else(|trouble| {
            // A stream that nobody will judge needs no memory.
            *self = Self { trouble: Some(trouble), ..Self::new() };
            &[]
        })
    }

    /// The header section with its empty line, as soon as that has arrived.
    pub(crate) fn section(&self) -> Option<&[u8]> {
        self.section.is_complete().then(|| self.section.section())
    }

    /// The header section of the whole message; one without a body has no empty line.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Unreadable> {
        let whole = self.line_ends.finish().map_err(|_| Unreadable::BareLineEnd);
        self.trouble.map_or(whole, Err).map(|()| self.section.into_section())
    }
}
