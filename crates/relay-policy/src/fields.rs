//! A header section (RFC 5322 section 2.2): collected up to a limit, then read field by field.

use mail_types::Address;
use message::strict::{MediaType, media_type, only_mailbox};
use message::{MalformedField, SectionCollector, SectionTooLarge, fields, unfold};

use crate::lines::Piece;

/// The longest value that is parsed, in bytes. Header sections are long because of keys and lists, which are not.
const VALUE_LIMIT: usize = 16 * 1024;

/// An unusable header section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Over the limit.
    TooLarge,
    /// A line that belongs to no field.
    Malformed,
}

impl From<SectionTooLarge> for HeaderError {
    fn from(_: SectionTooLarge) -> Self {
        Self::TooLarge
    }
}

impl From<MalformedField> for HeaderError {
    fn from(_: MalformedField) -> Self {
        Self::Malformed
    }
}

/// A header section that arrives in pieces of lines.
#[derive(Debug)]
pub(crate) struct Collector {
    section: SectionCollector,
}

impl Collector {
    pub(crate) fn new(limit: usize) -> Self {
        Self { section: SectionCollector::new(limit) }
    }

    /// Takes a piece of a line; returns the section with its empty line.
    pub(crate) fn push(&mut self, piece: Piece<'_>) -> Result<Option<Header>, HeaderError> {
        self.section.push(piece.text)?;
        if piece.ends {
            self.section.push(b"\r\n")?;
        }
        if self.section.is_complete() { self.finish().map(Some) } else { Ok(None) }
    }

    /// The section of a message that ends without an empty line.
    pub(crate) fn finish(&self) -> Result<Header, HeaderError> {
        Header::parse(self.section.section())
    }
}

/// A header section in which every line belongs to a field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    fields: Vec<Field>,
}

#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: Vec<u8>,
    /// Unfolded.
    value: Vec<u8>,
}

impl Header {
    fn parse(section: &[u8]) -> Result<Self, HeaderError> {
        let mut own = Vec::new();
        for field in fields(section) {
            let field = field?;
            own.push(Field { name: field.name.to_vec(), value: unfold(field.value).into_owned() });
        }
        Ok(Self { fields: own })
    }

    /// The unfolded value of the only field of this name; none if there are several, which programs read differently.
    pub(crate) fn only(&self, name: &str) -> Option<&str> {
        match (self.all(name).next(), self.all(name).nth(1)) {
            (Some(value), None) => str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// Whether a field of this name exists.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The number of fields of this name.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.all(name).count()
    }

    fn all<'a, 'b>(&'a self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'b> {
        let named = move |field: &&Field| field.name.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named).map(|field| field.value.as_slice())
    }

    /// The media type, if the only `Content-Type` has one reading.
    pub(crate) fn media_type(&self) -> Option<MediaType> {
        self.only("Content-Type")
            .filter(|value| value.len() <= VALUE_LIMIT)
            .and_then(|value| media_type(value.as_bytes()))
    }

    /// The address of the only mailbox in the only `From`.
    pub(crate) fn from(&self) -> Option<Address> {
        self.only("From")
            .filter(|value| value.len() <= VALUE_LIMIT)
            .and_then(|value| only_mailbox(value.as_bytes()))
    }
}
