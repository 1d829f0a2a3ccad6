//! Header fields: where the header ends, which fields it has.

/// The longest header that is looked into, in bytes; what is beyond counts as body.
pub(crate) const HEADER_LIMIT: u64 = 1_048_576;

/// The length of the header with its empty line, if that is in `bytes`.
pub(crate) fn end(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        start += line.len();
        if line == b"\r\n" || line == b"\n" {
            return Some(start);
        }
    }
    None
}

/// A field as it stands in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// The name, without the colon.
    pub(crate) name: &'a [u8],
    /// What follows the colon, folded, with its line end.
    pub(crate) value: &'a [u8],
    /// All of it.
    pub(crate) raw: &'a [u8],
}

/// The fields of a header, in order. Lines that belong to no field are left out.
pub(crate) fn fields(header: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = header;
    while !rest.is_empty() {
        let (raw, after) = rest.split_at_checked(field_length(rest)).unwrap_or((rest, &[]));
        rest = after;
        let Some(colon) = raw.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let (name, value) = raw.split_at_checked(colon).unwrap_or((raw, &[]));
        let name = name.trim_ascii_end();
        if !name.is_empty() && name.iter().all(u8::is_ascii_graphic) {
            fields.push(Field { name, value: value.strip_prefix(b":").unwrap_or(value), raw });
        }
    }
    fields
}

/// The first field of that name.
pub(crate) fn find<'a>(header: &'a [u8], name: &str) -> Option<Field<'a>> {
    fields(header).into_iter().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))
}

/// A field's value on one line, without white space around it and without control characters.
pub(crate) fn unfolded(value: &[u8]) -> Vec<u8> {
    let line = value.iter().filter(|&&byte| byte != b'\r' && byte != b'\n');
    let clean = line.map(|&byte| if byte < 0x20 || byte == 0x7f { b' ' } else { byte });
    clean.collect::<Vec<u8>>().trim_ascii().to_vec()
}

/// The length of the first line and of those that continue it by beginning with white space.
fn field_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if length > 0 && !matches!(line.first(), Some(b' ' | b'\t')) {
            break;
        }
        length += line.len();
    }
    length.max(1)
}

/// Whether a selection names what is wanted or what is not.
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
    for field in fields(header) {
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
    use super::{Selection, end, fields, select};

    const HEADER: &[u8] = b"From: a@b.c\r\nSubject: long\r\n\tand folded\r\nnonsense\r\nfrom : again\r\n\r\n";

    #[test]
    fn the_header_ends_with_an_empty_line() {
        assert_eq!(end(b"A: b\r\n\r\nbody\r\n\r\n"), Some(8));
        assert_eq!(end(b"A: b\n\nbody"), Some(6));
        assert_eq!(end(b"\r\nbody"), Some(2));
        assert_eq!(end(b"A: b\r\nC: d"), None);
    }

    #[test]
    fn fields_are_folded_lines() {
        let names: Vec<&[u8]> = fields(HEADER).iter().map(|field| field.name).collect();
        assert_eq!(names, [b"From".as_slice(), b"Subject", b"from"]);
    }

    #[test]
    fn fields_are_selected_by_name_in_any_case() {
        let names = ["FROM".to_owned()];
        assert_eq!(select(HEADER, &names, Selection::Only), b"From: a@b.c\r\nfrom : again\r\n\r\n");
        assert_eq!(select(HEADER, &names, Selection::Except), b"Subject: long\r\n\tand folded\r\n\r\n");
    }
}
