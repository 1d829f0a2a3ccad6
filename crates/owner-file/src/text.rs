//! The bytes of the owner's file as text, or the reason why they are none, in words for a person with an editor.

use ipc::words::is_control;

/// The mark at the beginning of a file with which some editors say that it is UTF-8.
const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text of the file with this name, and the number of bytes in front of it.
pub(crate) fn decode<'a>(bytes: &'a [u8], name: &str) -> Result<(&'a str, usize), String> {
    if is_utf_16(bytes) {
        return Err(format!("{name} is saved as \"Unicode\" or \"UTF-16\". {SAVE_AGAIN}"));
    }
    let (skipped, rest) = match bytes.strip_prefix(UTF_8_MARK) {
        Some(rest) => (UTF_8_MARK.len(), rest),
        None => (0, bytes),
    };
    let text = str::from_utf8(rest).map_err(|error| {
        let before = rest.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        format!("{name} has a character in line {line} that is not in UTF-8. {SAVE_AGAIN}")
    })?;
    match text.split('\n').position(|line| line.chars().any(is_control)) {
        Some(line) => Err(format!(
            "{name} has a character in line {} that no editor shows. Remove the line and type it again.",
            line + 1
        )),
        None => Ok((text, skipped)),
    }
}

/// Whether the bytes begin with the mark of UTF-16, or have a zero as one of the first two, as its letters have.
fn is_utf_16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [first, second, ..] => (*first == 0) != (*second == 0),
        _ => false,
    }
}

const SAVE_AGAIN: &str = "Save it again as UTF-8: in Notepad this is chosen in the window \"Save as\", beside the button \"Save\".";

#[cfg(test)]
mod tests {
    fn decode(bytes: &[u8]) -> Result<(&str, usize), String> {
        super::decode(bytes, "hearth.toml")
    }

    #[test]
    fn text_with_and_without_a_mark_is_text() {
        assert_eq!(decode(b""), Ok(("", 0)));
        assert_eq!(decode("# ä\r\n\tdomain".as_bytes()), Ok(("# ä\r\n\tdomain", 0)));
        assert_eq!(decode(b"\xef\xbb\xbfdomain"), Ok(("domain", 3)));
    }

    #[test]
    fn other_encodings_are_told_with_the_line() {
        for utf_16 in [&b"\xff\xfed\0o\0"[..], b"\xfe\xff\0d\0o", b"d\0o\0", b"\0d\0o"] {
            let problem = decode(utf_16).unwrap_err();
            assert!(problem.contains("UTF-16") && problem.contains("as UTF-8"), "{problem}");
        }
        let problem = decode(b"domain\r\n\r\n# Sch\xf6n\r\n").unwrap_err();
        assert!(problem.contains("in line 3") && problem.contains("UTF-8"), "{problem}");
        for control in ["a\nb\u{7f}", "a\nb\0c", "a\n\u{1b}[m"] {
            let problem = decode(control.as_bytes()).unwrap_err();
            assert!(problem.contains("in line 2"), "{problem}");
        }
    }
}
