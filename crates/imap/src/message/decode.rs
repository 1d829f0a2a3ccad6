//! Text for SEARCH (RFC 3501 section 6.4.4 compares decoded text): charsets, transfer encodings, encoded words.
//!
//! Charsets and base64 are the crate `mail-parser`'s. Quoted-printable is read here because that one gives a whole text
//! up at a stray `==`, and encoded words because a hostile header section of a megabyte must not take quadratic time.
//! Lenient: malformed text stays as it stands, so that it is found as it was written.

use mail_parser::decoders::base64::{base64_decode, base64_decode_stream};
use mail_parser::decoders::charsets::map::charset_decoder;
use message::parameters::{self, Parameterised};

/// The longest encoded word, in bytes. RFC 2047 section 2 allows 75; some programs put a whole line into one.
const ENCODED_WORD_LIMIT: usize = 2_048;

/// The text of a part's body.
pub(crate) fn body_text(bytes: &[u8], encoding: Option<&[u8]>, content_type: &Parameterised) -> String {
    let charset = content_type.parameter("charset");
    // Some programs quote as in a shell: `charset='koi8-r'`.
    let charset = charset.as_deref().map_or(b"utf-8".as_slice(), |charset| unquoted(charset));
    let encoding = encoding.map(mechanism);
    match encoding.as_deref() {
        Some(b"base64") => text(&base64(bytes), charset),
        Some(b"quoted-printable") => text(&quoted_printable(bytes), charset),
        _ => text(bytes, charset),
    }
}

/// RFC 2045 section 6.1: encoding = "Content-Transfer-Encoding" ":" mechanism; the mechanism in lower case, without the
/// comments, quotes, parameters and full stops that programs write around it.
fn mechanism(value: &[u8]) -> Vec<u8> {
    let value = parameters::parse(value).value;
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    value.trim_ascii().iter().copied().take_while(token).map(|byte| byte.to_ascii_lowercase()).collect()
}

fn unquoted(charset: &[u8]) -> &[u8] {
    let inner = charset.strip_prefix(b"'").and_then(|rest| rest.strip_suffix(b"'"));
    inner.unwrap_or(charset)
}

/// The text of an unfolded header value, with its encoded words (RFC 2047) decoded.
pub(crate) fn header_text(value: &[u8]) -> String {
    let mut decoded = String::new();
    let mut run: Option<EncodedWord<'_>> = None;
    let mut rest = value;
    let mut ends = WordEnds { value, searched: 0, next: None };
    while let Some(start) = position(rest, b"=?") {
        let (before, at) = rest.split_at_checked(start).unwrap_or((rest, &[]));
        let Some((word, after)) = EncodedWord::parse(at, &mut ends) else {
            decoded.extend(run.take().map(EncodedWord::into_text));
            let (plain, after) = rest.split_at_checked(start + 2).unwrap_or((rest, &[]));
            decoded.push_str(&text(plain, b"utf-8"));
            rest = after;
            continue;
        };
        rest = after;
        match &mut run {
            // White space between two encoded words is not part of the text (RFC 2047 section 6.2).
            Some(run) if before.trim_ascii().is_empty() && run.goes_on_in(&word) => {
                run.bytes.extend(word.bytes);
            }
            run => {
                let adjacent = run.is_some() && before.trim_ascii().is_empty();
                decoded.extend(run.replace(word).map(EncodedWord::into_text));
                if !adjacent {
                    decoded.push_str(&text(before, b"utf-8"));
                }
            }
        }
    }
    decoded.extend(run.map(EncodedWord::into_text));
    decoded.push_str(&text(rest, b"utf-8"));
    decoded
}

/// The ends of encoded words in a value, searched for from left to right. A search per beginning would cost a megabyte of
/// beginnings without an end a thousand times as much.
struct WordEnds<'a> {
    value: &'a [u8],
    /// The length of what has been searched.
    searched: usize,
    /// The last end that was found, by its position.
    next: Option<usize>,
}

impl WordEnds<'_> {
    /// The position of the first `?=` at or after a position. Positions asked for do not decrease.
    fn at_or_after(&mut self, position: usize) -> Option<usize> {
        if self.next.is_none_or(|next| next < position) && self.searched < self.value.len() {
            let from = self.searched.max(position);
            self.next = self::position(self.value.get(from..)?, b"?=").map(|found| from + found);
            self.searched = self.next.map_or(self.value.len(), |next| next + 1);
        }
        self.next.filter(|&next| next >= position)
    }
}

/// The content of one encoded word, or of several in a row.
struct EncodedWord<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
}

impl<'a> EncodedWord<'a> {
    /// Reads the word that `bytes`, the end of the value that `ends` searches, opens with; returns what follows it, too.
    ///
    /// ```text
    /// encoded-word = "=?" charset "?" encoding "?" encoded-text "?="
    /// ```
    ///
    /// Quirk: the encoding Q may hold spaces, which some programs forget to encode.
    fn parse(bytes: &'a [u8], ends: &mut WordEnds<'_>) -> Option<(Self, &'a [u8])> {
        let near = bytes.get(..ENCODED_WORD_LIMIT).unwrap_or(bytes);
        let (charset, rest) = split_once(near.strip_prefix(b"=?")?, b"?")?;
        let (encoding, rest) = split_once(rest, b"?")?;
        let begin = near.len() - rest.len();
        let offset = ends.value.len().checked_sub(bytes.len())?;
        let end = ends.at_or_after(offset + begin)? - offset;
        let (encoded, after) = (near.get(begin..end)?, bytes.get(end + 2..)?);
        if charset.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        let decoded = match encoding {
            b"b" | b"B" => base64_decode(encoded)?,
            b"q" | b"Q" => {
                let spaces: Vec<u8> =
                    encoded.iter().map(|&byte| if byte == b'_' { b' ' } else { byte }).collect();
                quoted_printable(&spaces)
            }
            _ => return None,
        };
        // RFC 2231 section 5: a language may follow the charset.
        let charset = charset.split(|&byte| byte == b'*').next().unwrap_or(charset);
        Some((Self { charset, bytes: decoded }, after))
    }

    /// True if both are decoded together, because some programs cut a character of several bytes in two. Words of
    /// ISO-2022 each begin and end in ASCII (RFC 1468), and the escape sequences between two of them, side by side, would
    /// be a fault to the decoder.
    fn goes_on_in(&self, next: &Self) -> bool {
        let shifts = self.charset.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"iso-2022-"));
        self.charset.eq_ignore_ascii_case(next.charset) && !shifts
    }

    fn into_text(self) -> String {
        text(&self.bytes, self.charset)
    }
}

/// Bytes of a charset (RFC 2978) as text; of an unknown one as UTF-8.
fn text(bytes: &[u8], charset: &[u8]) -> String {
    // Much UTF-8 is labelled as ASCII, by the default of RFC 2045 if nothing else.
    let ascii = charset.eq_ignore_ascii_case(b"us-ascii") || charset.eq_ignore_ascii_case(b"ascii");
    let unlabelled = bytes.is_empty() || ascii && str::from_utf8(bytes).is_ok();
    match charset_decoder(charset).filter(|_| !unlabelled) {
        Some(decode) => {
            let decoded = decode(bytes);
            // Charsets that browsers must not decode (WHATWG Encoding section 14.1: iso-2022-kr, hz-gb-2312 and the
            // like) become a single replacement character; their ASCII at least can be found.
            if decoded == "\u{fffd}" { String::from_utf8_lossy(bytes).into_owned() } else { decoded }
        }
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// RFC 2045 section 6.8: bytes outside of the alphabet are ignored, as a mailing list's footer below the text.
fn base64(bytes: &[u8]) -> Vec<u8> {
    let known = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    base64_decode_stream(bytes.iter().filter(known), bytes.len(), u8::MAX).unwrap_or_default()
}

/// RFC 2045 section 6.7
fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'=', [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high * 16 + low);
                    rest = after;
                }
                _ => decoded.push(byte),
            },
            _ => decoded.push(byte),
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn split_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (head, rest) = bytes.split_at_checked(position(bytes, separator)?)?;
    Some((head, rest.strip_prefix(separator)?))
}

#[cfg(test)]
mod tests {
    use super::{ENCODED_WORD_LIMIT, body_text, header_text};
    use crate::message::header;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use message::parameters;

    #[test]
    fn encoded_words_are_decoded() {
        let check = |value: &str, expected: &str| assert_eq!(header_text(value.as_bytes()), expected);
        check("plain", "plain");
        check("=?utf-8?q?Gr=C3=BC=C3=9Fe?= all", "Grüße all");
        check("a =?utf-8?B?R3LDvA==?= =?utf-8?b?w59l?= b", "a Grüße b");
        check("=?iso-8859-1?Q?Gr=FC=DFe_du?=", "Grüße du");
        check("=?utf-8*de?q?x?=", "x");
        check("=?broken =?utf-8?q?x", "=?broken =?utf-8?q?x");
        check("a=?b=?utf-8?x?y?=", "a=?b=?utf-8?x?y?=");
    }

    #[test]
    fn bodies_are_decoded() {
        let check = |bytes: &str, encoding: &str, charset: &str, expected: &str| {
            let content_type = parameters::parse(format!("text/plain; charset={charset}").as_bytes());
            assert_eq!(body_text(bytes.as_bytes(), Some(encoding.as_bytes()), &content_type), expected);
        };
        check("R3LD\r\nvMOfZQ==", "BASE64", "utf-8", "Grüße");
        check("Gr=FC=\r\n=DFe =zz=", "quoted-printable", "iso-8859-15", "Grüße =zz=");
        check("x", "8bit", "unknown", "x");
    }

    /// A text of each family of charsets, in its bytes.
    const CHARSETS: [(&str, &[u8], &str); 15] = [
        ("windows-1252", b"5 \x80 \x84so\x93", "5 € „so“"),
        ("iso-8859-1", b"Gr\xfc\xdfe", "Grüße"),
        ("ISO-8859-2", b"Za\xbf\xf3\xb3\xe6 g\xea\xb6l\xb1 ja\xbc\xf1", "Zażółć gęślą jaźń"),
        ("koi8-r", b"\xf0\xd2\xc9\xd7\xc5\xd4, \xcd\xc9\xd2", "Привет, мир"),
        ("utf-7", b"Gr+APwA3w-e", "Grüße"),
        ("utf-16", b"\xff\xfeG\0r\0\xfc\0\xdf\0e\0", "Grüße"),
        ("utf-16", b"\xfe\xff\0G\0r\0\xfc\0\xdf\0e", "Grüße"),
        ("shift_jis", b"\x83n\x83\x8d\x81[\x81E\x83\x8f\x81[\x83\x8b\x83h", "ハロー・ワールド"),
        ("iso-2022-jp", b"\x1b$BF|K\\8l\x1b(B", "日本語"),
        ("gb18030", b"\xc4\xe3\xba\xc3\xa3\xac\xca\xc0\xbd\xe7", "你好，世界"),
        ("gb2312", b"\xd6\xd0\xce\xc4\xb2\xe2\xca\xd4", "中文测试"),
        ("big5", b"\xa7A\xa6n\xa1A\xa5@\xac\xc9", "你好，世界"),
        ("euc-kr", b"\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4", "안녕하세요"),
        ("x-unknown", b"Gr\xc3\xbc\xc3\x9fe", "Grüße"),
        ("iso-2022-kr", b"Hello", "Hello"),
    ];

    #[test]
    fn charsets_are_decoded_in_bodies_and_in_encoded_words() {
        for (charset, bytes, expected) in CHARSETS {
            let content_type = parameters::parse(format!("text/plain; charset=\"{charset}\"").as_bytes());
            let base64 = STANDARD.encode(bytes);
            let quoted: String = bytes.iter().map(|byte| format!("={byte:02X}")).collect();
            assert_eq!(body_text(bytes, None, &content_type), expected, "{charset}");
            assert_eq!(body_text(base64.as_bytes(), Some(b"base64"), &content_type), expected, "{charset}");
            assert_eq!(header_text(format!("=?{charset}?B?{base64}?=").as_bytes()), expected, "{charset}");
            assert_eq!(header_text(format!("=?{charset}?q?{quoted}?=").as_bytes()), expected, "{charset}");
        }
    }

    #[test]
    fn ascii_that_is_not_is_read_as_utf_8() {
        let content_type = parameters::parse(b"text/plain; charset=us-ascii");
        assert_eq!(body_text("Grüße".as_bytes(), None, &content_type), "Grüße");
        assert_eq!(body_text(b"Gr\xfc\xdfe", None, &content_type), "Grüße");
    }

    #[test]
    fn adjacent_words_are_one_text() {
        let check = |value: &str, expected: &str| {
            let field = format!("Subject: {value}\r\n");
            let value = header::find(field.as_bytes(), "Subject").unwrap().value;
            assert_eq!(header_text(&header::unfolded(value)), expected);
        };
        check("=?utf-8?q?Gr=C3=BC=C3=9F?=\r\n =?UTF-8?B?ZQ==?=\r\n\tan alle", "Grüße an alle");
        // A character that two words share.
        check("=?utf-8?b?w58=?= x =?utf-8?b?R3LD?= =?utf-8?q?=BC=C3=9Fe?= y", "ß x Grüße y");
        check("=?iso-8859-1?q?=FC?= =?koi8-r?q?=CD?= =?iso-8859-1?q?=DF?=", "üмß");
        check("=?utf-8?q?a?= =?utf-8?q?b?= =?utf-8?x?c?=", "ab =?utf-8?x?c?=");
    }

    #[test]
    fn malformed_words_stay_as_they_stand() {
        for value in [
            "=?utf-8?q?no end",
            "=?utf-8?b?no base64!?=",
            "=?utf-8?x?other encoding?=",
            "=?utf-8 ?q?x?=",
            "=?=",
            "=?",
            "=?utf-8?q?=?",
        ] {
            assert_eq!(header_text(value.as_bytes()), value);
        }
        assert_eq!(header_text(b"=?utf-8?q?=zz_=C3?="), "=zz \u{fffd}");
        let long = format!("=?utf-8?q?{}?=", "x".repeat(ENCODED_WORD_LIMIT));
        assert_eq!(header_text(long.as_bytes()), long);
    }

    /// A search for the end of each word by itself would make this test last for minutes.
    #[test]
    fn a_megabyte_of_words_without_an_end_is_searched_once() {
        let value = "=?x?q? ".repeat(150_000);
        assert_eq!(header_text(value.as_bytes()), value);
        let ended = format!("{value}=?utf-8?q?=C3=BC?=");
        // The end belongs to the first word that is near enough; words before it stay.
        assert!(header_text(ended.as_bytes()).starts_with("=?x?q? =?x?q? "));
    }
}
