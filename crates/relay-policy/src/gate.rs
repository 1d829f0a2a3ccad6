//! The encryption gate: classifies a message in one pass over its pieces.
//!
//! ```text
//! bytes -> lines -> header section -> parts -> transfer encoding -> armour -> packets
//! ```
//!
//! The class follows from the structure alone, never from a word that stands somewhere in the message. The parsers are
//! ours because they stream in bounded memory and are strict: a text that two programs may read differently has no
//! class but [`Content::Clear`], while a general MIME parser makes something of it. Whether a message may pass is
//! decided in [`crate::judge_outgoing`] and [`crate::judge_incoming`].

use mail_types::Address;

use crate::armour::Headers;
use crate::fields::{Collector, Header, HeaderError};
use crate::lines::{Lines, Piece};
use crate::parts::{Match, Parts, Pattern};
use crate::refusal::Refusal;

/// The largest header section taken from an account, in bytes. The largest useful ones carry a key and a few hundred
/// recipients.
const HEADER_LIMIT: usize = 1024 * 1024;
/// The largest header section taken from another server, in bytes: whoever connects may fill one, and it is in memory.
const INCOMING_HEADER_LIMIT: usize = 128 * 1024;
/// The longest quotation of a malformed From in a refusal, in characters.
const QUOTE_LIMIT: usize = 100;

/// The class of a message, as far as its structure tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// OpenPGP-encrypted as RFC 3156 has it, and nothing else.
    Encrypted,
    /// The same, but for armour headers that everybody can read (RFC 9580 section 6.2.2).
    EncryptedWithArmourHeaders,
    /// The first message of a SecureJoin as old clients send it.
    SecureJoinRequest,
    /// A message of a program to its own user that carries the key to another device, encrypted by a code.
    SetupMessage,
    /// A report by a mail server about a message.
    Bounce,
    /// Any other message: clear text.
    Clear,
}

/// A message that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The address in From.
    pub from: Address,
    /// The class of the message.
    pub content: Content,
    /// Whether it says by its type that it is encrypted: if it is [`Content::Clear`] all the same, its author may have
    /// meant it to be.
    pub says_encrypted: bool,
    /// The number of servers that it came through: its `Received` fields (RFC 5321 section 6.3).
    pub hops: usize,
    /// Whether a program answered with it by itself (RFC 3834 section 5): nothing may be answered to it.
    pub automatic: bool,
}

/// Reads one message: [`Inspection::push`] its bytes (dots unescaped), then [`Inspection::finish`].
#[derive(Debug)]
pub struct Inspection {
    headers: Headers,
    lines: Lines,
    at: At,
}

#[derive(Debug)]
enum At {
    Header(Collector),
    Body(Box<Body>),
    Refused(Refusal),
}

/// The state after the header section.
#[derive(Debug)]
struct Body {
    from: Result<Address, Refusal>,
    /// The class if the parts do not match.
    otherwise: Content,
    says_encrypted: bool,
    hops: usize,
    automatic: bool,
    /// The pattern of the parts, and the class if they match.
    parts: Option<(Parts, Content)>,
}

impl Inspection {
    /// For a message of a local account: armour without any header.
    #[must_use]
    pub fn outgoing() -> Self {
        Self::new(Headers::None, HEADER_LIMIT)
    }

    /// For a message from another server.
    #[must_use]
    pub fn incoming() -> Self {
        Self::new(Headers::Version, INCOMING_HEADER_LIMIT)
    }

    fn new(headers: Headers, header_limit: usize) -> Self {
        Self { headers, lines: Lines::default(), at: At::Header(Collector::new(header_limit)) }
    }

    /// Reads the next bytes; [`Inspection::finish`] returns the first error.
    pub fn push(&mut self, bytes: &[u8]) {
        let Self { headers, lines, at } = self;
        if matches!(at, At::Refused(_)) {
            return;
        }
        if lines.push(bytes, |piece| at.take(piece, *headers)).is_err() {
            *at = At::Refused(Refusal::Malformed);
        }
    }

    /// Whether [`Self::finish`] will return an error, whatever comes.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.at, At::Refused(_))
    }

    /// The author and the class of the message, or the reason why it is unacceptable.
    pub fn finish(mut self) -> Result<Inspected, Refusal> {
        let Self { headers, lines, at } = &mut self;
        if lines.finish(|piece| at.take(piece, *headers)).is_err() && !matches!(at, At::Refused(_)) {
            *at = At::Refused(Refusal::Malformed);
        }
        let body = match self.at {
            At::Refused(refusal) => return Err(refusal),
            At::Body(body) => *body,
            // A message may end with its header section.
            At::Header(collector) => Body::new(&collector.finish().map_err(refusal)?, self.headers),
        };
        let content = match body.parts.map(|(parts, content)| (parts.finish(), content)) {
            Some((Match::Yes, content)) => content,
            Some((Match::ButForArmourHeaders, _)) => Content::EncryptedWithArmourHeaders,
            Some((Match::No, _)) | None => body.otherwise,
        };
        let Body { from, says_encrypted, hops, automatic, .. } = body;
        Ok(Inspected { from: from?, content, says_encrypted, hops, automatic })
    }
}

impl At {
    fn take(&mut self, piece: Piece<'_>, headers: Headers) {
        match self {
            Self::Header(collector) => match collector.push(piece) {
                Ok(None) => {}
                Ok(Some(header)) => *self = Self::Body(Box::new(Body::new(&header, headers))),
                Err(trouble) => *self = Self::Refused(refusal(trouble)),
            },
            Self::Body(body) => {
                if let Some((parts, _)) = &mut body.parts {
                    parts.push(piece);
                }
            }
            Self::Refused(_) => {}
        }
    }
}

impl Body {
    fn new(header: &Header, headers: Headers) -> Self {
        let from = header.from().ok_or_else(|| {
            let value = header.only("From").unwrap_or_default();
            Refusal::InvalidFrom(value.chars().take(QUOTE_LIMIT).collect())
        });
        let media_type = header.media_type();
        let name = media_type.as_ref().map(|media_type| media_type.name.as_str()).unwrap_or_default();
        let boundary = media_type.as_ref().and_then(|media_type| media_type.boundary.as_deref());
        let secure_join = matches!(header.only("Secure-Join"), Some("vc-request" | "vg-request"));
        let pattern = match (name, boundary) {
            _ if !plain_transfer(header) => None,
            ("multipart/encrypted", Some(boundary)) => {
                Some((Parts::new(Pattern::Encrypted(headers), boundary), Content::Encrypted))
            }
            (name, Some(boundary)) if secure_join && name.starts_with("multipart/") => {
                Some((Parts::new(Pattern::SecureJoin, boundary), Content::SecureJoinRequest))
            }
            _ => None,
        };
        Self {
            otherwise: without_parts(header, name, from.as_ref().ok()),
            says_encrypted: name == "multipart/encrypted",
            hops: header.count("Received"),
            automatic: header.has("Auto-Submitted") && header.only("Auto-Submitted") != Some("no"),
            from,
            parts: pattern,
        }
    }
}

/// The class by the header section alone.
fn without_parts(header: &Header, media_type: &str, from: Option<&Address>) -> Content {
    let by_a_server = from.is_some_and(|from| from.local().as_str() == "mailer-daemon")
        && header.only("Auto-Submitted").is_some_and(|value| !value.is_empty());
    match media_type {
        "multipart/report" if by_a_server => Content::Bounce,
        "multipart/mixed" if header.only("Subject") == Some("Autocrypt Setup Message") => {
            Content::SetupMessage
        }
        _ => Content::Clear,
    }
}

/// A multipart may not be encoded as a whole (RFC 2045 section 6.4); a program that decodes it reads another message.
fn plain_transfer(header: &Header) -> bool {
    match header.only("Content-Transfer-Encoding") {
        Some(value) => ["7bit", "8bit", "binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain)),
        None => !header.has("Content-Transfer-Encoding"),
    }
}

fn refusal(trouble: HeaderError) -> Refusal {
    match trouble {
        HeaderError::TooLarge => Refusal::HeaderTooLarge,
        HeaderError::Malformed => Refusal::Malformed,
    }
}
