//! address-list (RFC 5322 section 3.4) read leniently: for telling a message as it is, as IMAP's ENVELOPE does.
//!
//! Every text gives some list, and encoded words stay encoded. Never decide by it who wrote a message: that is
//! [`crate::strict`]'s.

/// The most members of one list; further ones are left out.
const MEMBER_LIMIT: usize = 1_000;

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
enum Token {
    /// A run of atom, dot and domain-literal.
    Word(Vec<u8>),
    /// The content of a quoted string.
    Quoted(Vec<u8>),
    /// `(...)`, which old clients use for the name.
    Comment(Vec<u8>),
    /// One of `<>@,;:`
    Special(u8),
}

/// The members of an unfolded address-list, in order.
#[must_use]
pub fn parse(value: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut pending: Vec<Token> = Vec::new();
    let mut angle = Vec::new();
    let mut depth = Depth::Outside;
    for token in tokens(value) {
        if entries.len() >= MEMBER_LIMIT {
            break;
        }
        match (token, depth) {
            (Token::Special(b'<'), _) => depth = Depth::Angle,
            (Token::Special(b'>'), _) => depth = Depth::Outside,
            (Token::Special(b',' | b';'), Depth::Angle) => {}
            (token, Depth::Angle) => angle.push(token),
            (Token::Special(b':'), Depth::Outside) => {
                let mailbox = Some(phrase(&pending));
                entries.push(Entry { mailbox, ..Entry::default() });
                pending.clear();
            }
            (Token::Special(end @ (b',' | b';')), Depth::Outside) => {
                entries.extend(address(&pending, &angle));
                pending.clear();
                angle.clear();
                if end == b';' {
                    entries.push(Entry::default());
                }
            }
            (token, Depth::Outside) => pending.push(token),
        }
    }
    entries.extend(address(&pending, &angle));
    entries
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Outside,
    /// Between `<` and `>`.
    Angle,
}

/// name-addr or addr-spec
fn address(outside: &[Token], angle: &[Token]) -> Option<Entry> {
    let comment = outside.iter().find_map(|token| match token {
        Token::Comment(text) => Some(text.clone()),
        _ => None,
    });
    let (spec, name) = if angle.is_empty() {
        (outside, comment)
    } else {
        (angle, Some(phrase(outside)).filter(|name| !name.is_empty()).or(comment))
    };
    // A route (`<@relay:user@host>`) is obsolete; the address follows its colon.
    let (route, spec) = match spec.iter().rposition(|token| *token == Token::Special(b':')) {
        Some(colon) => (Some(route(spec.get(..colon)?)), spec.get(colon + 1..)?),
        None => (None, spec),
    };
    let at = spec.iter().rposition(|token| *token == Token::Special(b'@'));
    let (local, domain) = match at {
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
    let domains = tokens.split(|token| *token == Token::Special(b'@')).map(joined);
    let domains: Vec<_> = domains.filter(|domain| !domain.is_empty()).collect();
    domains.iter().map(|domain| [b"@", domain.as_slice()].concat()).collect::<Vec<_>>().join(&b',')
}

/// The words of a phrase, a space between two.
fn phrase(tokens: &[Token]) -> Vec<u8> {
    let words: Vec<&[u8]> = tokens.iter().filter_map(text).collect();
    words.join(&b' ')
}

/// The words of a local-part or a domain, without the white space that obsolete syntax allows.
fn joined(tokens: &[Token]) -> Vec<u8> {
    let words: Vec<&[u8]> = tokens.iter().filter_map(text).collect();
    words.concat()
}

fn text(token: &Token) -> Option<&[u8]> {
    match token {
        Token::Word(text) | Token::Quoted(text) => Some(text),
        Token::Comment(_) | Token::Special(_) => None,
    }
}

fn tokens(value: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => tokens.push(Token::Quoted(enclosed(&mut rest, b'"'))),
            b'(' => tokens.push(Token::Comment(enclosed(&mut rest, b')'))),
            b'<' | b'>' | b'@' | b',' | b';' | b':' => tokens.push(Token::Special(byte)),
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                let literal = byte == b'[';
                let mut word = vec![byte];
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
                    rest = after;
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens
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
    use super::parse;

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
    fn nonsense_gives_something() {
        for value in ["<", "\"", "(", "a@b@c", "<<a>>", "@", ":::", "[", "a <b", "\\"] {
            let _ = parse(value.as_bytes());
        }
    }
}
