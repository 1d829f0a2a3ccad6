//! A value with parameters (RFC 2045 section 5.1), as in `Content-Type` and `Content-Disposition`, read leniently: for
//! telling a message as it is, as IMAP's BODYSTRUCTURE does. Decisions are [`crate::strict`]'s.

use std::borrow::Cow;

mod continuations;

/// The most parameters of one value; further ones are left out.
const PARAMETER_LIMIT: usize = 50;

/// A value with parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameterised {
    /// The text before the first semicolon.
    pub value: Vec<u8>,
    /// Names in lower case, values without their quotes; those in pieces (RFC 2231 section 3) are joined.
    pub parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Parameterised {
    /// The value of a parameter by its name in lower case; one that is percent-encoded is decoded to the bytes of its
    /// charset (RFC 2231 section 4).
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if let Some(value) = self.find(name) {
            return Some(Cow::Borrowed(value));
        }
        let value = self.find(&format!("{name}*"))?;
        Some(Cow::Owned(percent_decoded(without_charset(value))))
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        let named = |(own, _): &&(Vec<u8>, Vec<u8>)| own == name.as_bytes();
        self.parameters.iter().find(named).map(|(_, value)| value.as_slice())
    }

    /// The value as type and subtype, if it has that form.
    ///
    /// Quirk: whatever stands behind the two tokens is left out, as in `text/plain, us-ascii`.
    #[must_use]
    pub fn media_type(&self) -> Option<(&[u8], &[u8])> {
        let slash = self.value.iter().position(|&byte| byte == b'/')?;
        let (kind, subtype) = self.value.split_at_checked(slash)?;
        let (kind, subtype) = (kind.trim_ascii(), subtype.strip_prefix(b"/")?.trim_ascii_start());
        let subtype = subtype.split(|&byte| !is_token(byte)).next()?;
        (!kind.is_empty() && kind.iter().all(|&byte| is_token(byte)) && !subtype.is_empty())
            .then_some((kind, subtype))
    }
}

/// Parses the value of a header field, folded or not.
///
/// Quirk: semicolons may be missing, as in `multipart/mixed boundary=b`.
#[must_use]
pub fn parse(value: &[u8]) -> Parameterised {
    let pieces = split(value);
    let mut pieces = pieces.iter().flat_map(|piece| at_missing_semicolons(piece));
    let mut parsed =
        Parameterised { value: pieces.next().map(unquoted).unwrap_or_default(), parameters: Vec::new() };
    for piece in pieces.take(PARAMETER_LIMIT) {
        let Some(equals) = piece.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let (name, value) = piece.split_at_checked(equals).unwrap_or((piece, &[]));
        let name = name.trim_ascii().to_ascii_lowercase();
        if !name.is_empty() && name.iter().all(u8::is_ascii_graphic) {
            parsed.parameters.push((name, unquoted(value.strip_prefix(b"=").unwrap_or(value))));
        }
    }
    continuations::join(&mut parsed.parameters);
    parsed
}

/// The value of `Content-Transfer-Encoding` (RFC 2045 section 6.1): one token, in upper case; none if there is none.
///
/// Quirk: quotes, and whatever stands behind the token, are left out.
#[must_use]
pub fn transfer_encoding(value: &[u8]) -> Option<Vec<u8>> {
    let value = split(value).into_iter().next().map(|piece| unquoted(&piece))?;
    let token = value.split(|&byte| !is_token(byte)).next()?;
    Some(token.to_ascii_uppercase()).filter(|token| !token.is_empty())
}

/// Language-List (RFC 3282 section 2): the tags, at most as many as a value may have parameters.
#[must_use]
pub fn languages(value: &[u8]) -> Vec<Vec<u8>> {
    let list = split(value).join(&b',');
    let tags = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty());
    tags.take(PARAMETER_LIMIT).map(unquoted).collect()
}

/// Splits at semicolons outside of quotes and comments. A comment is white space (RFC 5322 section 3.2.2); a parenthesis
/// that nobody closes begins none, so that it hides no parameter.
fn split(value: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = vec![Vec::new()];
    let (mut quoted, mut closed) = (false, true);
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let run = rest.iter().position(|byte| b"(\";\\\r\n".contains(byte)).unwrap_or(rest.len());
        if run > 0 {
            let (plain, after) = rest.split_at_checked(run).unwrap_or((rest, &[]));
            rest = after;
            if let Some(piece) = pieces.last_mut() {
                piece.extend_from_slice(plain);
            }
            continue;
        }
        let comment = if byte == b'(' && !quoted && closed { comment_length(rest) } else { None };
        closed &= byte != b'(' || quoted || comment.is_some();
        // A quoted-pair keeps its backslash until the quotes are taken off.
        let length = comment.unwrap_or(if byte == b'\\' && quoted && !after.is_empty() { 2 } else { 1 });
        let (taken, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = after;
        quoted ^= byte == b'"';
        if byte == b';' && !quoted {
            // The value and its parameters are all that is used; a megabyte of semicolons is a million pieces.
            if pieces.len() > PARAMETER_LIMIT {
                break;
            }
            pieces.push(Vec::new());
        } else if let Some(piece) = pieces.last_mut() {
            let written = if comment.is_some() { b" " } else { taken };
            piece.extend(written.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        }
    }
    pieces
}

/// Divides a piece before each word that begins a parameter, outside of quotes. A word without `=` belongs to the value
/// before it: some programs forget to quote `name=my file.pdf`.
fn at_missing_semicolons(piece: &[u8]) -> Vec<&[u8]> {
    if !piece.trim_ascii().iter().any(u8::is_ascii_whitespace) {
        return vec![piece];
    }
    let mut pieces = Vec::new();
    let (mut begin, mut quoted, mut escaped, mut previous) = (0, false, false, b'=');
    for (index, &byte) in piece.iter().enumerate() {
        let blank_before =
            index.checked_sub(1).and_then(|index| piece.get(index)).is_some_and(u8::is_ascii_whitespace);
        if blank_before
            && !quoted
            && previous != b'='
            && begins_parameter(piece.get(index..).unwrap_or_default())
        {
            pieces.extend(piece.get(begin..index));
            begin = index;
        }
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            previous = byte;
        }
    }
    pieces.extend(piece.get(begin..));
    pieces
}

/// attribute "=", with nothing in between.
fn begins_parameter(bytes: &[u8]) -> bool {
    let length = bytes.iter().position(|&byte| !is_token(byte));
    length.is_some_and(|length| length > 0 && bytes.get(length) == Some(&b'='))
}

/// token := 1*<any (US-ASCII) CHAR except SPACE, CTLs, or tspecials>
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

/// comment = "(" *(ctext / quoted-pair / comment) ")": the length of the one at the beginning.
fn comment_length(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut escaped) = (0_u32, false);
    let end = bytes.iter().position(|&byte| {
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    end.map(|end| end + 1)
}

/// `extended-initial-value = [charset] "'" [language] "'" value` (RFC 2231 section 7): the value.
fn without_charset(value: &[u8]) -> &[u8] {
    value.splitn(3, |byte| *byte == b'\'').nth(2).unwrap_or(value)
}

fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (byte, after) {
            (b'%', [high, low, after @ ..]) if digit(high).is_some() && digit(low).is_some() => {
                decoded.extend(digit(high).zip(digit(low)).map(|(high, low)| high * 16 + low));
                rest = after;
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

/// The content of a quoted string, or the bytes as they are.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    let Some(inner) = value.strip_prefix(b"\"") else {
        return value.to_vec();
    };
    let mut unquoted = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => unquoted.extend(bytes.next()),
            byte => unquoted.push(byte),
        }
    }
    unquoted
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn values_and_parameters_are_told_apart() {
        let parsed = parse(b" multipart/Mixed (a; comment);\r\n\tBoundary=\"a;\\\"b\" ; x = y;; broken");
        assert_eq!(parsed.media_type(), Some((b"multipart".as_slice(), b"Mixed".as_slice())));
        assert_eq!(parsed.parameter("boundary").as_deref(), Some(b"a;\"b".as_slice()));
        assert_eq!(parsed.parameter("x").as_deref(), Some(b"y".as_slice()));
        assert_eq!(parsed.parameters.len(), 2);
        assert_eq!(parse(b"text").media_type(), None);
        assert_eq!(parse(b"text/").media_type(), None);
        assert_eq!(parse(b"te?xt/plain").media_type(), None);
        let list = parse(b"text/html, text/plain");
        assert_eq!(list.media_type(), Some((b"text".as_slice(), b"html".as_slice())));
        let words = parse(b"text / plain charset=utf-8; x (y) = a(b)c; z = \"(;\" (");
        assert_eq!(words.media_type(), Some((b"text".as_slice(), b"plain".as_slice())));
        assert_eq!(words.parameter("x").as_deref(), Some(b"a c".as_slice()));
        assert_eq!(words.parameter("z").as_deref(), Some(b"(;".as_slice()));
        assert_eq!(parse(b"").media_type(), None);
    }

    #[test]
    fn semicolons_may_be_missing() {
        for (value, expected) in [
            ("multipart/mixed boundary=b", "boundary=b"),
            ("m/x; a=b c=\"d e=f\" g=h; i=j", "a=b;c=d e=f;g=h;i=j"),
            ("m/x; name=my file.pdf; a = b", "name=my file.pdf;a=b"),
            ("m/x; name= a=b; x==?utf-8?q?a?= =?utf-8?q?b?=", "name=a=b;x==?utf-8?q?a?= =?utf-8?q?b?="),
        ] {
            let told: Vec<_> = parse(value.as_bytes())
                .parameters
                .into_iter()
                .map(|(name, value)| String::from_utf8([name, value].join(&b'=')).unwrap())
                .collect();
            assert_eq!(told.join(";"), expected, "{value}");
        }
        assert!(parse("a ".repeat(500_000).as_bytes()).parameters.is_empty());
        assert!(parse(format!("m/x; {}", "a=b ".repeat(100_000)).as_bytes()).parameters.len() < 60);
    }

    #[test]
    fn an_open_parenthesis_hides_no_parameter() {
        let parsed = parse(b"multipart/mixed (oops; x=(y); boundary=b");
        assert_eq!(parsed.media_type(), Some((b"multipart".as_slice(), b"mixed".as_slice())));
        assert_eq!(parsed.parameter("boundary").as_deref(), Some(b"b".as_slice()));
        assert_eq!(parse("(\\".repeat(300_000).as_bytes()).parameters.len(), 0);
    }

    #[test]
    fn a_transfer_encoding_is_one_token() {
        for (value, expected) in [
            ("base64", Some("BASE64")),
            (" (a (b)) Base64 (c)", Some("BASE64")),
            ("\"base64\"", Some("BASE64")),
            ("base64; x=y", Some("BASE64")),
            ("quoted-printable, 8bit", Some("QUOTED-PRINTABLE")),
            ("7bit (", Some("7BIT")),
            ("8bit\u{e9}", Some("8BIT")),
            ("\u{e9}", None),
            ("(base64)", None),
            ("", None),
        ] {
            let told = super::transfer_encoding(value.as_bytes());
            assert_eq!(told.as_deref(), expected.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn languages_are_a_list() {
        assert_eq!(super::languages(b" de-AT (Austrian), (c), \"en\" ,fr"), [&b"de-AT"[..], b"en", b"fr"]);
        assert_eq!(super::languages(b"en; de"), [&b"en"[..], b"de"]);
        assert!(super::languages(b" , (x)").is_empty());
    }

    #[test]
    fn values_in_pieces_are_joined_and_decoded() {
        for (value, expected) in [
            ("m/x; boundary*0=ab; boundary*1=cd", Some("abcd")),
            ("m/x; boundary*1=cd; boundary*0=\"a b\"", Some("a bcd")),
            ("m/x; boundary*=us-ascii'en'a%20b%zz", Some("a b%zz")),
            ("m/x; boundary*0*=utf-8''a%2; boundary*1=%20; boundary*2*=%20", Some("a%2%20 ")),
            ("m/x; boundary=plain; boundary*0=other", Some("plain")),
            ("m/x; boundary*0=\"a;b\" (c); BOUNDARY*1 = (d) c", Some("a;bc")),
            ("m/x; boundary*1=alone", None),
        ] {
            let parsed = parse(value.as_bytes());
            assert_eq!(parsed.parameter("boundary").as_deref(), expected.map(str::as_bytes), "{value}");
        }
    }
}
