//! `From` (RFC 5322 section 3.4) and `Content-Type` (RFC 2045 section 5.1) read by their grammar and no further: for
//! decisions.
//!
//! A lenient parser makes something of any text, and two lenient parsers make different things of it: a gate would
//! then judge another message than the one its reader sees. So a value that does not fit the grammar is none here. For
//! showing a message as it is there are [`crate::address`] and [`crate::parameters`].

use mail_types::Address;

/// The deepest nesting of comments.
const COMMENT_DEPTH_LIMIT: u32 = 8;
/// The longest boundary, in bytes; RFC 2046 section 5.1.1 allows 70.
const BOUNDARY_LIMIT: usize = 200;

/// A media type, lower-cased, with its boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype`
    pub name: String,
    /// The parameter `boundary` of a multipart.
    pub boundary: Option<String>,
}

/// The media type of an unfolded `Content-Type`; none unless all of the value fits the grammar.
///
/// ```text
/// content := type "/" subtype *(";" parameter)
/// ```
///
/// Quirk: a `;` at the end is skipped; Delta Chat of some years writes one.
#[must_use]
pub fn media_type(value: &[u8]) -> Option<MediaType> {
    let mut scanner = Scanner { rest: value };
    scanner.skip_comments()?;
    let main = scanner.take_while(is_token)?;
    scanner.require(b'/')?;
    let sub = scanner.take_while(is_token)?;
    let name = format!("{}/{}", text(main)?, text(sub)?).to_ascii_lowercase();
    let mut boundary = None;
    scanner.skip_comments()?;
    while !scanner.rest.is_empty() {
        scanner.require(b';')?;
        scanner.skip_comments()?;
        if scanner.rest.is_empty() {
            break;
        }
        let (attribute, value) = parameter(&mut scanner)?;
        let attribute = attribute.to_ascii_lowercase();
        if attribute == b"boundary" {
            let usable = is_boundary(&value) && boundary.is_none();
            boundary = Some(String::from_utf8(value).ok().filter(|_| usable)?);
        } else if attribute.starts_with(b"boundary*") {
            // RFC 2231: few programs understand a boundary in pieces, and none writes one.
            return None;
        }
        scanner.skip_comments()?;
    }
    Some(MediaType { name, boundary })
}

/// RFC 2046 section 5.1.1, with further marks that programs use. What ends in a blank is read without it by some.
fn is_boundary(value: &[u8]) -> bool {
    let boundary_character = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b';');
    (1..=BOUNDARY_LIMIT).contains(&value.len())
        && value.last() != Some(&b' ')
        && value.iter().all(boundary_character)
}

/// parameter := attribute "=" value; value := token / quoted-string
///
/// RFC 822 lets comments stand beside the `=`, too. No program writes one there, and parsers disagree about it.
fn parameter<'a>(scanner: &mut Scanner<'a>) -> Option<(&'a [u8], Vec<u8>)> {
    let attribute = scanner.take_while(is_token)?;
    scanner.skip_blanks();
    scanner.require(b'=')?;
    scanner.skip_blanks();
    let value = match scanner.peek()? {
        b'"' => scanner.quoted_string()?,
        _ => scanner.take_while(is_token)?.to_vec(),
    };
    Some((attribute, value))
}

/// The address of the only mailbox in an unfolded mailbox-list; none for several, of which programs show different ones as
/// the author.
///
/// Quirk: dots and bytes beyond ASCII may stand in a name without quotes.
#[must_use]
pub fn only_mailbox(value: &[u8]) -> Option<Address> {
    let mut scanner = Scanner { rest: value };
    let only = mailbox(&mut scanner)?;
    scanner.rest.is_empty().then_some(only)
}

/// mailbox = ([display-name] angle-addr) / addr-spec
fn mailbox(scanner: &mut Scanner<'_>) -> Option<Address> {
    scanner.skip_comments()?;
    let before = scanner.rest;
    let mut words = 0_u32;
    loop {
        match scanner.peek() {
            Some(b'<') => break,
            Some(b'"') => {
                scanner.quoted_string()?;
            }
            Some(b'@') if words == 1 => {
                // What looked like a name is the local part of an address without angle brackets.
                scanner.rest = before;
                let address = address(scanner.take_while(is_address)?)?;
                scanner.skip_comments()?;
                return Some(address);
            }
            _ => {
                scanner.take_while(is_phrase)?;
            }
        }
        words = words.saturating_add(1);
        scanner.skip_comments()?;
    }
    scanner.require(b'<')?;
    scanner.skip_comments()?;
    let address = address(scanner.take_while(is_address)?)?;
    scanner.skip_comments()?;
    scanner.require(b'>')?;
    scanner.skip_comments()?;
    Some(address)
}

fn address(bytes: &[u8]) -> Option<Address> {
    text(bytes)?.parse().ok()
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

/// token := 1*<any (US-ASCII) CHAR except SPACE, CTLs, or tspecials>
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

/// atext, and the two additions of the quirk
fn is_phrase(byte: u8) -> bool {
    is_atext(byte) || byte == b'.' || !byte.is_ascii()
}

/// The bytes of an addr-spec without quoted-string; [`Address`] checks their order.
fn is_address(byte: u8) -> bool {
    is_atext(byte) || b".@[]:".contains(&byte)
}

fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// The unread rest of an unfolded value.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn require(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// At least one byte of a kind.
    fn take_while(&mut self, kind: impl Fn(u8) -> bool) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| !kind(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).filter(|(taken, _)| !taken.is_empty())?;
        self.rest = rest;
        Some(taken)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.next();
        }
    }

    /// CFWS: white space and comments, as much as there is. None if a comment does not end.
    fn skip_comments(&mut self) -> Option<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => drop(self.next()),
                Some(b'(') => self.comment()?,
                _ => return Some(()),
            }
        }
    }

    /// comment = "(" *(ctext / quoted-pair / comment) ")"
    fn comment(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            match self.next()? {
                b'(' => depth = depth.checked_add(1).filter(|depth| *depth <= COMMENT_DEPTH_LIMIT)?,
                b')' if depth == 1 => return Some(()),
                b')' => depth = depth.checked_sub(1)?,
                b'\\' => drop(self.next()?),
                byte if byte.is_ascii_control() && byte != b'\t' => return None,
                _ => {}
            }
        }
    }

    /// quoted-string = DQUOTE *(qtext / quoted-pair) DQUOTE
    fn quoted_string(&mut self) -> Option<Vec<u8>> {
        self.require(b'"')?;
        let mut content = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Some(content),
                b'\\' => content.push(self.next()?),
                byte if byte.is_ascii_control() && byte != b'\t' => return None,
                byte => content.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{media_type, only_mailbox};

    #[track_caller]
    fn author(value: &str, expected: Option<&str>) {
        let address = only_mailbox(value.as_bytes()).map(|address| address.to_string());
        assert_eq!(address.as_deref(), expected, "{value}");
    }

    #[test]
    fn mailboxes_are_read_as_people_and_programs_write_them() {
        author("anna@box.test", Some("anna@box.test"));
        author(" <Anna@Box.Test> ", Some("anna@box.test"));
        author("Anna B. Ärger <anna@box.test>", Some("anna@box.test"));
        author("\"Anna \\\"x\\\", <eve@x> (\" (y)<anna@box.test>", Some("anna@box.test"));
        author("=?utf-8?b?w4TDpA==?= =?utf-8?q?=C3=A4_?= <anna@box.test>", Some("anna@box.test"));
        author("MAILER-DAEMON@box.test (Mail Delivery (again) System)", Some("mailer-daemon@box.test"));
        author("anna@[192.0.2.1]", Some("anna@[192.0.2.1]"));
        author("Ben <ben@[IPv6:2001:db8::1]>", Some("ben@[IPv6:2001:db8::1]"));
        author("\"\" < anna@box.test >", Some("anna@box.test"));
    }

    #[test]
    fn what_parsers_disagree_about_is_no_author() {
        author("<anna@box.test>, Boss <boss@box.test>", None);
        author("<anna@box.test> <eve@box.test>", None);
        author("<anna@box.test>, <eve@box.test", None);
        author("<anna@box.test>To: <eve@box.test>", None);
        author("eve@box.test <anna@box.test>", None);
        author("eve@box.test anna@box.test", None);
        author("@ <anna@box.test>", None);
        author(", anna@box.test", None);
        author("anna@box.test,", None);
        author("Group: anna@box.test;", None);
        author("\"anna@box.test", None);
        author("anna@box.test (", None);
        author("anna@box.test \\", None);
        author("\"anna\"@box.test", None);
        author("anna @box.test", None);
        author("<<anna@box.test>>", None);
        author("Anna", None);
        author("", None);
        author("<>", None);
        author(&format!("{}anna@box.test", "(".repeat(100_000)), None);
    }

    #[track_caller]
    fn kind(value: &str, expected: Option<(&str, Option<&str>)>) {
        let parsed = media_type(value.as_bytes());
        let parsed = parsed.as_ref().map(|parsed| (parsed.name.as_str(), parsed.boundary.as_deref()));
        assert_eq!(parsed, expected, "{value}");
    }

    #[test]
    fn media_types_are_read_by_their_grammar() {
        kind("Text/Plain", Some(("text/plain", None)));
        kind(" text/plain (x) ; charset=utf-8 ; format=flowed;", Some(("text/plain", None)));
        kind("multipart/mixed; BOUNDARY = \"a \\'b\"", Some(("multipart/mixed", Some("a 'b"))));
        kind("multipart/mixed; x=\"; boundary=c\"; boundary=b", Some(("multipart/mixed", Some("b"))));
        kind("a/b; name*0*=utf-8'en'x%20; name*1=\"ä\"", Some(("a/b", None)));
    }

    #[test]
    fn what_does_not_fit_is_no_media_type() {
        for value in [
            "",
            "text",
            "text/",
            "text/plain charset=utf-8",
            "text/plain; charset",
            "text/plain; charset=",
            "text/plain; charset=\"utf-8",
            "text/plain; charset=utf-8,",
            "text/plain;; charset=utf-8",
            "multipart/mixed; boundary=\"\"",
            "multipart/mixed; boundary=\"b \"",
            "multipart/mixed; boundary=\"b\t\"",
            "multipart/mixed; boundary=\"b\tc\"",
            "multipart/mixed; boundary=\"b\u{fc}\"",
            "multipart/mixed; boundary=\"b;c\"",
            "multipart/mixed; boundary=\"b\\\"c\"",
            "multipart/mixed; boundary=b; boundary=b",
            "multipart/mixed; boundary*0=b",
            "multipart/mixed; boundary=\"b\"=?utf-8?q?x?=",
            "multipart/mixed; boundary=\"b\\",
            "multipart/mixed; boundary=b (",
            "multipart/mixed; boundary(c)=b",
            "multipart/mixed; boundary=(c)b",
        ] {
            kind(value, None);
        }
        kind(&format!("multipart/mixed; boundary={}", "b".repeat(201)), None);
    }
}
