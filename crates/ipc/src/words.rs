//! Characters of texts that people read, or have typed; numbers as people read them.

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

/// A time span in seconds, in its largest unit: `40 s`, `5 min`, `2 h`, `3 days`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn the_largest_unit_that_says_something_is_used() {
        let spans = [119, 120, 7199, 7200, 172_799, 172_800].map(duration);
        assert_eq!(spans, ["119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
    }
}
