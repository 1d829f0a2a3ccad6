//! The header sections of messages: fields by name, and the selections of FETCH.

use message::parameters;
pub(crate) use message::{Field, section_length as end};
use message::{fields as all_fields, unfold};

/// The longest header section that is parsed, in bytes; the rest counts as body.
pub(crate) const HEADER_LIMIT: u64 = 1_048_576;

/// The fields of a header section, in order; malformed lines are left out.
pub(crate) fn fields(header: &[u8]) -> Vec<Field<'_>> {
    all_fields(header).filter_map(Result::ok).collect()
}

/// The first field of that name.
pub(crate) fn find<'a>(header: &'a [u8], name: &str) -> Option<Field<'a>> {
    all_fields(header).filter_map(Result::ok).find(|field| field.is(name))
}

/// A field's value on one line, with spaces for the control characters, which no quoted string of IMAP holds.
pub(crate) fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut line = unfold(value).into_owned();
    if line.iter().any(u8::is_ascii_control) {
        line.iter_mut().filter(|byte| byte.is_ascii_control()).for_each(|byte| *byte = b' ');
        return line.trim_ascii().to_vec();
    }
    line
}

/// The encoding that `Content-Transfer-Encoding` names, in upper case.
pub(crate) fn transfer_encoding(header: &[u8]) -> Option<Vec<u8>> {
    parameters::transfer_encoding(&unfolded(find(header, "Content-Transfer-Encoding")?.value))
}

/// The sense of a selection by names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// `HEADER.FIELDS`
    Only,
    /// `HEADER.FIELDS.NOT`
    Except,
}

/// RFC 3501 section 6.4.5: the fields of these names, as they stand, then an empty line.
pub(crate) fn select(header: &[u8], names: &[String], selection: Selection) -> Vec<u8> {
    let mut selected = Vec::new();
    for field in all_fields(header).filter_map(Result::ok) {
        let named = names.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(field.name));
        if named == (selection == Selection::Only) {
            selected.extend_from_slice(field.raw);
            if !field.raw.ends_with(b"\n") {
                selected.extend_from_slice(b"\r\n");
            }
        }
    }
    selected.extend_from_slice(b"\r\n");
    selected
}

#[cfg(test)]
mod tests {
    use super::{Selection, select, unfolded};

    const HEADER: &[u8] = b"From: a@b.c\r\nSubject: long\r\n\tand folded\r\nnonsense\r\nfrom : again\r\n\r\n";

    #[test]
    fn a_value_has_no_control_characters() {
        assert_eq!(unfolded(b" one\r\n\ttwo\x00\x7fthree \x01\r\n"), b"one two  three");
        assert_eq!(unfolded(b"a@x,\rb@y\r\r\n c\r\n"), b"a@x, b@y  c");
    }

    #[test]
    fn fields_are_selected_by_name_in_any_case() {
        let names = ["FROM".to_owned()];
        assert_eq!(select(HEADER, &names, Selection::Only), b"From: a@b.c\r\nfrom : again\r\n\r\n");
        assert_eq!(select(HEADER, &names, Selection::Except), b"Subject: long\r\n\tand folded\r\n\r\n");
    }
}
