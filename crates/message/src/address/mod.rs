//! address-list (RFC 5322 section 3.4) read leniently: for telling a message as it is, as IMAP's ENVELOPE does.
//!
//! Every text gives some list, and encoded words stay encoded. Never decide by it who wrote a message: that is
//! [`crate::strict`]'s.

use spec::phrase;
use tokens::{Token, TokenKind, Tokens};

mod spec;
mod tokens;

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

/// The members of an unfolded address-list, in order.
///
/// Quirk: semicolons may separate addresses, as some programs for desks write them, and so may white space; a group need
/// not end, nor an angle bracket.
#[must_use]
pub fn parse(value: &[u8]) -> Vec<Entry> {
    let mut list = List::default();
    for token in Tokens::new(value) {
        if list.entries.len() >= MEMBER_LIMIT {
            break;
        }
        list.push(token);
    }
    list.finish()
}

/// A list up to some token.
#[derive(Default)]
struct List<'a> {
    entries: Vec<Entry>,
    /// The tokens of the current address before its angle brackets, or all if it has none.
    before: Vec<Token<'a>>,
    /// Those inside.
    angle: Vec<Token<'a>>,
    /// Those behind.
    after: Vec<Token<'a>>,
    place: Place,
    /// Whether an `@` stands before the brackets, and whether one of an address inside. To look for it among the tokens
    /// at each of a million commas would take a thousand times as long.
    at_before: bool,
    at_in_angle: bool,
    /// Whether the colon stands inside that ends a route.
    routed: bool,
    /// Whether a group is open. Marks of groups come in pairs: a client that counts them would lose its place.
    in_group: bool,
}

/// The place in an address at which the next token stands.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Before an angle-addr.
    #[default]
    Before,
    /// Inside of one.
    Angle,
    /// Behind one.
    After,
}

impl<'a> List<'a> {
    fn push(&mut self, token: Token<'a>) {
        let special = match token.kind {
            TokenKind::Special(special) => special,
            _ => 0,
        };
        match special {
            b'<' => self.open_angle(token),
            b'>' if self.place == Place::Angle => self.place = Place::After,
            b'>' if self.place == Place::After && self.after.is_empty() => {}
            // The `<` is missing; the bracket ends an address all the same. In a name it is an arrow.
            b'>' if self.place == Place::After || self.at_before => self.end_address(),
            // RFC 5322 section 4.4: a route may begin with commas.
            b',' if self.place == Place::Angle && self.angle.is_empty() => {}
            b',' | b';' if self.place == Place::Angle && !self.at_in_angle => self.keep(token),
            b',' => self.end_address(),
            b';' => {
                self.end_address();
                self.end_group();
            }
            b':' if self.place != Place::Angle => self.begin_group(),
            _ => self.keep(token),
        }
    }

    fn keep(&mut self, token: Token<'a>) {
        let at = token.is(b'@');
        let tokens = match self.place {
            Place::Before => {
                self.at_before |= at;
                &mut self.before
            }
            Place::Angle => {
                self.routed |= token.is(b':');
                // The `@` at the beginning is a route's, and so are those up to its colon.
                let route = self.angle.first().is_none_or(|first| first.is(b'@')) && !self.routed;
                self.at_in_angle |= at && !route;
                &mut self.angle
            }
            Place::After => &mut self.after,
        };
        push_within_limit(tokens, token);
    }

    fn open_angle(&mut self, token: Token<'a>) {
        match self.place {
            // Two brackets are no better than one.
            Place::Angle if self.angle.is_empty() => {}
            // A bracket in a name: `a < b <anna@example.org>`.
            Place::Angle if !self.at_in_angle => {
                push_within_limit(&mut self.before, token);
                for token in std::mem::take(&mut self.angle) {
                    push_within_limit(&mut self.before, token);
                }
            }
            // The first address has lost its `>`.
            Place::Angle => self.end_address(),
            // The comma is missing, and what stands between the two is the name of the second.
            Place::After => {
                let name = std::mem::take(&mut self.after);
                self.end_address();
                self.before = name;
            }
            Place::Before => {}
        }
        self.place = Place::Angle;
        self.routed = false;
    }

    fn begin_group(&mut self) {
        let name = match self.place {
            Place::Before => std::mem::take(&mut self.before),
            Place::Angle | Place::After => std::mem::take(&mut self.after),
        };
        // Behind an address, the colon is a separator by mistake.
        let separates = self.place == Place::After && name.is_empty();
        self.end_address();
        if !separates {
            self.end_group();
            self.entries.push(Entry { mailbox: Some(phrase(&name)), ..Entry::default() });
            self.in_group = true;
        }
    }

    fn end_address(&mut self) {
        match self.place {
            Place::Before => spec::write_bare(&self.before, &mut self.entries),
            Place::Angle | Place::After => {
                spec::write_named(&self.before, &self.angle, &self.after, &mut self.entries);
            }
        }
        self.before.clear();
        self.angle.clear();
        self.after.clear();
        (self.at_before, self.at_in_angle, self.routed) = (false, false, false);
        self.place = Place::Before;
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
fn push_within_limit<'a>(tokens: &mut Vec<Token<'a>>, token: Token<'a>) {
    if tokens.len() < TOKEN_LIMIT {
        tokens.push(token);
    }
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
        // Each of these would take a thousand times as long if the tokens before it were searched.
        for (begin, byte) in [("<", b','), ("<@", b','), ("a@", b'@'), ("", b'>'), ("<", b'<'), ("<", b':')] {
            let value = [begin.as_bytes(), &vec![byte; 1 << 21]].concat();
            assert!(parse(&value).len() < 3, "{begin}");
        }
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
        check("g: a@x; ; b@y;;", &[("-", "g", "-"), ("-", "a", "x"), ("-", "-", "-"), ("-", "b", "y")]);
        check("\"A: B\" (c): a@x", &[("-", "A: B", "-"), ("-", "a", "x"), ("-", "-", "-")]);
        check("Anna <a@x>: b@y", &[("Anna", "a", "x"), ("-", "b", "y")]);
        check(":;", &[("-", "", "-"), ("-", "-", "-")]);
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
        check("Anna <a@x> Ben <b@y>", &[("Anna", "a", "x"), ("Ben", "b", "y")]);
        check("Anna <a@x> b@y, <c@z> d", &[("Anna", "a", "x"), ("-", "b", "y"), ("d", "c", "z")]);
        check("Anna <a@x, Ben <b@y>", &[("Anna", "a", "x"), ("Ben", "b", "y")]);
        check("Anna <a@x Ben <b@y>", &[("Anna", "a", "x Ben"), ("-", "b", "y")]);
        check("<a@x, b@y>, c@z>d@w", &[("-", "a", "x"), ("-", "b", "y"), ("-", "c", "z"), ("-", "d", "w")]);
        check("A -> B < C <a@x>", &[("A -> B < C", "a", "x")]);
        check("<a, b@x>", &[("-", "a, b", "x")]);
        check("Anna <>, <>, (c) <>", &[("Anna", "", ""), ("c", "", "")]);
        check("<>", &[]);
    }

    #[test]
    fn routes_are_domains() {
        let route = |value: &str| {
            let entry = parse(value.as_bytes()).pop().unwrap();
            [entry.route, entry.mailbox, entry.host]
                .map(|part| String::from_utf8(part.unwrap_or_default()).unwrap())
        };
        assert_eq!(route("<@r (c), ,@s . t:a@b>"), ["@r,@s.t", "a", "b"]);
        assert_eq!(route("<, ,@r,@s:a@b>"), ["@r,@s", "a", "b"]);
        assert_eq!(route("<@[1.2.3.4],@s:a@b>"), ["@[1.2.3.4],@s", "a", "b"]);
        assert_eq!(route("<@:a@b>"), ["", "@:a", "b"]);
        assert_eq!(route("<@r s:a@b>"), ["", "@r s:a", "b"]);
        assert_eq!(route("<@r:b:a@b>"), ["@r", "b:a", "b"]);
        assert_eq!(route("<@r@s:a@b>"), ["", "@r@s:a", "b"]);
        assert_eq!(route("<@r,a@b>"), ["", "@r,a", "b"]);
    }

    #[test]
    fn nothing_is_glued_and_nothing_lost() {
        check("undisclosed recipients", &[("-", "undisclosed recipients", "")]);
        check("a@x b@y  c@z", &[("-", "a", "x"), ("-", "b", "y"), ("-", "c", "z")]);
        check("a@x. b@y, a@x . y", &[("-", "a", "x."), ("-", "b", "y"), ("-", "a", "x.y")]);
        check("Anna Bell anna@x", &[("Anna Bell", "anna", "x")]);
        check("Anna B. anna@x", &[("Anna B.", "anna", "x")]);
        check("anna@x Anna Bell, b@y", &[("Anna Bell", "anna", "x"), ("-", "b", "y")]);
        check("anna . bell (c) @ (d) x . y", &[("c", "anna.bell", "x.y")]);
        check("anna(c)bell@x", &[("anna", "bell", "x")]);
        check("<anna bell@x y>", &[("-", "anna bell", "x y")]);
        check("\"anna\".bell@x", &[("-", "anna.bell", "x")]);
        check("\"Anna\" anna@x (work)", &[("Anna", "anna", "x")]);
        check("\"Anna\"\"Bell\" (c)<a@x>", &[("Anna Bell", "a", "x")]);
        check("a@x ()", &[("-", "a", "x")]);
        check("Anna@", &[("-", "Anna", "")]);
    }

    #[test]
    fn what_nobody_closes_swallows_no_address() {
        check("\"Anna <a@x>, b@y", &[("\"Anna", "a", "x"), ("-", "b", "y")]);
        check("Anna \"O\"Neil\" <a@x>", &[("Anna O Neil\"", "a", "x")]);
        check("O\"Neil <a@x>", &[("O\"Neil", "a", "x")]);
        check("Anna (work <a@x>, (c) b@y", &[("Anna (work", "a", "x"), ("(c)", "b", "y")]);
        check("[list <a@x>, [b <c@z>", &[("[list", "a", "x"), ("[b", "c", "z")]);
        check("[list] Anna) <a@[::1]>", &[("[list] Anna)", "a", "[::1]")]);
        check("\\\"Anna\\\" <a@x>", &[("\\\"Anna\\\"", "a", "x")]);
        let unclosed = "\"\\".repeat(200_000) + "(\\".repeat(200_000).as_str();
        assert_eq!(parse(unclosed.as_bytes()).len(), 1);
    }

    #[test]
    fn an_encoded_word_is_one_word() {
        check("=?utf-8?Q?Bell,_Anna_(x)?= <a@x>", &[("=?utf-8?Q?Bell,_Anna_(x)?=", "a", "x")]);
        check(
            "=?utf-8?q?a:b?=: a@x; =?x?b?eA==?= =?x?b?eA==?= <b@y>",
            &[
                ("-", "=?utf-8?q?a:b?=", "-"),
                ("-", "a", "x"),
                ("-", "-", "-"),
                ("=?x?b?eA==?= =?x?b?eA==?=", "b", "y"),
            ],
        );
        check("=?utf-8?q?a, b?= <a@x>", &[("-", "=?utf-8?q?a", ""), ("b?=", "a", "x")]);
        assert!(!parse("=?,".repeat(300_000).as_bytes()).is_empty());
    }

    #[test]
    fn nonsense_gives_something() {
        for value in ["<", "\"", "(", "a@b@c", "<<a>>", "@", ":::", "[", "a <b", "\\"] {
            let _ = parse(value.as_bytes());
        }
    }

    /// Whatever the text: marks of groups come in pairs, and local part and host stand in it.
    #[test]
    fn any_text_keeps_the_promises() {
        const PIECES: [&str; 25] = [
            "a",
            "Bell",
            ".",
            "@",
            "@",
            "<",
            ">",
            ",",
            ";",
            ":",
            "\"",
            ")",
            "[",
            "]",
            "\\",
            " ",
            " ",
            "\t",
            "\u{e9}",
            "=?utf-8?q?",
            "?=",
            "mailto:",
            "x.y",
            "\"q r\"",
            "(c)",
        ];
        let mut state = 1_u64;
        for _ in 0..50_000 {
            let mut value = String::new();
            for _ in 0..state % 17 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                value.push_str(PIECES[usize::try_from(state >> 33).unwrap() % PIECES.len()]);
            }
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            keeps_the_promises(&value);
        }
    }

    fn keeps_the_promises(value: &str) {
        // Without what quoting, white space and comments add.
        let plain = |text: &str| text.replace(['\\', '"', ' ', '\t', '(', 'c', ')'], "");
        let mut in_group = false;
        for entry in parse(value.as_bytes()) {
            match (&entry.mailbox, &entry.host) {
                (Some(_), None) => assert!(!std::mem::replace(&mut in_group, true), "{value:?}"),
                (None, None) => assert!(std::mem::take(&mut in_group), "{value:?}"),
                (Some(_), Some(_)) => {}
                (None, Some(_)) => panic!("a host alone: {value:?}"),
            }
            let value = plain(value);
            for part in [entry.mailbox, entry.host].into_iter().flatten() {
                let part = plain(&String::from_utf8(part).unwrap());
                assert!(value.contains(&part), "{part:?} in {value:?}");
            }
        }
        assert!(!in_group, "{value:?}");
    }
}
