//! The hash of a body (RFC 6376 section 3.7) that streams by, in one of the two canonical forms of section 3.4.
//!
//! The stream has no CR and no LF alone: [`crate::line_ends`] has seen to that.

use memchr::memchr3;
use ring::digest::{Context, SHA256};

use crate::canonical::Canonical;

/// The bytes that are hashed at once, at least; single words would cost a call each.
const BLOCK: usize = 4096;
/// Line ends are hashed in runs of at most this.
const LINE_ENDS: &[u8] = b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// A body on its way through the canonical form into the hash.
#[derive(Debug)]
pub(crate) struct BodyHash {
    canonical: Canonical,
    output: Output,
    /// The line ends since the last text. Empty lines at the end of a body do not count (section 3.4.3), so they are
    /// written when text follows.
    line_ends: u64,
    /// Whether white space stands between the last text of this line and the next; its end has none (section 3.4.4).
    blank: bool,
    /// Whether there was any text.
    text: bool,
}

impl BodyHash {
    pub(crate) fn new(canonical: Canonical) -> Self {
        Self { canonical, output: Output::new(), line_ends: 0, blank: false, text: false }
    }

    pub(crate) fn canonical(&self) -> Canonical {
        self.canonical
    }

    /// Takes the next bytes of the body.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self.canonical {
            Canonical::Simple => self.push_simple(bytes),
            Canonical::Relaxed => self.push_relaxed(bytes),
        }
    }

    /// The hash of the whole body.
    ///
    /// A body ends with exactly one CR LF, even an empty one in the simple form; in the relaxed form that stays empty
    /// (sections 3.4.3 and 3.4.4).
    pub(crate) fn finish(mut self) -> Hash {
        if self.text || self.canonical == Canonical::Simple {
            self.output.write(b"\r\n");
        }
        self.output.finish()
    }

    fn push_simple(&mut self, bytes: &[u8]) {
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        let (text, after) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        if !text.is_empty() {
            // An LF whose CR came before belongs to the line ends that wait.
            let rest = text.strip_prefix(b"\n").unwrap_or(text);
            self.line_ends += u64::from(rest.len() < text.len());
            self.write(rest);
        }
        self.line_ends += after.iter().filter(|byte| **byte == b'\n').count() as u64;
    }

    fn push_relaxed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            rest = match first {
                b' ' | b'\t' => {
                    self.blank = true;
                    after
                }
                b'\r' => after,
                b'\n' => {
                    self.line_ends += 1;
                    self.blank = false;
                    after
                }
                _ => {
                    let end = memchr3(b' ', b'\t', b'\r', rest).unwrap_or(rest.len());
                    let (text, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    self.write(text);
                    after
                }
            };
        }
    }

    /// Hashes text, and before it what has waited for it.
    fn write(&mut self, text: &[u8]) {
        while self.line_ends > 0 {
            let pairs = self.line_ends.min(LINE_ENDS.len() as u64 / 2);
            self.output.write(LINE_ENDS.get(..pairs as usize * 2).unwrap_or_default());
            self.line_ends -= pairs;
        }
        if std::mem::take(&mut self.blank) {
            self.output.write(b" ");
        }
        self.text = true;
        self.output.write(text);
    }
}

/// The hash, with the bytes that are not enough for a call yet.
struct Output {
    held: Vec<u8>,
    hash: Context,
}

impl Output {
    fn new() -> Self {
        Self { held: Vec::new(), hash: Context::new(&SHA256) }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.held.len() + bytes.len() > BLOCK {
            self.hash.update(&self.held);
            self.held.clear();
        }
        if bytes.len() > BLOCK {
            self.hash.update(bytes);
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    fn finish(mut self) -> Hash {
        self.hash.update(&self.held);
        let digest = self.hash.finish();
        // The length is SHA-256's.
        digest.as_ref().try_into().unwrap_or_default()
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Output(..)")
    }
}

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};
    use test_support::{Random, pieces};

    use super::{BLOCK, BodyHash};
    use crate::canonical::Canonical::{self, Relaxed, Simple};

    fn hash(canonical: Canonical, body: &[u8], cuts: u64) -> [u8; 32] {
        let mut hash = BodyHash::new(canonical);
        pieces(body, cuts).for_each(|piece| hash.push(piece));
        hash.finish()
    }

    #[track_caller]
    fn check(canonical: Canonical, body: &[u8], expected: &[u8]) {
        for cuts in 0..8 {
            let found = hash(canonical, body, cuts);
            let expected = digest(&SHA256, expected);
            assert_eq!(found, expected.as_ref(), "{} ({cuts})", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn empty_lines_at_the_end_do_not_count() {
        // RFC 6376 sections 3.4.3 and 3.4.4.
        for body in [&b""[..], b"\r\n", b"\r\n\r\n\r\n"] {
            check(Simple, body, b"\r\n");
            check(Relaxed, body, b"");
        }
        for canonical in [Simple, Relaxed] {
            for body in [&b"a"[..], b"a\r\n", b"a\r\n\r\n\r\n"] {
                check(canonical, body, b"a\r\n");
            }
            check(canonical, b"\r\n\r\na\r\n\r\nb\r\n\r\n", b"\r\n\r\na\r\n\r\nb\r\n");
        }
    }

    #[test]
    fn white_space_counts_in_the_simple_form_only() {
        let body = b" C \r\nD \t E\r\n\r\n\r\n";
        check(Simple, body, b" C \r\nD \t E\r\n");
        check(Relaxed, body, b" C\r\nD E\r\n");
        let blank = b" \t\r\n \r\n\t";
        check(Simple, blank, b" \t\r\n \r\n\t\r\n");
        check(Relaxed, blank, b"");
        check(Relaxed, b" \t\r\na\t\r\n\t", b"\r\na\r\n");
        // Other controls are no white space.
        check(Relaxed, b"a\x0b\x0c\0b \x0c\r\n", b"a\x0b\x0c\0b \x0c\r\n");
    }

    #[test]
    fn long_runs_of_lines_and_of_text_are_whole() {
        let lines = b"\r\n".repeat(1000);
        let text = b"0123456789abcdef ".repeat(BLOCK / 4);
        let body = [b"a", &lines[..], b"b\r\n", &text, b"\r\n", &lines].concat();
        let simple = [b"a", &lines[..], b"b\r\n", &text, b"\r\n"].concat();
        check(Simple, &body, &simple);
        let relaxed = [b"a", &lines[..], b"b\r\n", text.trim_ascii_end(), b"\r\n"].concat();
        check(Relaxed, &body, &relaxed);
    }

    #[test]
    fn random_bodies_hash_as_the_letter_of_the_rules_has_it() {
        let mut random = Random::new(7);
        for seed in 0..2_000 {
            let length = random.below(40);
            let body: Vec<u8> = (0..length)
                .flat_map(|_| {
                    [&b"a"[..], b"b", b" ", b"\t", b"\r\n", b"\r\n"][random.below(6)].iter().copied()
                })
                .collect();
            for canonical in [Simple, Relaxed] {
                let expected = digest(&SHA256, &by_the_letter(canonical, &body));
                assert_eq!(hash(canonical, &body, seed), expected.as_ref(), "{canonical:?} {body:?}");
            }
        }
    }

    /// The rules applied to a whole body in memory, one after the other.
    fn by_the_letter(canonical: Canonical, body: &[u8]) -> Vec<u8> {
        let mut text = String::from_utf8(body.to_vec()).unwrap();
        if !text.is_empty() && !text.ends_with("\r\n") {
            text.push_str("\r\n");
        }
        if canonical == Relaxed {
            text = text.replace('\t', " ");
            while text.contains("  ") || text.contains(" \r\n") {
                text = text.replace("  ", " ").replace(" \r\n", "\r\n");
            }
        }
        while text.ends_with("\r\n\r\n") {
            text.truncate(text.len() - 2);
        }
        match (canonical, text.as_str()) {
            (Simple, "") => b"\r\n".to_vec(),
            (Relaxed, "\r\n") => Vec::new(),
            _ => text.into_bytes(),
        }
    }
}
