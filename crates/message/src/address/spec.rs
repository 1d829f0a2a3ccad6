//! One address from its tokens. An address is made of what stands together: whatever else is there is a name, for one
//! that is glued together would be somebody else's.

use super::Entry;
use super::tokens::{Token, TokenKind};

/// name-addr = [display-name] "<" [obs-route] addr-spec ">"
///
/// Quirk: the name may stand behind; an address that follows without a comma is one of its own.
pub(super) fn write_named(
    before: &[Token<'_>],
    angle: &[Token<'_>],
    after: &[Token<'_>],
    entries: &mut Vec<Entry>,
) {
    let another = after.iter().any(|token| token.is(b'@'));
    let mut name = phrase(before);
    if !another {
        let behind = phrase(after);
        let space: &[u8] = if name.is_empty() || behind.is_empty() { b"" } else { b" " };
        name.extend(space.iter().chain(&behind));
    }
    let comment = || before.iter().chain(after).find_map(Token::comment).map(<[u8]>::to_vec);
    let name = Some(name).filter(|name| !name.is_empty()).or_else(comment);
    if name.is_some() || !angle.is_empty() {
        let (route, spec) = route(angle).map_or((None, angle), |(route, spec)| (Some(route), spec));
        let (local, domain) = split_at_domain(spec);
        entries.push(Entry { name, route, mailbox: Some(joined(local)), host: Some(joined(domain)) });
    }
    if another {
        write_bare(after, entries);
    }
}

/// addr-spec
///
/// Quirk: white space separates addresses where commas are missing, and the angle brackets behind a name may be.
pub(super) fn write_bare(tokens: &[Token<'_>], entries: &mut Vec<Entry>) {
    let begin = entries.len();
    let mut rest = tokens;
    while !rest.is_empty() {
        let (segment, after) = rest.split_at_checked(segment_length(rest)).unwrap_or((rest, &[]));
        rest = after;
        let comment = segment.iter().find_map(Token::comment).map(<[u8]>::to_vec);
        let Some(at) = segment.iter().rposition(|token| token.is(b'@')) else {
            write_words(phrase(segment), comment, begin, entries);
            continue;
        };
        let (named, domain) = segment.split_at_checked(at).unwrap_or((segment, &[]));
        let (name, local) = named.split_at_checked(local_part(named)).unwrap_or((&[], named));
        let name = Some(phrase(name)).filter(|name| !name.is_empty()).or(comment);
        let domain = domain.get(1..).unwrap_or_default();
        entries.push(Entry { name, route: None, mailbox: Some(joined(local)), host: Some(joined(domain)) });
    }
}

/// Words without an `@`: the name of the address before, or else a member that is no address. The latter has a host
/// that is empty: without one it would be the mark of a group (RFC 3501 section 7.4.2).
fn write_words(words: Vec<u8>, comment: Option<Vec<u8>>, begin: usize, entries: &mut Vec<Entry>) {
    if words.is_empty() {
        return;
    }
    match entries.get_mut(begin..).and_then(<[_]>::last_mut) {
        Some(Entry { name: name @ None, .. }) => *name = Some(words),
        Some(Entry { name: Some(name), .. }) => {
            name.push(b' ');
            name.extend(words);
        }
        None => entries.push(Entry {
            name: comment,
            mailbox: Some(words),
            host: Some(Vec::new()),
            ..Entry::default()
        }),
    }
}

/// The number of tokens up to the word with which a name or another address begins, behind a whole address.
fn segment_length(tokens: &[Token<'_>]) -> usize {
    let mut at = false;
    let mut previous: Option<&Token<'_>> = None;
    for (index, token) in tokens.iter().enumerate() {
        if token.comment().is_some() {
            continue;
        }
        let begins = token.text().is_some() && !token.is(b'@') && previous.is_some_and(|p| !p.is(b'@'));
        // No dot connects two addresses, as it would in `a@x. b@y`.
        let address = tokens.get(index + 1).is_some_and(|next| next.is(b'@'));
        if at && begins && token.spaced && (address || !dotted(previous, token)) {
            return index;
        }
        at |= token.is(b'@');
        previous = Some(token);
    }
    tokens.len()
}

/// obs-local-part = word *("." word), with white space around the dots: where it begins. Words before it that no dot
/// connects are a name, as in `Anna B. anna@example.org`.
fn local_part(tokens: &[Token<'_>]) -> usize {
    let (mut begin, mut connected) = (0, true);
    let mut previous: Option<&Token<'_>> = None;
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.text().is_some()) {
        if token.spaced && previous.is_some() && !token.is(b'@') {
            begin = index;
            connected &= dotted(previous, token);
        }
        previous = Some(token);
    }
    if connected { 0 } else { begin }
}

/// Whether a dot or an `@` connects two tokens across white space.
fn dotted(before: Option<&Token<'_>>, token: &Token<'_>) -> bool {
    let connects = |token: &Token<'_>, dot: Option<&u8>| match token.kind {
        TokenKind::Word(_) => dot == Some(&b'.'),
        TokenKind::Special(special) => special == b'@',
        TokenKind::Quoted(_) | TokenKind::Comment(_) => false,
    };
    connects(token, token.text().and_then(<[u8]>::first))
        || before.is_some_and(|before| connects(before, before.text().and_then(<[u8]>::last)))
}

/// The tokens before and behind the last `@`: no host has one, so `a@b@c` is `a@b` at `c`.
fn split_at_domain<'t, 'a>(spec: &'t [Token<'a>]) -> (&'t [Token<'a>], &'t [Token<'a>]) {
    let at = spec.iter().rposition(|token| token.is(b'@'));
    at.and_then(|at| Some((spec.get(..at)?, spec.get(at + 1..)?))).unwrap_or((spec, &[]))
}

/// obs-route = obs-domain-list ":", as RFC 3501's at-domain-list (`@a,@b`), and the tokens behind it.
///
/// Anything else with a colon is none, but a scheme (`<mailto:anna@example.org>`) or another mistake, which stays where
/// it stands.
pub(super) fn route<'t, 'a>(angle: &'t [Token<'a>]) -> Option<(Vec<u8>, &'t [Token<'a>])> {
    angle.first().filter(|first| first.is(b'@'))?;
    let colon = angle.iter().position(|token| token.is(b':'))?;
    let mut route = Vec::new();
    for member in angle.get(..colon)?.split(|token| token.is(b',')).filter(|member| !member.is_empty()) {
        let (at, domain) = member.split_first()?;
        let word = |token: &Token<'_>| matches!(token.kind, TokenKind::Word(_) | TokenKind::Comment(_));
        let domain = Some(joined(domain)).filter(|text| {
            at.is(b'@') && domain.iter().all(word) && !text.is_empty() && !text.contains(&b' ')
        })?;
        route.extend_from_slice(if route.is_empty() { b"@" } else { b",@" });
        route.extend(domain);
    }
    Some((route, angle.get(colon + 1..)?)).filter(|(route, _)| !route.is_empty())
}

/// A display name: a space between two words, and special characters where they stand (`anna@x <anna@x>`).
pub(super) fn phrase(tokens: &[Token<'_>]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut previous: Option<&Token<'_>> = None;
    for token in tokens {
        let Some(written) = token.text() else { continue };
        let quoted = |token: &Token<'_>| matches!(token.kind, TokenKind::Quoted(_));
        let word = |token: &Token<'_>| matches!(token.kind, TokenKind::Quoted(_) | TokenKind::Word(_));
        let apart = previous.is_some_and(|p| word(p) && word(token) && (quoted(p) || quoted(token)));
        if !text.is_empty() && (token.spaced || apart) {
            text.push(b' ');
        }
        text.extend_from_slice(written);
        previous = Some(token);
    }
    text
}

/// A local-part or a domain without the white space that obsolete syntax allows around dots; where it stands between
/// words it is kept, since without it they would be another address.
fn joined(tokens: &[Token<'_>]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut previous: Option<&Token<'_>> = None;
    for token in tokens {
        let Some(written) = token.text() else { continue };
        if token.spaced && previous.is_some() && !dotted(previous, token) {
            text.push(b' ');
        }
        text.extend_from_slice(written);
        previous = Some(token);
    }
    text
}
