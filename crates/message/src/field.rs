//! Fields of a header section (RFC 5322 section 2.2): where the section ends, which lines belong together, and what a
//! folded value is on one line.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2};

/// A header field as it stands in the section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// field-name, without the colon; not empty, printable ASCII.
    pub name: &'a [u8],
    /// field-body: everything after the colon, still folded, with the final line end.
    pub value: &'a [u8],
    /// The whole field, name and colon included.
    pub raw: &'a [u8],
}

/// A line of a header section that is neither a field nor the continuation of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of the header section belongs to no field")]
pub struct MalformedField;

/// The fields of a header section in order, up to its empty line; see [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// Splits a header section into its fields. A malformed line is an item of its own: lenient readers leave it out,
/// strict ones refuse the section.
///
/// ```text
/// field = field-name ":" unstructured CRLF, with continuation lines that open with white space
/// ```
#[must_use]
pub fn fields(section: &[u8]) -> Fields<'_> {
    Fields { rest: section }
}

/// The length of a header section with its empty line, in bytes; none as long as `bytes` has no empty line.
#[must_use]
pub fn section_length(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    for end in memchr_iter(b'\n', bytes) {
        if matches!(bytes.get(start..end), Some(b"" | b"\r")) {
            return Some(end + 1);
        }
        start = end + 1;
    }
    None
}

/// A field's value on one line (RFC 5322 section 2.2.3): without line ends, and without white space around it.
///
/// A CR alone ends no line and stays, since without it the words beside it would be one.
#[must_use]
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut line = Vec::with_capacity(value.len());
    for piece in value.split(|&byte| byte == b'\n') {
        line.extend_from_slice(piece.strip_suffix(b"\r").unwrap_or(piece));
    }
    Cow::Owned(line)
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, MalformedField>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.rest, [] | [b'\n', ..] | [b'\r', b'\n', ..]) {
            return None;
        }
        let (raw, rest) = self.rest.split_at_checked(field_length(self.rest))?;
        self.rest = rest;
        Some(Field::parse(raw).ok_or(MalformedField))
    }
}

impl<'a> Field<'a> {
    /// Whether this is the field's name; names have no case (RFC 5322 section 1.2.2).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Quirk: white space before the colon is obsolete syntax (RFC 5322 section 4.5), read as if it were not there.
    fn parse(raw: &'a [u8]) -> Option<Self> {
        let (mut name, value) = raw.split_at_checked(memchr(b':', raw)?)?;
        while let [shorter @ .., b' ' | b'\t'] = name {
            name = shorter;
        }
        let valid = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        valid.then_some(Self { name, value: value.strip_prefix(b":")?, raw })
    }
}

/// The length of the first line and of its continuation lines.
fn field_length(section: &[u8]) -> usize {
    let continued = |next: &usize| matches!(section.get(*next), Some(b' ' | b'\t'));
    memchr_iter(b'\n', section).map(|end| end + 1).find(|next| !continued(next)).unwrap_or(section.len())
}

#[cfg(test)]
mod tests {
    use super::{MalformedField, fields, section_length, unfold};

    #[test]
    fn a_section_ends_with_an_empty_line() {
        assert_eq!(section_length(b"A: b\r\n\r\nbody\r\n\r\n"), Some(8));
        assert_eq!(section_length(b"A: b\n\nbody"), Some(6));
        assert_eq!(section_length(b"\r\nbody"), Some(2));
        assert_eq!(section_length(b"A: b\r\nC: d"), None);
    }

    #[test]
    fn fields_are_folded_lines_up_to_the_empty_one() {
        let section =
            b"From: a@b.c\r\nSubject: long\r\n\tand: folded\r\nnonsense\r\nfrom\t : again\r\n\r\nTo: body\r\n";
        let names: Vec<_> = fields(section).map(|field| field.map(|field| field.name)).collect();
        assert_eq!(names, [Ok(&b"From"[..]), Ok(b"Subject"), Err(MalformedField), Ok(b"from")]);
        let subject = fields(section).filter_map(Result::ok).find(|field| field.is("SUBJECT")).unwrap();
        assert_eq!(subject.value, b" long\r\n\tand: folded\r\n");
        assert_eq!(subject.raw, b"Subject: long\r\n\tand: folded\r\n");
        assert_eq!(fields(b"A:").next().map(|field| field.map(|field| field.value)), Some(Ok(&b""[..])));
    }

    #[test]
    fn what_is_no_field_is_malformed() {
        for section in
            [&b" continued: x\r\n"[..], b"no colon\r\n", b": x\r\n", b"N\xc3\xa4me: x\r\n", b"A\r\n : b\r\n"]
        {
            assert_eq!(fields(section).collect::<Vec<_>>(), [Err(MalformedField)], "{section:?}");
        }
    }

    #[test]
    fn values_are_unfolded_to_one_line() {
        assert_eq!(*unfold(b" one\r\n\ttwo \r\n"), *b"one\ttwo");
        assert_eq!(*unfold(b" \r\n x\r\n"), *b"x");
        assert_eq!(*unfold(b"\r\n"), *b"");
        assert_eq!(*unfold(b"a\rb\r\r\n c\n\td"), *b"a\rb\r c\td");
    }
}
