//! Search keys as values (RFC 3501 section 6.4.4).

use std::collections::BTreeSet;

use mail_types::{ModSeq, SystemFlag, Uid};

use crate::sequence::{Numbering, SequenceSet};

/// A condition on messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SearchKey {
    /// Every message.
    All,
    /// Recent, which is looked up.
    Recent,
    /// All of these.
    And(Vec<Self>),
    /// `OR`
    Or(Box<Self>, Box<Self>),
    /// `NOT`
    Not(Box<Self>),
    /// A set of numbers or UIDs, as the client wrote it.
    Set(SequenceSet, Numbering),
    /// The same, looked up.
    Uids(Vec<Uid>),
    /// A system flag is set.
    Flag(SystemFlag),
    /// A keyword is set.
    Keyword(String),
    /// The internal date, in days.
    Arrived(When, i64),
    /// The date of the header, in days.
    Sent(When, i64),
    /// Longer than that.
    Larger(u64),
    /// Shorter than that.
    Smaller(u64),
    /// Changed at or after that.
    ModSeq(ModSeq),
    /// A header field holds a text, in lower case; an empty text asks for the field alone.
    Header(String, String),
    /// The same of a field with addresses; one that is taken apart may hold the text, too.
    Address(String, String),
    /// The body holds a text, in lower case.
    Body(String),
    /// The header or the body holds a text, in lower case.
    Text(String),
}

/// How a day is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    On,
    Since,
}

impl SearchKey {
    /// Whether the key has to do with modification sequences.
    pub(crate) fn uses_modseq(&self) -> bool {
        match self {
            Self::And(keys) => keys.iter().any(Self::uses_modseq),
            Self::Or(one, other) => one.uses_modseq() || other.uses_modseq(),
            Self::Not(key) => key.uses_modseq(),
            Self::ModSeq(_) => true,
            _ => false,
        }
    }

    /// The texts that are looked for in bodies.
    pub(crate) fn texts(&self, texts: &mut BTreeSet<String>) {
        match self {
            Self::And(keys) => keys.iter().for_each(|key| key.texts(texts)),
            Self::Or(one, other) => {
                one.texts(texts);
                other.texts(texts);
            }
            Self::Not(key) => key.texts(texts),
            Self::Body(text) | Self::Text(text) => drop(texts.insert(text.clone())),
            _ => {}
        }
    }
}
