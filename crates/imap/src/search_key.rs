//! Search keys as values (RFC 3501 section 6.4.4).

use std::collections::BTreeSet;

use mail_types::{CompactFlags, ModSeq, SystemFlag, Uid};

use crate::sequence::{Numbering, SequenceSet};

/// A search key: a condition on one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SearchKey {
    /// Every message.
    All,
    /// `RECENT`; resolved to `Uids` before evaluation.
    Recent,
    /// All of these keys; true if there are none.
    And(Vec<Self>),
    /// `OR`
    Or(Box<Self>, Box<Self>),
    /// `NOT`
    Not(Box<Self>),
    /// A sequence set, as the client wrote it; resolved to `Uids` before evaluation.
    Set(SequenceSet, Numbering),
    /// One of these UIDs, ascending.
    Uids(Vec<Uid>),
    /// A system flag is set.
    Flag(SystemFlag),
    /// A keyword is set, in any case; resolved to `Flags` before evaluation.
    Keyword(String),
    /// Any of these flags is set: a keyword, with its place in the mailbox's dictionary.
    Flags(CompactFlags),
    /// The internal date, compared with a day since 1970-01-01.
    Arrived(DateComparison, i64),
    /// The `Date` field, compared with a day since 1970-01-01.
    Sent(DateComparison, i64),
    /// Longer than this number of bytes.
    Larger(u64),
    /// Shorter than this number of bytes.
    Smaller(u64),
    /// A modification sequence of at least this (RFC 7162 section 3.1.5).
    ModSeq(ModSeq),
    /// A header field of this name contains a text, given in lower case; the empty text is in every field.
    Header(String, String),
    /// The same of a field with addresses; the text may also stand in an address written without comments.
    Address(String, String),
    /// The body contains a text, given in lower case.
    Body(String),
    /// The header or the body contains a text, given in lower case.
    Text(String),
}

/// The comparison of a date with the date in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateComparison {
    /// Earlier.
    Before,
    /// The same day.
    On,
    /// The same day or later.
    Since,
}

impl SearchKey {
    /// True if `MODSEQ` occurs anywhere in the key, so that the response has to bear one (RFC 7162 section 3.1.5).
    pub(crate) fn uses_modseq(&self) -> bool {
        match self {
            Self::And(keys) => keys.iter().any(Self::uses_modseq),
            Self::Or(one, other) => one.uses_modseq() || other.uses_modseq(),
            Self::Not(key) => key.uses_modseq(),
            Self::ModSeq(_) => true,
            _ => false,
        }
    }

    /// Collects the texts of all `BODY` and `TEXT` keys, which have to be searched for in bodies.
    pub(crate) fn body_texts(&self, texts: &mut BTreeSet<String>) {
        match self {
            Self::And(keys) => keys.iter().for_each(|key| key.body_texts(texts)),
            Self::Or(one, other) => {
                one.body_texts(texts);
                other.body_texts(texts);
            }
            Self::Not(key) => key.body_texts(texts),
            Self::Body(text) | Self::Text(text) => drop(texts.insert(text.clone())),
            _ => {}
        }
    }
}
