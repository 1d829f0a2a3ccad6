//! A value with parameters (RFC 2045 section 5.1), as in `Content-Type` and `Content-Disposition`, read leniently: for
//! telling a message as it is, as IMAP's BODYSTRUCTURE does. Decisions are [`crate::strict`]'s.

use std::borrow::Cow;

/// The most parameters of one value; further ones are left out.
const PARAMETER_LIMIT: usize = 50;

/// A value with parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameterised {
    /// The text before the first semicolon.
    pub value: Vec<u8>,
    /// Names in lower case, values without their quotes.
    pub parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Parameterised {
    /// The value of a parameter by its name in lower case; one in pieces is joined, one that is percent-encoded decoded
    /// to the bytes of its charset (RFC 2231 sections 3 and 4).
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if let Some(value) = self.find(name) {
            return Some(Cow::Borrowed(value));
        }
        if let Some(value) = self.find(&format!("{name}*")) {
            return Some(Cow::Owned(percent_decoded(without_charset(value))));
        }
        let mut joined = None;
        for number in 0..PARAMETER_LIMIT {
            let piece =
                match (self.find(&format!("{name}*{number}")), self.find(&format!("{name}*{number}*"))) {
                    (Some(piece), _) => piece.to_vec(),
                    (None, Some(piece)) if number == 0 => percent_decoded(without_charset(piece)),
                    (None, Some(piece)) => percent_decoded(piece),
                    (None, None) => break,
                };
            joined.get_or_insert_with(Vec::new).extend(piece);
        }
        joined.map(Cow::Owned)
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        let named = |(own, _): &&(Vec<u8>, Vec<u8>)| own == name.as_bytes();
        self.parameters.iter().find(named).map(|(_, value)| value.as_slice())
    }

    /// The value as type and subtype, if it has that form.
    #[must_use]
    pub fn media_type(&self) -> Option<(&[u8], &[u8])> {
        let slash = self.value.iter().position(|&byte| byte == b'/')?;
        let (kind, subtype) = self.value.split_at_checked(slash)?;
        let subtype = subtype.strip_prefix(b"/")?.trim_ascii();
        let kind = kind.trim_ascii();
        let token = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_graphic);
        (token(kind) && token(subtype)).then_some((kind, subtype))
    }
}

/// Parses the value of a header field, folded or not.
#[must_use]
pub fn parse(value: &[u8]) -> Parameterised {
    let mut pieces = split(value).into_iter();
    let mut parsed = Parameterised {
        value: pieces.next().map(|piece| unquoted(&piece)).unwrap_or_default(),
        parameters: Vec::new(),
    };
    for piece in pieces.take(PARAMETER_LIMIT) {
        let Some(equals) = piece.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let (name, value) = piece.split_at_checked(equals).unwrap_or((&piece, &[]));
        let name = name.trim_ascii().to_ascii_lowercase();
        if !name.is_empty() && name.iter().all(u8::is_ascii_graphic) {
            parsed.parameters.push((name, unquoted(value.strip_prefix(b"=").unwrap_or(value))));
        }
    }
    parsed
}

/// Splits at semicolons outside of quotes and comments; comments are left out.
fn split(value: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = vec![Vec::new()];
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_u32);
    for &byte in value {
        let was_escaped = std::mem::take(&mut escaped);
        match byte {
            b'\\' if (quoted || depth > 0) && !was_escaped => escaped = true,
            b'"' if depth == 0 && !was_escaped => quoted = !quoted,
            b'(' if !quoted && !was_escaped => depth += 1,
            b')' if depth > 0 && !was_escaped => {
                depth -= 1;
                continue;
            }
            b';' if !quoted && depth == 0 => {
                // The value and its parameters are all that is used; a megabyte of semicolons is a million pieces.
                if pieces.len() > PARAMETER_LIMIT {
                    break;
                }
                pieces.push(Vec::new());
                continue;
            }
            b'\r' | b'\n' => continue,
            _ => {}
        }
        if depth == 0
            && let Some(piece) = pieces.last_mut()
        {
            piece.push(byte);
        }
    }
    pieces
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
        assert_eq!(parse(b"").media_type(), None);
    }

    #[test]
    fn values_in_pieces_are_joined_and_decoded() {
        for (value, expected) in [
            ("m/x; boundary*0=ab; boundary*1=cd", Some("abcd")),
            ("m/x; boundary*1=cd; boundary*0=\"a b\"", Some("a bcd")),
            ("m/x; boundary*=us-ascii'en'a%20b%zz", Some("a b%zz")),
            ("m/x; boundary*0*=utf-8''a%2; boundary*1=%20; boundary*2*=%20", Some("a%2%20 ")),
            ("m/x; boundary=plain; boundary*0=other", Some("plain")),
            ("m/x; boundary*1=alone", None),
        ] {
            let parsed = parse(value.as_bytes());
            assert_eq!(parsed.parameter("boundary").as_deref(), expected.map(str::as_bytes), "{value}");
        }
    }
}
