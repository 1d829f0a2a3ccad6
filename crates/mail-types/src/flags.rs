//! Message flags (RFC 3501 section 2.3.2).

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest keyword accepted, in bytes.
const KEYWORD_LIMIT: usize = 64;

/// A flag with a meaning given by RFC 3501. `\Recent` belongs to a session and is not stored, so it is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SystemFlag {
    /// `\Seen`
    Seen,
    /// `\Answered`
    Answered,
    /// `\Flagged`
    Flagged,
    /// `\Deleted`
    Deleted,
    /// `\Draft`
    Draft,
}

impl SystemFlag {
    /// All system flags, in the order in which they are listed to clients.
    pub const ALL: [Self; 5] = [Self::Answered, Self::Flagged, Self::Deleted, Self::Seen, Self::Draft];

    /// The flag's bit in [`CompactFlags`](crate::CompactFlags). Stored, so never to be renumbered.
    pub(crate) fn bit(self) -> u8 {
        match self {
            Self::Seen => 1,
            Self::Answered => 2,
            Self::Flagged => 4,
            Self::Deleted => 8,
            Self::Draft => 16,
        }
    }

    /// The flag as it is written in IMAP.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "\\Seen",
            Self::Answered => "\\Answered",
            Self::Flagged => "\\Flagged",
            Self::Deleted => "\\Deleted",
            Self::Draft => "\\Draft",
        }
    }
}

/// A flag that clients define: an IMAP atom, compared without regard to case (RFC 3501 section 9, note 1).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Keyword(String);

/// A text that is no keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// The text is empty.
    #[error("a keyword cannot be empty")]
    Empty,
    /// Longer than 64 bytes.
    #[error("a keyword is at most 64 bytes long")]
    TooLong,
    /// A byte that no IMAP atom holds.
    #[error("a keyword holds a character that IMAP does not allow")]
    Character,
}

impl Keyword {
    /// The keyword as the client first wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Keyword {
    fn folded(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Keyword {
    type Err = FlagError;

    fn from_str(text: &str) -> Result<Self, FlagError> {
        if text.is_empty() {
            return Err(FlagError::Empty);
        }
        if text.len() > KEYWORD_LIMIT {
            return Err(FlagError::TooLong);
        }
        // RFC 3501: ATOM-CHAR is any CHAR except atom-specials.
        let allowed = |byte: u8| (0x21..0x7f).contains(&byte) && !b"(){%*\"\\]".contains(&byte);
        if text.bytes().all(allowed) { Ok(Self(text.to_owned())) } else { Err(FlagError::Character) }
    }
}

impl TryFrom<String> for Keyword {
    type Error = FlagError;

    fn try_from(text: String) -> Result<Self, FlagError> {
        text.parse()
    }
}

impl From<Keyword> for String {
    fn from(keyword: Keyword) -> Self {
        keyword.0
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The flags of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// The flags RFC 3501 defines.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub system: BTreeSet<SystemFlag>,
    /// Keywords, which clients define.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keywords: BTreeSet<Keyword>,
}

impl Flags {
    /// Whether the system flag is set.
    #[must_use]
    pub fn has(&self, flag: SystemFlag) -> bool {
        self.system.contains(&flag)
    }

    /// Whether no flag is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.system.is_empty() && self.keywords.is_empty()
    }
}

impl FromIterator<SystemFlag> for Flags {
    fn from_iter<I: IntoIterator<Item = SystemFlag>>(flags: I) -> Self {
        Self { system: flags.into_iter().collect(), keywords: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FlagError, Keyword};

    #[test]
    fn keywords_are_atoms() {
        for (text, expected) in [
            ("$Forwarded", Ok(())),
            ("", Err(FlagError::Empty)),
            ("a b", Err(FlagError::Character)),
            ("\\Seen", Err(FlagError::Character)),
            (&"x".repeat(65), Err(FlagError::TooLong)),
        ] {
            assert_eq!(text.parse::<Keyword>().map(|_| ()), expected, "{text:?}");
        }
    }

    #[test]
    fn keywords_are_the_same_in_any_case_and_keep_the_first_spelling() {
        let parse = |text: &str| text.parse::<Keyword>().unwrap();
        let mut set = BTreeSet::from([parse("$Forwarded"), parse("b")]);
        assert!(!set.insert(parse("$FORWARDED")) && set.contains(&parse("B")));
        assert_eq!(set.iter().map(Keyword::as_str).collect::<Vec<_>>(), ["$Forwarded", "b"]);
        assert!(parse("A") < parse("b") && parse("a") < parse("B"));
    }
}
