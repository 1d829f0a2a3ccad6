//! Characters of texts that people read, or have typed.

/// Whether TOML forbids the character everywhere (TOML 1.0, "Comment" and "String"): a control character that is neither a
/// tab nor a line's end.
#[must_use]
pub fn is_control(character: char) -> bool {
    character.is_ascii_control() && !matches!(character, '\t' | '\n' | '\r')
}

/// The text with blanks for control characters, cut before the first character that does not fit into `limit` bytes.
pub(crate) fn bounded_words(text: &str, limit: usize) -> String {
    let text = text.get(..text.floor_char_boundary(limit)).unwrap_or_default();
    text.replace(is_control, " ")
}
