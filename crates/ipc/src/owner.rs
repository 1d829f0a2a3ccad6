//! The owner's settings file on its way from the process that reads it off the card to the server: one line of at most
//! [`LINE_LIMIT`] bytes, which `hearth init` passes on as a file without looking into it.
//!
//! The server's answer is [`ToInit::OwnerFile`](crate::appliance::ToInit).

use crate::appliance::OwnerFile;
use crate::words::{bounded_words, is_control};

/// The longest line with an [`OwnerFile`], in bytes.
pub const LINE_LIMIT: usize = 64 * 1024;
/// The longest text of the owner's file, in bytes.
pub const TEXT_LIMIT: usize = 16 * 1024;
/// The longest problem, in bytes.
pub const PROBLEM_LIMIT: usize = 1024;

impl OwnerFile {
    /// The same with a problem of at most [`PROBLEM_LIMIT`] bytes. A text that is longer than [`TEXT_LIMIT`], or that holds
    /// characters which are no part of a text, is left out, since its line could be longer than [`LINE_LIMIT`].
    #[must_use]
    pub fn bounded(self) -> Self {
        let is_text = |text: &String| text.len() <= TEXT_LIMIT && !text.chars().any(is_control);
        Self {
            text: self.text.filter(is_text),
            problem: self.problem.map(|problem| bounded_words(&problem, PROBLEM_LIMIT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_LIMIT, OwnerFile, PROBLEM_LIMIT, TEXT_LIMIT};
    use crate::lines::encode;

    /// The character that takes most bytes in JSON, of those that pass.
    const COSTLY: &str = "\"";

    #[test]
    fn the_longest_bounded_file_fits_in_its_line() {
        let problem = Some(COSTLY.repeat(2 * PROBLEM_LIMIT));
        let bounded = OwnerFile { text: Some(COSTLY.repeat(TEXT_LIMIT)), problem }.bounded();
        assert_eq!(bounded.text.as_ref().unwrap().len(), TEXT_LIMIT);
        let line = encode(&bounded).unwrap();
        assert!(line.len() <= LINE_LIMIT, "{} bytes", line.len());
    }

    #[test]
    fn a_text_is_whole_or_left_out() {
        let bounded = |text: String| OwnerFile { text: Some(text), problem: None }.bounded().text;
        assert_eq!(bounded("a = 1\r\n\t# ä".to_owned()), Some("a = 1\r\n\t# ä".to_owned()));
        assert_eq!(bounded("a".repeat(TEXT_LIMIT + 1)), None);
        assert_eq!(bounded("a\0".to_owned()), None);
    }
}
