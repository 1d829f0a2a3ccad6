//! Evaluation of search keys (RFC 3501 section 6.4.4) on one message.
//!
//! Evaluation is three-valued (Kleene's logic): true, false, and unknown until more of the message is read, so that a
//! message is read only as far as the keys demand.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::datetime;
use crate::message::address;
use crate::message::decode::header_text;
use crate::message::header;
use crate::search_key::{DateComparison, SearchKey};
use crate::view::{Message, View};

/// The part of a message that has been read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'a> {
    /// Nothing: only the attributes in the view are known.
    View,
    /// The header.
    Header(&'a Header<'a>),
    /// The whole message: its header, and those of the texts searched for that its body contains.
    All(&'a Header<'a>, &'a BTreeSet<String>),
}

/// A header, decoded at the first question for a text in it: a command may ask for a thousand texts.
#[derive(Debug)]
pub(super) struct Header<'a> {
    bytes: &'a [u8],
    text: OnceCell<String>,
}

impl<'a> Header<'a> {
    /// A header that is not decoded yet.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, text: OnceCell::new() }
    }

    /// True if any field, its name included, contains a text in lower case.
    pub(super) fn holds(&self, text: &str) -> bool {
        self.text.get_or_init(|| lower_case_fields(self.bytes)).contains(text)
    }
}

/// All fields, decoded and in lower case. The NUL between two fields is in no text that a client can search for
/// (RFC 3501 section 9: CHAR8), so that no text is found across them.
fn lower_case_fields(header: &[u8]) -> String {
    let mut all = String::new();
    for field in header::fields(header) {
        all.push_str(&header_text(&header::unfolded(field.raw)).to_lowercase());
        all.push('\0');
    }
    all
}

impl SearchKey {
    /// Replaces sequence sets and `RECENT` by the UIDs they stand for, and keywords by flags, once for all messages.
    pub(super) fn resolve(&mut self, view: &View) {
        match self {
            Self::And(keys) => keys.iter_mut().for_each(|key| key.resolve(view)),
            Self::Or(one, other) => {
                one.resolve(view);
                other.resolve(view);
            }
            Self::Not(key) => key.resolve(view),
            Self::Keyword(wanted) => {
                let known = wanted.parse().ok().and_then(|keyword| view.keywords().flag(&keyword));
                *self = Self::Flags(known.unwrap_or_default());
            }
            Self::Recent => *self = Self::Uids(view.recent_uids().collect()),
            // A key is a condition, and no message meets it by a number that none has: of commands that take a sequence
            // set as a key RFC 3501 section 9 demands no error, and other servers give none.
            Self::Set(set, numbering) => *self = Self::Uids(view.members(set, *numbering)),
            _ => {}
        }
    }

    /// True or false if the message matches or does not; `None` if that depends on parts not yet read.
    pub(super) fn evaluate(&self, message: &Message, known: Known<'_>) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::And(keys) => {
                // One false key decides, also behind an unknown one: `UNSEEN TEXT x` reads no message that is seen.
                let mut result = Some(true);
                for key in keys {
                    match key.evaluate(message, known) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => result = None,
                    }
                }
                result
            }
            Self::Or(one, other) => match (one.evaluate(message, known), other.evaluate(message, known)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Not(key) => key.evaluate(message, known).map(|result| !result),
            // Replaced by `resolve`.
            Self::Set(..) | Self::Recent | Self::Keyword(_) => Some(false),
            Self::Uids(uids) => Some(uids.binary_search(&message.uid).is_ok()),
            Self::Flag(flag) => Some(message.flags.has(*flag)),
            Self::Flags(flags) => Some(message.flags.overlaps(*flags)),
            Self::Arrived(when, day) => Some(when.holds(datetime::day_of(message.internal_date), *day)),
            Self::Larger(size) => Some(message.size > *size),
            Self::Smaller(size) => Some(message.size < *size),
            Self::ModSeq(since) => Some(message.modseq >= *since),
            Self::Sent(when, day) => known.header().map(|header| {
                let date =
                    header::find(header, "Date").and_then(|field| datetime::day_of_header(field.value));
                date.is_some_and(|date| when.holds(date, *day))
            }),
            Self::Header(name, text) => known.header().map(|header| {
                values(header, name).any(|value| header_text(&value).to_lowercase().contains(text))
            }),
            Self::Address(name, text) => known.header().map(|header| {
                values(header, name).any(|value| {
                    header_text(&value).to_lowercase().contains(text) || addresses_hold(&value, text)
                })
            }),
            Self::Body(text) => match known {
                Known::All(_, found) => Some(found.contains(text)),
                _ => None,
            },
            Self::Text(text) => match known {
                Known::View => None,
                // A hit in the header decides without the body; no hit leaves it open until the body is read.
                Known::Header(header) | Known::All(header, _) if header.holds(text) => Some(true),
                Known::Header(_) => None,
                Known::All(_, found) => Some(found.contains(text)),
            },
        }
    }
}

impl DateComparison {
    fn holds(self, day: i64, than: i64) -> bool {
        match self {
            Self::Before => day < than,
            Self::On => day == than,
            Self::Since => day >= than,
        }
    }
}

impl<'a> Known<'a> {
    fn header(self) -> Option<&'a [u8]> {
        match self {
            Known::View => None,
            Known::Header(header) | Known::All(header, _) => Some(header.bytes),
        }
    }
}

/// The unfolded values of all fields of that name.
fn values<'a>(header: &'a [u8], name: &'a str) -> impl Iterator<Item = Vec<u8>> + 'a {
    let named = header::fields(header).into_iter();
    let named = named.filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|field| header::unfolded(field.value))
}

/// True if an address of the field, written without comments and spaces, contains a text in lower case.
fn addresses_hold(value: &[u8], text: &str) -> bool {
    let mut addresses = address::parse(value).into_iter().filter_map(|entry| {
        // The entries that begin and end a group have no host (RFC 3501 section 7.4.2).
        let address = [entry.mailbox?, entry.host?].join(&b'@');
        Some(String::from_utf8_lossy(&address).to_lowercase())
    });
    addresses.any(|address| address.contains(text))
}
