//! The header fields of a message, and which of them a signature covers (RFC 6376 section 5.4.2).

use std::collections::BTreeMap;

use message::{Field, fields};

use crate::canonical::Canonical;

/// The most fields of a header section. Ordinary mail has fewer than a hundred; a megabyte of empty ones would take its
/// size fifteen times over.
const FIELD_LIMIT: usize = 10_000;

/// An unusable header section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnusableHeader {
    /// A line belongs to no field, or the last one does not end.
    Malformed,
    /// It has more fields than are read.
    TooLarge,
}

/// The fields of a header section.
#[derive(Debug)]
pub(crate) struct SignedFields<'a> {
    fields: Vec<Field<'a>>,
    /// The numbers of the fields of a name, in lower case, from the top.
    by_name: BTreeMap<Vec<u8>, Vec<usize>>,
}

impl<'a> SignedFields<'a> {
    /// Splits a section; its lines end with CR LF.
    pub(crate) fn parse(section: &'a [u8]) -> Result<Self, UnusableHeader> {
        if !section.is_empty() && !section.ends_with(b"\n") {
            return Err(UnusableHeader::Malformed);
        }
        let fields: Result<Vec<Field<'_>>, _> = fields(section).take(FIELD_LIMIT + 1).collect();
        let fields = fields.map_err(|_| UnusableHeader::Malformed)?;
        if fields.len() > FIELD_LIMIT {
            return Err(UnusableHeader::TooLarge);
        }
        let mut by_name: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for (number, field) in fields.iter().enumerate() {
            by_name.entry(field.name.to_ascii_lowercase()).or_default().push(number);
        }
        Ok(Self { fields, by_name })
    }

    /// The number of fields of a name, which is in lower case.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.numbers(name).len()
    }

    /// The fields of a name with their numbers, from the top.
    pub(crate) fn named<'b>(&'b self, name: &str) -> impl Iterator<Item = (usize, Field<'a>)> + use<'a, 'b> {
        self.numbers(name).iter().filter_map(|number| Some((*number, *self.fields.get(*number)?)))
    }

    /// The text to sign up to the signature's own field, whose number is `own` if it is among these fields.
    ///
    /// Each further mention of a name is the next field of it, from the bottom up; a mention beyond the first field adds
    /// nothing, so that a field added later makes the signature invalid. A signature never covers its own field.
    pub(crate) fn write<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
        canonical: Canonical,
        own: Option<usize>,
    ) -> Vec<u8> {
        let mut text = Vec::new();
        let mut left: BTreeMap<&str, &[usize]> = BTreeMap::new();
        for name in names {
            let left = left.entry(name).or_insert_with(|| self.numbers(name));
            if let Some((last, rest)) = left.split_last()
                && Some(*last) == own
            {
                *left = rest;
            }
            let Some((last, rest)) = left.split_last() else { continue };
            *left = rest;
            if let Some(field) = self.fields.get(*last) {
                canonical.write_field(field, &mut text);
            }
        }
        text
    }

    fn numbers(&self, name: &str) -> &[usize] {
        self.by_name.get(name.as_bytes()).map(Vec::as_slice).unwrap_or_default()
    }
}
