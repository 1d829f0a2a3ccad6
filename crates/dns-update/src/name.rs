//! Names of records.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name in text, in bytes, without the dot at its end (RFC 1035 section 2.3.4: 255 bytes on the wire).
const NAME_LIMIT: usize = 253;
/// The longest label, in bytes.
const LABEL_LIMIT: usize = 63;

/// The owner name of a record, absolute: lower-case labels of letters, digits, `-` and `_`, at least two of them, with dots
/// between and none at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordName(String);

/// The text is no name of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a name of labels of letters, digits, \"-\" and \"_\" with dots between them")]
pub struct NameError;

impl RecordName {
    /// The name as text, without a dot at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `zone` or lies below it.
    #[must_use]
    pub fn is_in(&self, zone: &Self) -> bool {
        self.relative_to(zone).is_some()
    }

    /// The labels before those of `zone`, empty for the zone itself; none if the name does not lie in it.
    #[must_use]
    pub fn relative_to(&self, zone: &Self) -> Option<&str> {
        match self.0.strip_suffix(&zone.0)? {
            "" => Some(""),
            labels => labels.strip_suffix('.'),
        }
    }

    /// The name without its first label; none if a single label would be left.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_once('.')?;
        parent.contains('.').then(|| Self(parent.to_owned()))
    }

    /// The name with one label, or several, in front.
    ///
    /// # Errors
    ///
    /// When that is no name, or too long.
    pub fn below(&self, labels: &str) -> Result<Self, NameError> {
        format!("{labels}.{}", self.0).parse()
    }

    /// The form on the wire, without compression, in the canonical lower case (RFC 4034 section 6.2).
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        wire(&self.0)
    }
}

/// A canonical name on the wire: each label with its length in front, and the root's empty one.
pub(crate) fn wire(canonical: &str) -> Vec<u8> {
    let mut wire = Vec::with_capacity(canonical.len() + 2);
    for label in canonical.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap_or(0));
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}

/// The lower-case text of a name without the dot at its end; none if it has an empty or too long label, or another character.
/// A single label will do.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=LABEL_LIMIT).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (text.len() <= NAME_LIMIT && text.split('.').all(is_label)).then(|| text.to_ascii_lowercase())
}

impl FromStr for RecordName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        canonical(text).filter(|name| name.contains('.')).map(Self).ok_or(NameError)
    }
}

impl TryFrom<String> for RecordName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<RecordName> for String {
    fn from(name: RecordName) -> Self {
        name.0
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{NameError, RecordName};

    fn name(text: &str) -> RecordName {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_canonical_or_refused() {
        assert_eq!(name("_DMARC.Home.Example.").as_str(), "_dmarc.home.example");
        for text in ["", ".", "org", "a..b", ".a.b", "a b.c", "*.a.b", "m\u{fc}ller.de", "a\0b.c"] {
            assert_eq!(text.parse::<RecordName>(), Err(NameError), "{text:?}");
        }
        assert_eq!(format!("{}.b", "a".repeat(64)).parse::<RecordName>(), Err(NameError));
        assert_eq!(vec!["a".repeat(63); 4].join(".").parse::<RecordName>(), Err(NameError));
    }

    #[test]
    fn a_name_is_in_its_zone_by_whole_labels() {
        let zone = name("home.example");
        assert_eq!(name("home.example").relative_to(&zone), Some(""));
        assert_eq!(name("a.b.home.example").relative_to(&zone), Some("a.b"));
        assert_eq!(name("athome.example").relative_to(&zone), None);
        assert_eq!(name("other.example").relative_to(&zone), None);
        assert_eq!(zone.parent(), None);
        assert_eq!(name("a.home.example").parent(), Some(zone.clone()));
        assert_eq!(zone.below("_acme-challenge"), Ok(name("_acme-challenge.home.example")));
    }

    #[test]
    fn the_form_on_the_wire_has_lengths() {
        assert_eq!(name("a.example").to_wire(), b"\x01a\x07example\x00");
    }
}
