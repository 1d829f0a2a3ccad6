//! The characters of others' texts that can be shown.

/// Whether a character of another's text may stand in a line on a page or a terminal: it neither moves the cursor nor reverses
/// the text around it (Unicode Standard Annex #9 section 2).
#[must_use]
pub fn is_shown(character: char) -> bool {
    let is_bidirectional =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !character.is_control() && !is_bidirectional
}

#[cfg(test)]
mod tests {
    use super::is_shown;

    #[test]
    fn only_characters_that_move_nothing_are_shown() {
        assert!("aä 猫🙂\u{a0}".chars().all(is_shown));
        assert!(!"\0\n\u{1b}\u{7f}\u{9b}\u{200f}\u{202e}\u{2066}".chars().any(is_shown));
    }
}
