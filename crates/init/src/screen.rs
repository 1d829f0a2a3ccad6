//! The content of the screens in its two forms: laid out for a display of known size, and plain text for a serial line.

use pairing::{DisplayStatus, ScreenSize};

/// The content of the screens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    /// The server's status.
    Status(Box<DisplayStatus>),
    /// Init's own words.
    Text(String),
}

impl Screen {
    /// The text for a display: neither more nor wider lines than it has.
    pub(super) fn for_display(&self, size: ScreenSize) -> String {
        let lines = match self {
            Self::Status(status) => pairing::status_lines(status, size),
            Self::Text(text) => pairing::text_lines(text, size),
        };
        without_controls(&lines.join("\n"))
    }

    /// The text for a line, where a program may wait for the pairing link.
    pub(super) fn for_line(&self) -> String {
        match self {
            Self::Status(status) => without_controls(&pairing::screen(status)),
            Self::Text(text) => without_controls(text),
        }
    }
}

/// The text may quote a child process, and control characters could move the cursor, forge a screen, or make the terminal
/// answer.
fn without_controls(text: &str) -> String {
    text.trim_end().chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use pairing::{DisplayStatus, LedState, PAIRING_LINK_LABEL, PairingCode, ScreenSize};

    use super::Screen;

    #[test]
    fn no_control_character_but_the_newline_is_in_a_screen() {
        let evil = "a\x1b[2Jb\r\u{9b}2J\x07\nc\t\u{7f}█é";
        let status = DisplayStatus {
            name: evil.to_owned(),
            addresses: Vec::new(),
            led: LedState::Ready,
            accounts: 1,
            version: evil.to_owned(),
            troubles: vec![evil.to_owned()],
            code: Some(PairingCode { link: evil.to_owned(), closes: evil.to_owned() }),
        };
        for screen in [Screen::Status(Box::new(status)), Screen::Text(evil.to_owned())] {
            for text in [screen.for_line(), screen.for_display(ScreenSize::DEFAULT)] {
                assert!(
                    text.contains("2J") && !text.contains(|c: char| c.is_control() && c != '\n'),
                    "{text:?}"
                );
            }
        }
        assert_eq!(Screen::Text(evil.to_owned()).for_line(), "a [2Jb  2J \nc  █é");
    }

    #[test]
    fn a_line_gets_the_link_and_a_display_does_not() {
        let status = DisplayStatus {
            name: "hearth-1a2b.local".to_owned(),
            addresses: Vec::new(),
            led: LedState::PairingOpen,
            accounts: 0,
            version: "0.1.0".to_owned(),
            troubles: Vec::new(),
            code: Some(PairingCode { link: "dclogin:a@b?p=c".to_owned(), closes: "soon".to_owned() }),
        };
        let screen = Screen::Status(Box::new(status));
        assert!(screen.for_line().ends_with(&format!("\n{PAIRING_LINK_LABEL}dclogin:a@b?p=c")));
        assert!(!screen.for_display(ScreenSize::DEFAULT).contains("dclogin:"));
    }
}
