//! The terminals of IMAP's grammar (RFC 3501 section 9): atoms, strings, numbers. No command is known here.

use crate::fault::Fault;
pub(super) use crate::fault::Fault::Syntax;

/// The result of reading one element of the grammar.
pub(crate) type Parsed<T> = Result<T, Fault>;

/// A position in a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next byte, left in place.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Consumes `text`, in any case, if it comes next; true if it did.
    pub(crate) fn skip(&mut self, text: &str) -> bool {
        match self.rest.split_at_checked(text.len()) {
            Some((head, rest)) if head.eq_ignore_ascii_case(text.as_bytes()) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Consumes `text`, in any case, or fails with `missing`.
    pub(crate) fn require(&mut self, text: &str, missing: &'static str) -> Parsed<()> {
        if self.skip(text) { Ok(()) } else { Err(Syntax(missing)) }
    }

    /// SP. More than one is tolerated.
    pub(crate) fn space(&mut self) -> Parsed<()> {
        self.require(" ", "a space is missing")?;
        self.skip_spaces();
        Ok(())
    }

    /// Consumes spaces, if any.
    pub(crate) fn skip_spaces(&mut self) {
        while self.skip(" ") {}
    }

    /// `)`; as a quirk, spaces before it are tolerated: relay's own tests send them.
    pub(crate) fn close(&mut self) -> bool {
        let mut ahead = *self;
        ahead.skip_spaces();
        if ahead.skip(")") {
            *self = ahead;
            true
        } else {
            false
        }
    }

    /// The end of the command; trailing spaces are tolerated.
    pub(crate) fn end(&mut self) -> Parsed<()> {
        self.skip_spaces();
        if self.rest.is_empty() || self.rest == b"\r\n" {
            Ok(())
        } else {
            Err(Syntax("there is more than the command takes"))
        }
    }

    /// One or more bytes that are `allowed`.
    pub(crate) fn take_while(
        &mut self,
        allowed: impl Fn(u8) -> bool,
        missing: &'static str,
    ) -> Parsed<&'a str> {
        let count = self.rest.iter().take_while(|&&byte| allowed(byte)).count();
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Syntax(missing))?;
        if head.is_empty() {
            return Err(Syntax(missing));
        }
        self.rest = rest;
        std::str::from_utf8(head).map_err(|_| Syntax(missing))
    }

    /// RFC 3501: atom = 1*ATOM-CHAR
    pub(crate) fn atom(&mut self) -> Parsed<&'a str> {
        self.take_while(is_atom_char, "an atom is missing")
    }

    /// RFC 3501: number = 1*DIGIT, 0 <= n < 2^32
    pub(crate) fn number(&mut self) -> Parsed<u32> {
        let digits = self.take_while(|byte| byte.is_ascii_digit(), "a number is missing")?;
        digits.parse().map_err(|_| Syntax("a number is too large"))
    }

    /// RFC 7162: mod-sequence-valzer, a number below 2^63.
    pub(crate) fn number64(&mut self) -> Parsed<u64> {
        let digits = self.take_while(|byte| byte.is_ascii_digit(), "a number is missing")?;
        digits.parse().ok().filter(|&n| n < 1 << 63).ok_or(Syntax("a number is too large"))
    }

    /// RFC 3501: astring = 1*ASTRING-CHAR / string. As a quirk, 8-bit characters are let through in atoms.
    pub(crate) fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => {
                let count =
                    self.rest.iter().take_while(|&&byte| is_astring_char(byte) || byte >= 0x80).count();
                let (head, rest) = self.rest.split_at_checked(count).unwrap_or((&[], self.rest));
                if head.is_empty() {
                    return Err(Syntax("a string is missing"));
                }
                self.rest = rest;
                Ok(head.to_vec())
            }
        }
    }

    /// `astring` in UTF-8.
    pub(crate) fn text(&mut self) -> Parsed<String> {
        String::from_utf8(self.astring()?).map_err(|_| Syntax("a string is not UTF-8"))
    }

    /// RFC 3501: string = quoted / literal
    pub(crate) fn string(&mut self) -> Parsed<Vec<u8>> {
        if self.peek() == Some(b'"') { self.quoted() } else { self.literal() }
    }

    /// RFC 3501: nstring = string / nil
    pub(crate) fn nstring(&mut self) -> Parsed<Option<Vec<u8>>> {
        if matches!(self.peek(), Some(b'"' | b'{' | b'~')) {
            return self.string().map(Some);
        }
        self.require("NIL", "a string or NIL is missing").map(|()| None)
    }

    /// RFC 3501: quoted = DQUOTE *QUOTED-CHAR DQUOTE
    fn quoted(&mut self) -> Parsed<Vec<u8>> {
        self.require("\"", "a quoted string is missing")?;
        let mut value = Vec::new();
        let mut bytes = self.rest.iter();
        loop {
            match bytes.next() {
                Some(b'"') => break,
                Some(b'\\') => match bytes.next() {
                    Some(&byte @ (b'"' | b'\\')) => value.push(byte),
                    _ => return Err(Syntax("a backslash in a quoted string escapes nothing")),
                },
                None | Some(b'\r' | b'\n' | 0) => return Err(Syntax("a quoted string is not closed")),
                Some(&byte) => value.push(byte),
            }
        }
        self.rest = bytes.as_slice();
        Ok(value)
    }

    /// RFC 3501: literal = "{" number "}" CRLF *CHAR8, without NUL; the framer has checked that it is all here. RFC 3516:
    /// literal8 = "~{" number "}" CRLF *OCTET, with any.
    fn literal(&mut self) -> Parsed<Vec<u8>> {
        let is_binary = self.skip("~");
        self.require("{", "a string is missing")?;
        let size = self.number()?;
        self.skip("+");
        self.require("}\r\n", "a literal is malformed")?;
        let size = usize::try_from(size).map_err(|_| Syntax("a literal is too large"))?;
        let (value, rest) = self.rest.split_at_checked(size).ok_or(Syntax("a literal is cut short"))?;
        if value.contains(&0) && !is_binary {
            return Err(Syntax("a literal must not hold a NUL"));
        }
        self.rest = rest;
        Ok(value.to_vec())
    }

    /// "(" item *(SP item) ")", at least one item.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.require("(", "an opening parenthesis is missing")?;
        self.skip_spaces();
        let mut items = Vec::new();
        loop {
            items.push(item(self)?);
            if self.close() {
                return Ok(items);
            }
            self.space()?;
        }
    }
}

/// RFC 3501: ATOM-CHAR = any CHAR except atom-specials
pub(crate) fn is_atom_char(byte: u8) -> bool {
    (0x21..0x7f).contains(&byte) && !b"(){%*\"\\]".contains(&byte)
}

/// RFC 3501: ASTRING-CHAR = ATOM-CHAR / resp-specials
pub(crate) fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}
