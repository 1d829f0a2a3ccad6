//! A header section (RFC 5322 section 2.2): collected up to a limit, then read field by field.

use mail_types::Address;

use crate::lines::Piece;
use crate::syntax::{MediaType, first_mailbox, media_type};

/// A value that has to be understood may have this many bytes. Header sections are long because of keys and lists.
const VALUE_LIMIT: usize = 16 * 1024;

/// Why a header section cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderTrouble {
    /// Over the limit.
    TooLarge,
    /// A line that belongs to no field.
    Malformed,
}

/// Collects a header section.
#[derive(Debug)]
pub(crate) struct Collector {
    bytes: Vec<u8>,
    limit: usize,
}

impl Collector {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// Takes a piece of a line; gives the section when the empty line after it was read.
    pub(crate) fn push(&mut self, piece: Piece<'_>) -> Result<Option<Header>, HeaderTrouble> {
        if piece.is_line(b"") {
            return self.finish().map(Some);
        }
        if self.bytes.len().saturating_add(piece.text.len()) > self.limit {
            return Err(HeaderTrouble::TooLarge);
        }
        self.bytes.extend_from_slice(piece.text);
        if piece.ends {
            self.bytes.extend_from_slice(b"\r\n");
        }
        Ok(None)
    }

    /// The section, when the text is over without an empty line.
    pub(crate) fn finish(&mut self) -> Result<Header, HeaderTrouble> {
        Header::parse(std::mem::take(&mut self.bytes))
    }
}

/// A header section in which every line belongs to a field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    fields: Vec<Field>,
}

#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: String,
    /// Unfolded, and trimmed.
    value: Vec<u8>,
}

impl Header {
    /// field = field-name ":" unstructured CRLF, with continuation lines that open with white space
    fn parse(bytes: Vec<u8>) -> Result<Self, HeaderTrouble> {
        let mut fields: Vec<Field> = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
            match (line, fields.last_mut()) {
                ([], _) => {}
                ([b' ' | b'\t', ..], Some(field)) => field.value.extend_from_slice(line),
                ([b' ' | b'\t', ..], None) => return Err(HeaderTrouble::Malformed),
                _ => fields.push(field(line).ok_or(HeaderTrouble::Malformed)?),
            }
        }
        Ok(Self { fields })
    }

    /// The value of the only field of this name; none if there is none, or several, which programs read differently.
    pub(crate) fn only(&self, name: &str) -> Option<&str> {
        match (self.all(name).next(), self.all(name).nth(1)) {
            (Some(value), None) => str::from_utf8(value.trim_ascii()).ok(),
            _ => None,
        }
    }

    /// Whether a field of this name exists.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    fn all<'a, 'b>(&'a self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'b> {
        let named = move |field: &&Field| field.name.eq_ignore_ascii_case(name);
        self.fields.iter().filter(named).map(|field| field.value.as_slice())
    }

    /// The media type; none if there is no field that can be understood in only one way.
    pub(crate) fn media_type(&self) -> Option<MediaType> {
        self.only("Content-Type")
            .filter(|value| value.len() <= VALUE_LIMIT)
            .and_then(|value| media_type(value.as_bytes()))
    }

    /// The address of the first mailbox in From.
    pub(crate) fn from(&self) -> Option<Address> {
        self.only("From")
            .filter(|value| value.len() <= VALUE_LIMIT)
            .and_then(|value| first_mailbox(value.as_bytes()))
    }
}

/// Quirk: white space before the colon is obsolete syntax (RFC 5322 section 4.5), read as if it were not there.
fn field(line: &[u8]) -> Option<Field> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let name = name.trim_ascii_end();
    let printable = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let name = str::from_utf8(name).ok().filter(|_| printable)?.to_owned();
    Some(Field { name, value: value.get(1..).unwrap_or_default().to_vec() })
}
