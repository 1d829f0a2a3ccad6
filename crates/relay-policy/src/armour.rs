//! ASCII armour around one OpenPGP message (RFC 9580 section 6.2), decoded in passing.
//!
//! ```text
//! -----BEGIN PGP MESSAGE-----
//! Version: x                     one such line, only from other servers
//!
//! base64                         no text around
//! =crc                           may be missing; not compared, as RFC 9580 asks
//! -----END PGP MESSAGE-----
//! ```
//!
//! Other armour headers (RFC 9580 section 6.2.2) can be read by everybody, so a message with one does not pass, but is
//! told apart from clear text: its author learns what to switch off.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;

use crate::lines::{Lines, Piece};
use crate::packets::{NotEncrypted, Packets};

const BEGIN: &[u8] = b"-----BEGIN PGP MESSAGE-----";
const END: &[u8] = b"-----END PGP MESSAGE-----";
/// The most bytes after the data: padding, the `=` of the checksum, and its four characters.
const TAIL_LIMIT: usize = 7;

/// The armour headers that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    /// None, as chatmail clients write it; a header would tell the program's name and version, which the header clean-up
    /// takes away elsewhere.
    None,
    /// One `Version:` line, as old OpenPGP programs write it.
    Version,
}

/// The decoder.
#[derive(Debug)]
pub(crate) struct Armour {
    headers: Headers,
    lines: Lines,
    body: Body,
}

/// The class of what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Armoured {
    /// One encrypted message.
    Message,
    /// The same, and armour headers that are not allowed.
    WithHeaders,
}

/// The state behind the cutting into lines.
#[derive(Debug)]
struct Body {
    at: At,
    /// Whether there was an armour header that is not allowed.
    forbidden_header: bool,
    /// Up to three base64 characters that wait for the rest of their group.
    group: Vec<u8>,
    /// Padding and checksum after the data.
    tail: Vec<u8>,
    /// A buffer that is used again and again.
    decoded: Vec<u8>,
    packets: Packets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    ExpectBegin,
    /// A `Version:` line may still come.
    ExpectVersion,
    /// Armour headers may come, which are not allowed.
    Headers,
    Data,
    AfterEnd,
    Failed,
}

impl Armour {
    pub(crate) fn new(headers: Headers) -> Self {
        let body = Body {
            at: At::ExpectBegin,
            forbidden_header: false,
            group: Vec::new(),
            tail: Vec::new(),
            decoded: Vec::new(),
            packets: Packets::default(),
        };
        Self { headers, lines: Lines::default(), body }
    }

    /// Reads more of the text; [`Armour::finish`] returns the first error.
    pub(crate) fn push(&mut self, text: &[u8]) {
        if self.body.at == At::Failed {
            return;
        }
        let Self { headers, lines, body } = self;
        if lines.push(text, |piece| body.take(piece, *headers)).is_err() {
            body.at = At::Failed;
        }
    }

    /// The class of all of it, if it was one armoured, encrypted message.
    pub(crate) fn finish(mut self) -> Result<Armoured, NotEncrypted> {
        let Self { headers, lines, body } = &mut self;
        let ended = lines.finish(|piece| body.take(piece, *headers));
        if ended.is_err() || body.at != At::AfterEnd {
            return Err(NotEncrypted);
        }
        body.packets.finish()?;
        Ok(if body.forbidden_header { Armoured::WithHeaders } else { Armoured::Message })
    }
}

impl Body {
    fn take(&mut self, piece: Piece<'_>, headers: Headers) {
        let whole = piece.starts && piece.ends;
        self.at = match self.at {
            At::ExpectBegin if piece.is_line(BEGIN) => At::ExpectVersion,
            At::ExpectVersion
                if whole && headers == Headers::Version && piece.text.starts_with(b"Version: ") =>
            {
                At::Headers
            }
            At::ExpectVersion | At::Headers if whole && is_header(piece.text) => {
                self.forbidden_header = true;
                At::Headers
            }
            At::ExpectVersion | At::Headers | At::Data if piece.is_line(END) => {
                self.end().map_or(At::Failed, |()| At::AfterEnd)
            }
            At::ExpectVersion | At::Headers | At::Data => {
                self.data(piece.text).map_or(At::Failed, |()| At::Data)
            }
            At::AfterEnd if piece.is_line(b"") => At::AfterEnd,
            At::ExpectBegin | At::AfterEnd | At::Failed => At::Failed,
        };
    }

    /// A line of base64, or a piece of one. Empty lines are skipped wherever they are, as filtermail does.
    fn data(&mut self, text: &[u8]) -> Result<(), NotEncrypted> {
        let data = match memchr(b'=', text) {
            _ if !self.tail.is_empty() => &[],
            Some(end) => text.get(..end).unwrap_or_default(),
            None => text,
        };
        self.tail.extend_from_slice(text.get(data.len()..).unwrap_or_default());
        if self.tail.len() > TAIL_LIMIT {
            return Err(NotEncrypted);
        }
        if self.group.is_empty() && data.len().is_multiple_of(4) {
            // Every line of an ordinary armour.
            return self.decode(data);
        }
        self.group.extend_from_slice(data);
        let whole = self.group.len() / 4 * 4;
        let rest = self.group.split_off(whole);
        let groups = std::mem::replace(&mut self.group, rest);
        self.decode(&groups)
    }

    /// The armour ends: the last group must be complete with its padding, and what is left must be a checksum.
    fn end(&mut self) -> Result<(), NotEncrypted> {
        let padding: &[u8] = match self.group.len() {
            0 => b"",
            2 => b"==",
            3 => b"=",
            _ => return Err(NotEncrypted),
        };
        let tail = std::mem::take(&mut self.tail);
        let checksum = tail.strip_prefix(padding).ok_or(NotEncrypted)?;
        let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        match checksum {
            [] => {}
            [b'=', checksum @ ..] if checksum.len() == 4 && checksum.iter().all(base64) => {}
            _ => return Err(NotEncrypted),
        }
        let mut last = std::mem::take(&mut self.group);
        last.extend_from_slice(padding);
        self.decode(&last)
    }

    fn decode(&mut self, groups: &[u8]) -> Result<(), NotEncrypted> {
        if groups.is_empty() {
            return Ok(());
        }
        self.decoded.clear();
        STANDARD.decode_vec(groups, &mut self.decoded).map_err(|_| NotEncrypted)?;
        self.packets.push(&self.decoded)
    }
}

/// An armour header: a key, a colon and a blank (RFC 9580 section 6.2.2), none of which base64 has.
fn is_header(line: &[u8]) -> bool {
    let key_character = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let key = line.iter().take_while(key_character).count();
    key > 0 && line.get(key..).is_some_and(|rest| rest == b":" || rest.starts_with(b": "))
}

#[cfg(test)]
mod tests {
    use super::{Armour, Armoured, Headers};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn read(text: &str, headers: Headers) -> bool {
        class(text, headers) == Some(Armoured::Message)
    }

    fn class(text: &str, headers: Headers) -> Option<Armoured> {
        let run = |chunk: usize| {
            let mut armour = Armour::new(headers);
            text.as_bytes().chunks(chunk).for_each(|bytes| armour.push(bytes));
            armour.finish().ok()
        };
        let whole = run(text.len().max(1));
        for chunk in [1, 2, 5, 64] {
            assert_eq!(run(chunk), whole, "in chunks of {chunk}");
        }
        whole
    }

    #[track_caller]
    fn check(lines: &[&str], outgoing: bool, incoming: bool) {
        let text = lines.join("\r\n");
        assert_eq!(
            (read(&text, Headers::None), read(&text, Headers::Version)),
            (outgoing, incoming),
            "{text}"
        );
    }

    const BEGIN: &str = "-----BEGIN PGP MESSAGE-----";
    const END: &str = "-----END PGP MESSAGE-----";
    /// An empty-looking SEIPD of 1, 2 and 3 bytes, so that base64 needs no, two and one padding characters.
    const WHOLE: &str = "0gEB";
    const TWO: &str = "0gIBCQ==";
    const ONE: &str = "0gMBCQk=";

    #[test]
    fn padding_and_checksum_may_be_there_or_not() {
        check(&[BEGIN, "", WHOLE, "=njUN", END], true, true);
        check(&[BEGIN, "", WHOLE, END], true, true);
        check(&[BEGIN, "", TWO, "=njUN", END, ""], true, true);
        check(&[BEGIN, "", TWO, END], true, true);
        check(&[BEGIN, "", ONE, "=njUN", END], true, true);
        check(&[BEGIN, "", ONE, END], true, true);
        // filtermail takes the checksum on the same line, a missing empty line, and empty lines anywhere.
        check(&[BEGIN, "0gMBCQk==njUN", END], true, true);
        check(&[BEGIN, "", "0gM", "", "BCQk=", "", "=njUN", END, "", ""], true, true);
    }

    #[test]
    fn wrong_padding_is_refused() {
        check(&[BEGIN, "", "0gIBCQ", END], false, false);
        check(&[BEGIN, "", "0gIBCQ=", "=njUN", END], false, false);
        check(&[BEGIN, "", "0gIBC", "===", END], false, false);
        check(&[BEGIN, "", "0gEB==", "=njUN", END], false, false);
        // The last group has bits beyond its bytes.
        check(&[BEGIN, "", "0gIBCR==", END], false, false);
        check(&[BEGIN, "", TWO, TWO, END], false, false);
    }

    #[test]
    fn clear_text_has_no_place_in_armour() {
        check(&[BEGIN, "", WHOLE, "=this is clear text", END], false, false);
        check(&[BEGIN, "", WHOLE, "=njUNnjUN", END], false, false);
        check(&[BEGIN, "", WHOLE, "=nj N", END], false, false);
        check(&[BEGIN, "", WHOLE, "=njUN", END, "clear text"], false, false);
        check(&[BEGIN, "", WHOLE, "=njUN", END, "-----BEGIN PGP MESSAGE-----"], false, false);
        check(&["clear text", BEGIN, "", WHOLE, "=njUN", END], false, false);
        check(&["", BEGIN, "", WHOLE, "=njUN", END], false, false);
        check(&[BEGIN, "Comment: clear text", "", WHOLE, "=njUN", END], false, false);
        check(&[BEGIN, "", "clear text", WHOLE, "=njUN", END], false, false);
        check(&[BEGIN, "", "0gEB ", "=njUN", END], false, false);
        check(&[BEGIN, "", "cleartxt", END], false, false);
    }

    #[test]
    fn a_version_line_may_come_in_but_not_go_out() {
        check(&[BEGIN, "Version: GnuPG v2", "", WHOLE, "=njUN", END], false, true);
        check(&[BEGIN, "Version: a", "Version: b", "", WHOLE, "=njUN", END], false, false);
        check(&[BEGIN, "", "Version: a", "", WHOLE, "=njUN", END], false, false);
    }

    #[test]
    fn forbidden_headers_are_told_apart_from_clear_text() {
        let class = |lines: &[&str], headers| class(&lines.join("\r\n"), headers);
        let with = Some(Armoured::WithHeaders);
        for header in
            ["Version: GnuPG v2", "Comment: https://gpgtools.org", "Hash: SHA256", "X-Mailer2: x", "Charset:"]
        {
            let lines = [BEGIN, header, "Comment: a second one", "", WHOLE, "=njUN", END];
            assert_eq!(class(&lines, Headers::None), with, "{header}");
            assert_eq!(class(&lines, Headers::Version), with, "{header}");
        }
        assert_eq!(class(&[BEGIN, "Comment: x", "", "clear text", END], Headers::None), None);
        assert_eq!(class(&[BEGIN, "Comment: x", "", WHOLE], Headers::None), None);
        assert_eq!(class(&[BEGIN, "two words: x", "", WHOLE, END], Headers::None), None);
        assert_eq!(class(&[BEGIN, "", "Comment: x", WHOLE, END], Headers::None), None);
    }

    #[test]
    fn the_frame_must_be_whole() {
        check(&[BEGIN, "", WHOLE, "=njUN"], false, false);
        check(&[BEGIN, END], false, false);
        check(&["-----BEGIN PGP PUBLIC KEY BLOCK-----", "", WHOLE, END], false, false);
        check(&[BEGIN, "", WHOLE, "-----END PGP SIGNATURE-----"], false, false);
        check(&[""], false, false);
        assert!(!read(&[BEGIN, "", WHOLE, END].join("\n"), Headers::Version), "bare LF");
    }

    #[test]
    fn long_lines_and_large_messages_pass() {
        let mut packet = vec![0xd2, 255, 0, 1, 0x86, 0xa0];
        packet.extend(std::iter::repeat_n(7, 100_000));
        let data = STANDARD.encode(&packet);
        check(&[BEGIN, "", &data, "=njUN", END], true, true);
        let mut lines = vec![BEGIN, ""];
        let data = data.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap());
        lines.extend(data);
        lines.push(END);
        check(&lines, true, true);
    }
}
