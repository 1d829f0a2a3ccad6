//! Control paragraphs of `Name: value` lines (deb822(5)), as far as indexes use them: no comments, no substitution.

/// One field of a paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    /// Without blanks at its ends; continuation lines keep their indentation.
    pub(super) value: &'a str,
}

/// The paragraphs of a text, which empty lines separate.
pub(super) fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").map(|paragraph| paragraph.trim_matches('\n')).filter(|paragraph| !paragraph.is_empty())
}

/// The fields of one paragraph; `None` when a line is neither a field nor a continuation, or a name comes twice.
///
/// ```text
/// field        = name ":" *WSP value LF *continuation
/// continuation = (SP / HTAB) text LF
/// ```
pub(super) fn fields(paragraph: &str) -> Option<Vec<Field<'_>>> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut rest = paragraph;
    while !rest.is_empty() {
        let end = end_of_field(rest);
        let (field, after) = rest.split_at_checked(end)?;
        rest = after.strip_prefix('\n').unwrap_or(after);
        let (name, value) = field.split_once(':')?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name || fields.len() == MAX_FIELDS || fields.iter().any(|f| f.name.eq_ignore_ascii_case(name))
        {
            return None;
        }
        fields.push(Field { name, value: value.trim_matches([' ', '\t', '\n']) });
    }
    Some(fields)
}

/// The value of a field; the case of its name does not matter.
pub(super) fn value<'a>(fields: &[Field<'a>], name: &str) -> Option<&'a str> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// The position of the first line end that no continuation line follows.
fn end_of_field(text: &str) -> usize {
    let mut lines = text.match_indices('\n');
    lines
        .find(|(at, _)| !matches!(text.as_bytes().get(at + 1), Some(b' ' | b'\t')))
        .map_or(text.len(), |(at, _)| at)
}

const MAX_FIELDS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_continuations() {
        let fields = fields("Origin: Debian\nSHA256:\n aa 1 x\n bb 2 y\nempty:\nDate:  now \n").unwrap();
        assert_eq!(value(&fields, "origin"), Some("Debian"));
        assert_eq!(value(&fields, "SHA256"), Some("aa 1 x\n bb 2 y"));
        assert_eq!(
            (value(&fields, "Empty"), value(&fields, "Date"), value(&fields, "None")),
            (Some(""), Some("now"), None)
        );
    }

    #[test]
    fn paragraphs_are_split_at_empty_lines() {
        assert_eq!(paragraphs("A: 1\n\n\nB: 2\nC: 3\n\n").collect::<Vec<_>>(), ["A: 1", "B: 2\nC: 3"]);
        assert_eq!(paragraphs("").count(), 0);
    }

    #[test]
    fn what_is_no_paragraph_is_refused() {
        for text in [
            " continues nothing",
            "no colon",
            ": no name",
            "na me: x",
            "A: 1\na: 2",
            "A: 1\n-----BEGIN",
            "ä: 1",
        ] {
            assert_eq!(fields(text), None, "{text}");
        }
        let many: String = (0..=MAX_FIELDS).map(|n| format!("N{n}: x\n")).collect();
        assert_eq!(fields(&many), None);
    }

    #[test]
    fn every_cut_is_survived() {
        let text = "Origin: Debian\nSHA256:\n aa 1 x\n\tbb 2 ü\n\nDate: now\n";
        for (end, _) in text.char_indices() {
            for paragraph in paragraphs(text.get(..end).unwrap()) {
                let _ = fields(paragraph);
            }
        }
    }
}
