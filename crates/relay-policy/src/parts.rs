//! A multipart body (RFC 2046 section 5.1) matched against a pattern while it streams by. A parser of our own, because
//! it must run in bounded memory and match nothing that has a second reading; parsers of whole messages do neither.
//!
//! Two patterns are known: an encrypted message (RFC 3156 section 4) and the clear-text request that opens
//! SecureJoin. A body that other programs could read differently is no match: text around the parts beyond a
//! line or two, a delimiter with something behind it, a field that is there twice.

use crate::armour::{Armour, Armoured, Headers};
use crate::fields::{Collector, Header};
use crate::lines::Piece;
use crate::transfer::{Decoder, Encoding};

/// The largest header section of a part, in bytes; three short fields are usual.
const PART_HEADER_LIMIT: usize = 16 * 1024;
/// The longest decoded text of a part that must equal one of a few short lines, in bytes.
const TEXT_LIMIT: usize = 1024;
/// The most text before the first and after the last part, in bytes: some programs put a sentence there for old
/// readers. More would be a place for clear text.
const MARGIN_LIMIT: usize = 1024;

/// The required parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// `application/pgp-encrypted` and then `application/octet-stream` with an armoured message.
    Encrypted(Headers),
    /// One `text/plain` which says that it is a request to join.
    SecureJoin,
}

/// The reader.
#[derive(Debug)]
pub(crate) struct Parts {
    pattern: Pattern,
    /// `--boundary`
    delimiter: Vec<u8>,
    /// The number of parts begun.
    begun: usize,
    at: At,
    /// The text around the parts so far, in bytes.
    margin: usize,
    /// The class of the last part, of which the armour is one.
    armoured: Armoured,
    scratch: Vec<u8>,
}

#[derive(Debug)]
enum At {
    Preamble,
    Header(Collector),
    Body(Decoder, Sink),
    Epilogue,
    NoMatch,
}

/// The consumer of a part's decoded content.
#[derive(Debug)]
enum Sink {
    /// Short text, which must be one of these when trimmed; compared in lower case if the second field says so.
    Text(Vec<u8>, Expected),
    Armour(Box<Armour>),
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Version,
    SecureJoin,
}

/// Whether a body was what its pattern says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    /// It would be without the armour headers in it.
    ButForArmourHeaders,
    No,
}

/// A line's role in a multipart.
enum Delimiter {
    No,
    Part,
    Close,
    /// Opens like a delimiter and goes on: some programs take it for one.
    Unclear,
}

impl Parts {
    pub(crate) fn new(pattern: Pattern, boundary: &str) -> Self {
        let delimiter = format!("--{boundary}").into_bytes();
        Self {
            pattern,
            delimiter,
            begun: 0,
            at: At::Preamble,
            margin: 0,
            armoured: Armoured::Message,
            scratch: Vec::new(),
        }
    }

    /// Reads a piece of a line of the body.
    pub(crate) fn push(&mut self, piece: Piece<'_>) {
        let at = std::mem::replace(&mut self.at, At::NoMatch);
        self.at = match (self.delimiter(piece), at) {
            (_, At::NoMatch) | (Delimiter::Unclear, _) => At::NoMatch,
            (Delimiter::No, At::Preamble) => self.margin(piece, At::Preamble),
            (Delimiter::No, At::Epilogue) => self.margin(piece, At::Epilogue),
            (Delimiter::No, At::Header(collector)) => self.header(collector, piece),
            (Delimiter::No, At::Body(decoder, sink)) => self.body(decoder, sink, piece),
            (Delimiter::Part, At::Preamble) => self.begin(),
            (Delimiter::Part, At::Body(decoder, sink)) => {
                self.end(sink, &decoder).map_or(At::NoMatch, |()| self.begin())
            }
            (Delimiter::Close, At::Body(decoder, sink)) => {
                self.end(sink, &decoder).map_or(At::NoMatch, |()| At::Epilogue)
            }
            (Delimiter::Part | Delimiter::Close, _) => At::NoMatch,
        };
    }

    /// Whether the body, now over, was what the pattern says. A missing last delimiter does no harm.
    pub(crate) fn finish(mut self) -> Match {
        let complete = match std::mem::replace(&mut self.at, At::NoMatch) {
            At::Epilogue => true,
            At::Body(decoder, sink) => self.end(sink, &decoder).is_some(),
            At::Preamble | At::Header(_) | At::NoMatch => false,
        };
        let expected = match self.pattern {
            Pattern::Encrypted(_) => 2,
            Pattern::SecureJoin => 1,
        };
        match self.armoured {
            _ if !complete || self.begun != expected => Match::No,
            Armoured::Message => Match::Yes,
            Armoured::WithHeaders => Match::ButForArmourHeaders,
        }
    }

    /// Ends a part; some if it has the required content.
    fn end(&mut self, sink: Sink, decoder: &Decoder) -> Option<()> {
        self.armoured = sink.end(decoder)?;
        Some(())
    }

    /// delimiter := "--" boundary, then "--" for the last one, then white space
    fn delimiter(&self, piece: Piece<'_>) -> Delimiter {
        let Some(rest) = piece.text.strip_prefix(&self.delimiter[..]).filter(|_| piece.starts) else {
            return Delimiter::No;
        };
        match rest.trim_ascii_end() {
            _ if !piece.ends => Delimiter::Unclear,
            b"" => Delimiter::Part,
            b"--" => Delimiter::Close,
            _ => Delimiter::Unclear,
        }
    }

    fn margin(&mut self, piece: Piece<'_>, at: At) -> At {
        self.margin = self.margin.saturating_add(piece.text.len());
        if self.margin > MARGIN_LIMIT { At::NoMatch } else { at }
    }

    fn begin(&mut self) -> At {
        self.begun = self.begun.saturating_add(1);
        At::Header(Collector::new(PART_HEADER_LIMIT))
    }

    fn header(&self, mut collector: Collector, piece: Piece<'_>) -> At {
        match collector.push(piece) {
            Ok(None) => At::Header(collector),
            Ok(Some(header)) => self.part(&header).unwrap_or(At::NoMatch),
            Err(_) => At::NoMatch,
        }
    }

    /// The state for a part with this header section; none if the pattern has no such part here.
    fn part(&self, header: &Header) -> Option<At> {
        let unclear =
            header.has("Content-Transfer-Encoding") && header.only("Content-Transfer-Encoding").is_none();
        let encoding = Encoding::parse(header.only("Content-Transfer-Encoding")).filter(|_| !unclear)?;
        let media_type = header.media_type()?.name;
        let sink = match (self.pattern, self.begun, media_type.as_str()) {
            (Pattern::Encrypted(_), 1, "application/pgp-encrypted") => {
                Sink::Text(Vec::new(), Expected::Version)
            }
            (Pattern::Encrypted(headers), 2, "application/octet-stream") => {
                Sink::Armour(Box::new(Armour::new(headers)))
            }
            (Pattern::SecureJoin, 1, "text/plain") => Sink::Text(Vec::new(), Expected::SecureJoin),
            _ => return None,
        };
        Some(At::Body(Decoder::new(encoding), sink))
    }

    fn body(&mut self, mut decoder: Decoder, mut sink: Sink, piece: Piece<'_>) -> At {
        self.scratch.clear();
        let decoded = decoder.push(piece, &mut self.scratch);
        match (&decoded, &mut sink) {
            (Ok(()), Sink::Armour(armour)) => armour.push(&self.scratch),
            (Ok(()), Sink::Text(text, _)) if text.len() + self.scratch.len() <= TEXT_LIMIT => {
                text.extend_from_slice(&self.scratch);
            }
            _ => return At::NoMatch,
        }
        At::Body(decoder, sink)
    }
}

impl Sink {
    /// Some if the part, ending here, has the required content.
    fn end(self, decoder: &Decoder) -> Option<Armoured> {
        decoder.finish().ok()?;
        let matches = match self {
            Self::Armour(armour) => return armour.finish().ok(),
            Self::Text(text, Expected::Version) => text.trim_ascii() == b"Version: 1",
            Self::Text(text, Expected::SecureJoin) => {
                let text = text.trim_ascii().to_ascii_lowercase();
                text == b"secure-join: vc-request" || text == b"secure-join: vg-request"
            }
        };
        matches.then_some(Armoured::Message)
    }
}
