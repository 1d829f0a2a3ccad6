//! The tokens of an address-list (RFC 5322 section 3.2), of any text whatever: a quote, a comment or a domain literal
//! that nobody closes is an ordinary character, so that it swallows no address behind it.

use std::borrow::Cow;

use memchr::memmem;

/// The longest encoded word, in bytes. RFC 2047 section 2 allows 75; some programs write longer ones.
const ENCODED_WORD_LIMIT: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    /// Whether white space or a comment stands before it.
    pub(super) spaced: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind<'a> {
    /// A run of atom, dot, domain-literal and encoded-word.
    Word(&'a [u8]),
    /// The content of a quoted string.
    Quoted(Cow<'a, [u8]>),
    /// The content of `(...)`, which old clients use for the name.
    Comment(Cow<'a, [u8]>),
    /// One of `<>@,;:`
    Special(u8),
}

impl Token<'_> {
    pub(super) fn is(&self, special: u8) -> bool {
        self.kind == TokenKind::Special(special)
    }

    /// The token's text in a name or an address; comments have none.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match &self.kind {
            TokenKind::Word(text) => Some(text),
            TokenKind::Quoted(text) => Some(text),
            TokenKind::Special(special) => Some(std::slice::from_ref(special)),
            TokenKind::Comment(_) => None,
        }
    }

    pub(super) fn comment(&self) -> Option<&[u8]> {
        match &self.kind {
            TokenKind::Comment(text) => Some(text.trim_ascii()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }
}

/// The tokens of a value.
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
    /// Whether white space or a comment stands before the rest.
    spaced: bool,
    /// Whether no quote, or no comment, of the rest is known to be closed. To find that out again for each of a million
    /// quotes would take quadratic time.
    quotes: Closing,
    comments: Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// To be looked for.
    Unknown,
    /// There is none.
    Missing,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(value: &'a [u8]) -> Self {
        Self { rest: value, spaced: false, quotes: Closing::Unknown, comments: Closing::Unknown }
    }

    fn special(&mut self, byte: u8) -> Option<TokenKind<'a>> {
        match byte {
            b'<' | b'>' | b'@' | b',' | b';' | b':' => {
                self.rest = self.rest.get(1..)?;
                Some(TokenKind::Special(byte))
            }
            b'"' if self.quotes == Closing::Unknown => {
                let quoted = enclosed(&mut self.rest, b'"').map(TokenKind::Quoted);
                self.quotes = if quoted.is_some() { Closing::Unknown } else { Closing::Missing };
                quoted
            }
            b'(' if self.comments == Closing::Unknown => {
                let comment = enclosed(&mut self.rest, b')').map(TokenKind::Comment);
                self.comments = if comment.is_some() { Closing::Unknown } else { Closing::Missing };
                comment
            }
            _ => None,
        }
    }

    /// The word at the beginning of the rest, which is of at least one byte.
    fn word(&mut self) -> &'a [u8] {
        let mut length = 0;
        while let Some(encoded) = self.rest.get(length..).and_then(encoded_word) {
            length += encoded;
        }
        if length == 0 {
            length = self.rest.first().map_or(0, |&first| literal(first, self.rest).unwrap_or(1));
        }
        let tail = self.rest.get(length..).unwrap_or_default();
        length += tail.iter().position(|&byte| self.ends_word(byte)).unwrap_or(tail.len());
        let (word, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        word
    }

    fn ends_word(&self, byte: u8) -> bool {
        match byte {
            b'<' | b'>' | b'@' | b',' | b';' | b':' => true,
            b'"' => self.quotes == Closing::Unknown,
            b'(' => self.comments == Closing::Unknown,
            byte => byte.is_ascii_whitespace(),
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let trimmed = self.rest.trim_ascii_start();
        let spaced = trimmed.len() < self.rest.len() || self.spaced;
        self.rest = trimmed;
        let first = *self.rest.first()?;
        let kind = self.special(first).unwrap_or_else(|| TokenKind::Word(self.word()));
        self.spaced = matches!(kind, TokenKind::Comment(_));
        Some(Token { kind, spaced })
    }
}

/// The text between the byte at the beginning and the one that closes it, quoted-pairs resolved; none if nothing does.
fn enclosed<'a>(rest: &mut &'a [u8], close: u8) -> Option<Cow<'a, [u8]>> {
    let inner = rest.get(1..)?;
    let (mut depth, mut escaped, mut plain) = (0_u32, false, true);
    let end = inner.iter().position(|&byte| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match byte {
            b'\\' => (escaped, plain) = (true, false),
            b'(' if close == b')' => depth += 1,
            b')' if close == b')' && depth > 0 => depth -= 1,
            byte => return byte == close,
        }
        false
    })?;
    let (content, after) = inner.split_at_checked(end)?;
    *rest = after.get(1..)?;
    Some(if plain { Cow::Borrowed(content) } else { Cow::Owned(without_escapes(content)) })
}

fn without_escapes(content: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(content.len());
    let mut bytes = content.iter();
    while let Some(&byte) = bytes.next() {
        text.push(if byte == b'\\' { *bytes.next().unwrap_or(&byte) } else { byte });
    }
    text
}

/// domain-literal = "[" *dtext "]": its length. A bracket in a name (`Anna [work <anna@example.org>`) opens none.
fn literal(first: u8, bytes: &[u8]) -> Option<usize> {
    if first != b'[' {
        return None;
    }
    let end = bytes.iter().position(|byte| b"]<>@,;\"()".contains(byte))?;
    (bytes.get(end) == Some(&b']')).then_some(end + 1)
}

/// encoded-word = "=?" charset "?" encoding "?" encoded-text "?=": its length.
///
/// Quirk: the text may hold specials, as in `=?utf-8?q?Bell,_Anna?= <anna@example.org>`, though RFC 2047 section 5 has
/// them encoded in a phrase.
fn encoded_word(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(b"=?")?;
    let rest = rest.get(..ENCODED_WORD_LIMIT).unwrap_or(rest);
    let rest = rest.split(u8::is_ascii_whitespace).next()?;
    let mut parts = rest.splitn(3, |&byte| byte == b'?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    let known = !charset.is_empty() && matches!(encoding, b"b" | b"B" | b"q" | b"Q");
    let end = memmem::find(text, b"?=").filter(|_| known)?;
    Some(2 + charset.len() + 1 + encoding.len() + 1 + end + 2)
}
