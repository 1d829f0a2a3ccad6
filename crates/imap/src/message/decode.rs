//! Decoding for `SEARCH`: transfer encodings, encoded words, charsets. Lenient: what cannot be decoded stays as it is.

use message::parameters::Parameterised;

/// The text of a part's body.
pub(crate) fn body_text(bytes: &[u8], encoding: Option<&[u8]>, content_type: &Parameterised) -> String {
    let encoding = encoding.map(|encoding| encoding.trim_ascii().to_ascii_lowercase());
    let decoded = match encoding.as_deref() {
        Some(b"base64") => base64(bytes),
        Some(b"quoted-printable") => quoted_printable(bytes),
        _ => bytes.to_vec(),
    };
    text(&decoded, content_type.parameter("charset").unwrap_or(b"utf-8"))
}

/// The text of an unfolded header value, with its encoded words (RFC 2047) decoded.
pub(crate) fn header_text(value: &[u8]) -> String {
    let mut decoded = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(start) = position(rest, b"=?") {
        let (before, at) = rest.split_at_checked(start).unwrap_or((rest, &[]));
        let Some((word, after)) = encoded_word(at) else {
            let (plain, after) = rest.split_at_checked(start + 2).unwrap_or((rest, &[]));
            decoded.push_str(&text(plain, b"utf-8"));
            (rest, after_word) = (after, false);
            continue;
        };
        // White space between two encoded words is not part of the text.
        if !(after_word && before.trim_ascii().is_empty()) {
            decoded.push_str(&text(before, b"utf-8"));
        }
        decoded.push_str(&word);
        (rest, after_word) = (after, true);
    }
    decoded.push_str(&text(rest, b"utf-8"));
    decoded
}

/// RFC 2047: encoded-word = "=?" charset "?" encoding "?" encoded-text "?="
fn encoded_word(bytes: &[u8]) -> Option<(String, &[u8])> {
    let rest = bytes.strip_prefix(b"=?")?;
    let (charset, rest) = split_once(rest, b"?")?;
    let (encoding, rest) = split_once(rest, b"?")?;
    let (encoded, rest) = split_once(rest, b"?=")?;
    if encoded.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    let decoded = match encoding {
        b"b" | b"B" => base64(encoded),
        b"q" | b"Q" => {
            let spaces: Vec<u8> =
                encoded.iter().map(|&byte| if byte == b'_' { b' ' } else { byte }).collect();
            quoted_printable(&spaces)
        }
        _ => return None,
    };
    // RFC 2231 section 5: a language may follow the charset.
    let charset = charset.split(|&byte| byte == b'*').next().unwrap_or(charset);
    Some((text(&decoded, charset), rest))
}

/// Bytes in a charset as text. Those of Latin-1's kin are taken for Latin-1, all others for UTF-8.
fn text(bytes: &[u8], charset: &[u8]) -> String {
    let charset = charset.to_ascii_lowercase();
    let latin = charset.starts_with(b"iso-8859-1") || charset == b"windows-1252" || charset == b"latin1";
    if latin {
        bytes.iter().map(|&byte| char::from(byte)).collect()
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// RFC 2045 section 6.8, leaving out whatever does not belong there.
fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for &byte in bytes {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = ((bits << 6) | u32::from(value)) & 0x00ff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push(u8::try_from((bits >> count) & 0xff).unwrap_or(0));
        }
    }
    decoded
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
    use super::{body_text, header_text};
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
}
