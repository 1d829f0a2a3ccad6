//! address-list (RFC 5322 section 3.4) read leniently: for telling a message as it is, as IMAP's ENVELOPE does.
//!
//! Every text gives some list, and encoded words stay encoded. Never decide by it who wrote a message: that is
//! [`crate::strict`]'s.

/// The most members of one list; further ones are left out.
const MEMBER_LIMIT: usize = 1_000;
/// The tokens of one address that are kept, outside of its angle brackets and inside.
const TOKEN_LIMIT: usize = 1_000;

/// One member of a list: a mailbox, or the mark at which a group begins or ends, in the form of RFC 3501 section 7.4.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// display-name, or the comment that old programs write in its place; none at a group's marks.
    pub name: Option<Vec<u8>>,
    /// The obsolete route, RFC 3501's at-domain-list: `@a,@b`.
    pub route: Option<Vec<u8>>,
    /// local-part without its quotes, or a group's name; none at a group's end.
    pub mailbox: Option<Vec<u8>>,
    /// domain; none at both marks of a group.
    pub host: Option<Vec<u8>>,
}

/// A token of the header's grammar (RFC 5322 section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    kind: TokenKind,
    /// Whether white space stands before it.
    spaced: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TokenKind {
    /// A run of atom, dot and domain-literal.
    Word(Vec<u8>),
    /// The content of a quoted string.
    Quoted(Vec<u8>),
    /// `(...)`, which old clients use for the name.
    Comment(Vec<u8>),
    /// One of `<>@,;:`
    Special(u8),
}

impl Token {
    fn is(&self, special: u8) -> bool {
        self.kind == TokenKind::Special(special)
    }
}

/// The members of an unfolded address-list, in order.
///
/// Quirk: semicolons may separate addresses, as some programs for desks write them; a group need not end.
#[must_use]
pub fn parse(value: &[u8]) -> Vec<Entry> {
    let mut list = List::default();
    for token in (Tokens { rest: value, spaced: false }) {
        if list.entries.len() >= MEMBER_LIMIT {
            break;
        }
        list.push(token);
    }
    list.finish()
}

/// A list up to some token.
#[derive(Default)]
struct List {
    entries: Vec<Entry>,
    /// The tokens of the current address outside of angle brackets.
    outside: Vec<Token>,
    /// Those inside.
    angle: Vec<Token>,
    /// Whether a `<` is open.
    in_angle: bool,
    /// Whether a group is open. Marks of groups come in pairs: a client that counts them would lose its place.
    in_group: bool,
}

impl List {
    fn push(&mut self, token: Token) {
        match token.kind {
            TokenKind::Special(b'<') => {
                // A second angle-addr without a comma is an address of its own.
                if !self.in_angle && !self.angle.is_empty() {
                    self.end_address();
                }
                self.in_angle = true;
            }
            TokenKind::Special(b'>') => self.in_angle = false,
            TokenKind::Special(b',' | b';') if self.in_angle => {}
            _ if self.in_angle => push_within_limit(&mut self.angle, token),
            TokenKind::Special(b':') => {
                let name = phrase(&self.outside);
                self.outside.clear();
                self.end_group();
                self.entries.push(Entry { mailbox: Some(name), ..Entry::default() });
                self.in_group = true;
            }
            TokenKind::Special(b',') => self.end_address(),
            TokenKind::Special(b';') => {
                self.end_address();
                self.end_group();
            }
            _ => push_within_limit(&mut self.outside, token),
        }
    }

    fn end_address(&mut self) {
        self.entries.extend(address(&self.outside, &self.angle));
        self.outside.clear();
        self.angle.clear();
    }

    fn end_group(&mut self) {
        if std::mem::take(&mut self.in_group) {
            self.entries.push(Entry::default());
        }
    }

    fn finish(mut self) -> Vec<Entry> {
        self.end_address();
        self.end_group();
        self.entries
    }
}

/// Tokens beyond the limit of an address are dropped: a megabyte of them would take its size thirty times over.
fn push_within_limit(tokens: &mut Vec<Token>, token: Token) {
    if tokens.len() < TOKEN_LIMIT {
        tokens.push(token);
    }
}

/// name-addr or addr-spec
fn address(outside: &[Token], angle: &[Token]) -> Option<Entry> {
    let comment = outside.iter().find_map(|token| match &token.kind {
        TokenKind::Comment(text) => Some(text.clone()),
        _ => None,
    });
    let (spec, name) = if angle.is_empty() {
        (outside, comment)
    } else {
        (angle, Some(phrase(outside)).filter(|name| !name.is_empty()).or(comment))
    };
    // A route (`<@relay:user@host>`) is obsolete; the address follows its colon. Without the `@` it is none, but a
    // scheme (`<mailto:user@host>`) or another mistake, which stays where it is.
    let colon = spec
        .iter()
        .rposition(|token| token.is(b':'))
        .filter(|_| spec.first().is_some_and(|first| first.is(b'@')));
    let (route, spec) = match colon {
        Some(colon) => (Some(route(spec.get(..colon)?)), spec.get(colon + 1..)?),
        None => (None, spec),
    };
    // No host has an `@`, so the last one separates: `a@b@c` is `a@b` at `c`.
    let (local, domain) = match spec.iter().rposition(|token| token.is(b'@')) {
        Some(at) => (spec.get(..at)?, spec.get(at + 1..)?),
        None => (spec, [].as_slice()),
    };
    let mailbox = joined(local);
    if mailbox.is_empty() && domain.is_empty() && angle.is_empty() {
        return None;
    }
    // Without a host the entry would be a group's beginning (RFC 3501 section 7.4.2).
    Some(Entry { name, route, mailbox: Some(mailbox), host: Some(joined(domain)) })
}

/// at-domain-list (RFC 3501 section 7.4.2): `@` before every domain, a comma between two.
fn route(tokens: &[Token]) -> Vec<u8> {
    let domains = tokens.split(|token| token.is(b'@')).map(joined);
    let domains: Vec<_> = domains.filter(|domain| !domain.is_empty()).collect();
    domains.iter().map(|domain| [b"@", domain.as_slice()].concat()).collect::<Vec<_>>().join(&b',')
}

/// A display name: a space between two words, and special characters where they stand (`anna@x <anna@x>`).
fn phrase(tokens: &[Token]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut after_word = false;
    for token in tokens {
        let word = matches!(token.kind, TokenKind::Word(_) | TokenKind::Quoted(_));
        let Some(written) = written(token) else { continue };
        if !text.is_empty() && (token.spaced || (word && after_word)) {
            text.push(b' ');
        }
        text.extend_from_slice(written);
        after_word = word;
    }
    text
}

/// A local-part or a domain, without the white space that obsolete syntax allows.
fn joined(tokens: &[Token]) -> Vec<u8> {
    tokens.iter().filter_map(written).collect::<Vec<_>>().concat()
}

fn written(token: &Token) -> Option<&[u8]> {
    match &token.kind {
        TokenKind::Word(text) | TokenKind::Quoted(text) => Some(text),
        TokenKind::Special(special) => Some(std::slice::from_ref(special)),
        TokenKind::Comment(_) => None,
    }
}

/// The tokens of a value.
struct Tokens<'a> {
    rest: &'a [u8],
    /// Whether white space stands before the rest.
    spaced: bool,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        while let Some((&byte, after)) = self.rest.split_first() {
            self.rest = after;
            let kind = match byte {
                b'"' => TokenKind::Quoted(enclosed(&mut self.rest, b'"')),
                b'(' => TokenKind::Comment(enclosed(&mut self.rest, b')')),
                b'<' | b'>' | b'@' | b',' | b';' | b':' => TokenKind::Special(byte),
                byte if byte.is_ascii_whitespace() => {
                    self.spaced = true;
                    continue;
                }
                byte => TokenKind::Word(word(byte, &mut self.rest)),
            };
            return Some(Token { kind, spaced: std::mem::take(&mut self.spaced) });
        }
        None
    }
}

/// The word that begins with this byte.
fn word(first: u8, rest: &mut &[u8]) -> Vec<u8> {
    let literal = first == b'[';
    let mut word = vec![first];
    while let Some((&next, after)) = rest.split_first() {
        let ends = if literal {
            word.last() == Some(&b']')
        } else {
            next.is_ascii_whitespace() || b"\"()<>@,;:".contains(&next)
        };
        if ends {
            break;
        }
        word.push(next);
        *rest = after;
    }
    word
}

/// The text up to the closing byte, quoted-pairs resolved.
fn enclosed(rest: &mut &[u8], close: u8) -> Vec<u8> {
    let mut content = Vec::new();
    let mut depth = 0_u32;
    while let Some((&byte, after)) = rest.split_first() {
        *rest = after;
        match byte {
            b'\\' => {
                if let Some((&escaped, after)) = rest.split_first() {
                    content.push(escaped);
                    *rest = after;
                }
            }
            byte if byte == close && depth == 0 => break,
            byte => {
                match byte {
                    b'(' if close == b')' => depth += 1,
                    b')' if close == b')' => depth -= 1,
                    _ => {}
                }
                content.push(byte);
            }
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::{TOKEN_LIMIT, parse};

    fn check(value: &str, expected: &[(&str, &str, &str)]) {
        let text =
            |part: Option<Vec<u8>>| part.map_or("-".to_owned(), |part| String::from_utf8(part).unwrap());
        let found: Vec<_> = parse(value.as_bytes())
            .into_iter()
            .map(|entry| (text(entry.name), text(entry.mailbox), text(entry.host)))
            .collect();
        let found: Vec<_> = found.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn an_address_of_endless_tokens_is_cut() {
        let name = "a ".repeat(100_000) + "<anna@example.org>";
        let entries = parse(name.as_bytes());
        assert_eq!(entries.len(), 1);
        let entry = entries.first().unwrap();
        assert_eq!(entry.name.as_ref().map(Vec::len), Some(2 * TOKEN_LIMIT - 1));
        assert_eq!(entry.host.as_deref(), Some(&b"example.org"[..]));
        assert_eq!(parse(&vec![b'@'; 1 << 20]).len(), 1);
    }

    #[test]
    fn addresses_are_taken_apart() {
        check("<a@b.c>", &[("-", "a", "b.c")]);
        check("a@b.c, d@[1.2.3.4]", &[("-", "a", "b.c"), ("-", "d", "[1.2.3.4]")]);
        check("Anna B. <a@b.c>", &[("Anna B.", "a", "b.c")]);
        check(r#""B, \"Anna\"" <a@b.c>"#, &[("B, \"Anna\"", "a", "b.c")]);
        check("a@b.c (Anna (B))", &[("Anna (B)", "a", "b.c")]);
        check("=?utf-8?q?=C3=A9?= <\"a b\"@c>", &[("=?utf-8?q?=C3=A9?=", "a b", "c")]);
        check("<@r,@s:a@b>", &[("-", "a", "b")]);
        check("", &[]);
        check(", ,", &[]);
    }

    #[test]
    fn groups_have_a_beginning_and_an_end() {
        check(
            "friends: a@b, c@d; e@f",
            &[("-", "friends", "-"), ("-", "a", "b"), ("-", "c", "d"), ("-", "-", "-"), ("-", "e", "f")],
        );
        check("g: (nobody);", &[("-", "g", "-"), ("-", "-", "-")]);
        check("undisclosed-recipients:;", &[("-", "undisclosed-recipients", "-"), ("-", "-", "-")]);
    }

    #[test]
    fn semicolons_separate_and_marks_of_groups_come_in_pairs() {
        check("a@x; b@x; c@x", &[("-", "a", "x"), ("-", "b", "x"), ("-", "c", "x")]);
        check("g: a@x; b@y;", &[("-", "g", "-"), ("-", "a", "x"), ("-", "-", "-"), ("-", "b", "y")]);
        check("undisclosed-recipients:", &[("-", "undisclosed-recipients", "-"), ("-", "-", "-")]);
        check(
            "g: a@x, h: b@y",
            &[
                ("-", "g", "-"),
                ("-", "a", "x"),
                ("-", "-", "-"),
                ("-", "h", "-"),
                ("-", "b", "y"),
                ("-", "-", "-"),
            ],
        );
    }

    #[test]
    fn at_signs_stay_where_they_stand() {
        check("anna@x.y <anna@x.y>", &[("anna@x.y", "anna", "x.y")]);
        check("Anna (work) @ home <a@x>", &[("Anna @ home", "a", "x")]);
        check("\"anna@home\" <\"anna@home\"@x.y>", &[("anna@home", "anna@home", "x.y")]);
        check("a@b@c, <a@b@c>", &[("-", "a@b", "c"), ("-", "a@b", "c")]);
    }

    #[test]
    fn odd_angles_make_no_routes_and_swallow_no_address() {
        check("<mailto:anna@x>", &[("-", "mailto:anna", "x")]);
        check("\"x\" <<anna@x>>", &[("x", "anna", "x")]);
        check("<a@x> <b@y>, c@z", &[("-", "a", "x"), ("-", "b", "y"), ("-", "c", "z")]);
    }

    #[test]
    fn nonsense_gives_something() {
        for value in ["<", "\"", "(", "a@b@c", "<<a>>", "@", ":::", "[", "a <b", "\\"] {
            let _ = parse(value.as_bytes());
        }
    }
}
