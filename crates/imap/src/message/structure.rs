//! The tree of a message's parts (MIME, RFC 2046), found while the message streams by. A parser of ours: those of other
//! crates hold the whole message, while this one keeps only byte ranges and header sections, both limited.
//!
//! Works line by line: a delimiter of any multipart that is open closes everything inside it (RFC 2046 section 5.1),
//! so a missing end cannot swallow what follows.

use std::ops::Range;

use message::parameters::{self, Parameterised};

use super::header;

/// The most parts of one message; further delimiters are text.
const PART_LIMIT: usize = 500;
/// The deepest nesting of entities; a deeper one is a leaf.
const DEPTH_LIMIT: usize = 30;
/// The longest line examined whole, in bytes.
const LINE_LIMIT: usize = 16_384;
/// The most bytes of header sections kept, of all parts together.
const HEAD_LIMIT: usize = 1_048_576;
/// The longest boundary, in bytes; RFC 2046 section 5.1.1 allows 70.
const BOUNDARY_LIMIT: usize = 256;

/// A message, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entity {
    /// The header section with its empty line, as a range of the message's bytes.
    pub(crate) header: Range<u64>,
    /// The body.
    pub(crate) body: Range<u64>,
    /// The number of lines of the body.
    pub(crate) lines: u64,
    /// The bytes of the header section, as far as the limit allows.
    pub(crate) head: Vec<u8>,
    /// Its media type, or the default of its place (RFC 2046 section 5.1).
    pub(crate) content_type: Parameterised,
    /// Its content.
    pub(crate) kind: Kind,
}

/// The content of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Content.
    Leaf,
    /// `multipart/*`
    Multipart(Vec<Entity>),
    /// `message/rfc822`
    Message(Box<Entity>),
}

impl Entity {
    /// The part with this number (RFC 3501 section 6.4.5); `self` is the whole message.
    pub(crate) fn part(&self, path: &[u32]) -> Option<&Self> {
        let (&first, rest) = path.split_first()?;
        rest.iter().try_fold(self.inside(first)?, |part, &number| match &part.kind {
            Kind::Leaf => None,
            Kind::Multipart(parts) => nth(parts, number),
            Kind::Message(message) => message.inside(number),
        })
    }

    /// A part of a message: that of a multipart, else the only one there is.
    fn inside(&self, number: u32) -> Option<&Self> {
        match &self.kind {
            Kind::Multipart(parts) => nth(parts, number),
            Kind::Leaf | Kind::Message(_) => (number == 1).then_some(self),
        }
    }
}

fn nth(parts: &[Entity], number: u32) -> Option<&Entity> {
    parts.get(usize::try_from(number).ok()?.checked_sub(1)?)
}

/// Finds the structure of a message that is fed to it from the beginning to the end.
#[derive(Debug)]
pub(crate) struct Walker {
    open: Vec<Open>,
    line: Vec<u8>,
    /// Whether `line` continues one that was too long.
    continued: bool,
    /// Whether that one is a delimiter, whose end belongs to no part.
    in_delimiter: bool,
    /// The offset of `line` in the message, in bytes.
    offset: u64,
    /// The length of the previous line's end, in bytes: it belongs to a delimiter that follows.
    previous_end: u64,
    /// Whether there was nothing but that end in the previous line.
    previous_blank: bool,
    lines: u64,
    parts: usize,
    head_left: usize,
}

/// An entity whose end has not been seen.
#[derive(Debug)]
struct Open {
    start: u64,
    head: Vec<u8>,
    /// The offset of the body, and the number of its first line, once known.
    body: Option<(u64, u64)>,
    default_type: &'static [u8],
    content_type: Parameterised,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Leaf,
    Multipart { boundary: Vec<u8>, parts: Vec<Entity>, ended: Ended },
    Message(Option<Box<Entity>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// There may be more parts.
    No,
    /// The final delimiter was seen.
    Yes,
}

/// RFC 2045 section 5.2, in the spelling that clients expect.
const TEXT: &[u8] = b"text/plain; charset=us-ascii";
/// RFC 2046 section 5.1.5
const DIGEST: &[u8] = b"message/rfc822";

/// The encodings that hide a message's lines: those of RFC 2045 section 6, and older ones.
const ENCODINGS: [&[u8]; 6] =
    [b"BASE64", b"QUOTED-PRINTABLE", b"UUENCODE", b"X-UUENCODE", b"X-UUE", b"X-YENC"];

impl Walker {
    pub(crate) fn new() -> Self {
        Self {
            open: vec![Open::new(0, TEXT)],
            line: Vec::new(),
            continued: false,
            in_delimiter: false,
            offset: 0,
            previous_end: 0,
            previous_blank: false,
            lines: 0,
            parts: 1,
            head_left: HEAD_LIMIT,
        }
    }

    /// Takes the next bytes of the message.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            for fragment in piece.chunks(LINE_LIMIT) {
                self.line.extend_from_slice(fragment);
                if self.line.ends_with(b"\n") || self.line.len() >= LINE_LIMIT {
                    self.take_line();
                }
            }
        }
    }

    /// The message has ended.
    pub(crate) fn finish(mut self) -> Entity {
        if !self.line.is_empty() {
            self.take_line();
        }
        let end = self.offset;
        while self.open.len() > 1 {
            self.close_innermost(end, self.lines);
        }
        let root = self.open.pop().unwrap_or_else(|| Open::new(0, TEXT));
        root.closed(end, self.lines)
    }

    fn take_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let whole = !self.continued && line.ends_with(b"\n");
        let start = self.offset;
        self.offset += length(&line);
        let delimiter = if self.continued { None } else { self.delimiter(&line) };
        self.in_delimiter = delimiter.is_some() || self.in_delimiter && self.continued;
        self.continued = !line.ends_with(b"\n");
        match delimiter {
            Some((level, ended)) => {
                let end = start.saturating_sub(self.previous_end);
                // A line that was only its end is none without it.
                let lines = self.lines - u64::from(self.previous_blank);
                while self.open.len() > level + 1 {
                    self.close_innermost(end, lines);
                }
                self.lines += 1;
                self.begin_part(level, ended);
            }
            None if self.in_delimiter => {
                // The part that the line began begins behind it.
                if let Some(open) = self.open.last_mut().filter(|open| open.start == start) {
                    open.start = self.offset;
                }
            }
            None => {
                if !self.continued {
                    self.lines += 1;
                }
                self.take_text(&line, whole);
            }
        }
        self.previous_end = line_end(&line);
        self.previous_blank = whole && self.previous_end == length(&line);
    }

    /// Whether the line delimits the parts of a multipart that is open: which one, and whether it ends it.
    ///
    /// RFC 2046 section 5.1.1: the boundary at the beginning of the line is enough, whatever follows. Where that is true
    /// of several, the longest is meant, since `--b1` is no end of what stands between `--b1` and `--b1`; of equal ones
    /// the innermost that has not ended.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, Ended)> {
        let rest = line.strip_prefix(b"--")?;
        let fitting = self.open.iter().enumerate().filter_map(|(level, open)| match &open.content {
            Content::Multipart { boundary, ended, .. } => {
                let rest = rest.strip_prefix(boundary.as_slice())?;
                Some((boundary.len(), *ended == Ended::No, level, rest))
            }
            Content::Leaf | Content::Message(_) => None,
        });
        let (_, awaited, level, rest) =
            fitting.max_by_key(|&(length, awaited, level, _)| (length, awaited, level))?;
        awaited.then(|| (level, if rest.starts_with(b"--") { Ended::Yes } else { Ended::No }))
    }

    fn begin_part(&mut self, level: usize, now: Ended) {
        let Some(Open { content: Content::Multipart { ended, .. }, content_type, .. }) =
            self.open.get_mut(level)
        else {
            return;
        };
        *ended = now;
        if now == Ended::No && self.parts < PART_LIMIT {
            let digest =
                content_type.media_type().is_some_and(|(_, sub)| sub.eq_ignore_ascii_case(b"digest"));
            self.parts += 1;
            self.open.push(Open::new(self.offset, if digest { DIGEST } else { TEXT }));
        }
    }

    fn take_text(&mut self, line: &[u8], whole: bool) {
        let depth = self.open.len();
        let Some(open) = self.open.last_mut() else {
            return;
        };
        if open.body.is_some() {
            return;
        }
        let kept = line.len().min(self.head_left);
        self.head_left -= kept;
        open.head.extend(line.iter().take(kept));
        if whole && (line == b"\r\n" || line == b"\n") {
            open.begin_body(self.offset, self.lines, depth < DEPTH_LIMIT);
            if matches!(open.content, Content::Message(_)) {
                self.open.push(Open::new(self.offset, TEXT));
            }
        }
    }

    /// The innermost entity ends at `end` and goes into the one around it.
    fn close_innermost(&mut self, end: u64, lines: u64) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let entity = open.closed(end, lines);
        match self.open.last_mut().map(|outer| &mut outer.content) {
            Some(Content::Multipart { parts, .. }) => parts.push(entity),
            Some(Content::Message(message)) => *message = Some(Box::new(entity)),
            Some(Content::Leaf) | None => {}
        }
    }
}

impl Open {
    fn new(start: u64, default_type: &'static [u8]) -> Self {
        let content_type = Parameterised::default();
        Self { start, head: Vec::new(), body: None, default_type, content_type, content: Content::Leaf }
    }

    /// The header section is complete and decides the kind of the body.
    fn begin_body(&mut self, offset: u64, line: u64, look_inside: bool) {
        self.body = Some((offset, line));
        self.content_type = self.declared_type();
        let Some((kind, subtype)) = self.content_type.media_type().filter(|_| look_inside) else {
            return;
        };
        // RFC 2046 section 5.1.1: no boundary ends with white space, which gateways take away.
        let boundary = self.content_type.parameter("boundary").map(|b| b.trim_ascii_end().to_vec());
        if kind.eq_ignore_ascii_case(b"multipart")
            && let Some(boundary) = boundary.filter(|b| !b.is_empty() && b.len() <= BOUNDARY_LIMIT)
        {
            self.content = Content::Multipart { boundary, parts: Vec::new(), ended: Ended::No };
        } else if kind.eq_ignore_ascii_case(b"message")
            && subtype.eq_ignore_ascii_case(b"rfc822")
            && !self.is_encoded()
        {
            self.content = Content::Message(None);
        }
    }

    fn declared_type(&self) -> Parameterised {
        let field = header::find(&self.head, "Content-Type")
            .map(|field| parameters::parse(&header::unfolded(field.value)));
        field
            .filter(|declared| declared.media_type().is_some())
            .unwrap_or_else(|| parameters::parse(self.default_type))
    }

    /// RFC 2046 section 5.2.1 forbids it; some programs do it all the same.
    fn is_encoded(&self) -> bool {
        header::transfer_encoding(&self.head).is_some_and(|encoding| ENCODINGS.contains(&encoding.as_slice()))
    }

    fn closed(mut self, end: u64, lines: u64) -> Entity {
        let (body_start, first_line) = self.body.unwrap_or((end.max(self.start), lines));
        if self.body.is_none() {
            self.content_type = self.declared_type();
        }
        Entity {
            header: self.start..body_start,
            body: body_start..end.max(body_start),
            lines: lines.saturating_sub(first_line),
            head: self.head,
            content_type: self.content_type,
            kind: match self.content {
                Content::Leaf | Content::Message(None) => Kind::Leaf,
                Content::Multipart { parts, .. } if parts.is_empty() => Kind::Leaf,
                Content::Multipart { parts, .. } => Kind::Multipart(parts),
                Content::Message(Some(message)) => Kind::Message(message),
            },
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn line_end(line: &[u8]) -> u64 {
    match line {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Entity, Kind, Walker};

    fn walk(message: &str, step: usize) -> Entity {
        let mut walker = Walker::new();
        message.as_bytes().chunks(step).for_each(|chunk| walker.feed(chunk));
        walker.finish()
    }

    /// The same tree must be found however the message is cut; the body of a part is compared.
    fn check(message: &str, path: &[u32], expected: Option<&str>) {
        let message = message.replace('\n', "\r\n");
        let whole = walk(&message, usize::MAX);
        for step in [1, 2, 7] {
            assert_eq!(walk(&message, step), whole);
        }
        let body = whole.part(path).map(|part| {
            let (start, end) = (usize::try_from(part.body.start), usize::try_from(part.body.end));
            message.get(start.unwrap()..end.unwrap()).unwrap()
        });
        assert_eq!(body, expected.map(|text| text.replace('\n', "\r\n")).as_deref(), "{path:?}");
    }

    const MIXED: &str = "\
Content-Type: multipart/mixed; boundary=outer

preamble
--outer

first
--outer
Content-Type: message/rfc822

Content-Type: multipart/alternative; boundary=\"inner\"

--inner
Content-Type: text/plain

plain

--inner
Content-Type: text/html

html
--inner--
epilogue
--outer
Content-Type: message/rfc822

Subject: single

alone
--outer--
the end
";

    #[test]
    fn parts_are_found_by_number() {
        check(MIXED, &[1], Some("first"));
        check(MIXED, &[2, 1], Some("plain\n"));
        check(MIXED, &[2, 2], Some("html"));
        check(MIXED, &[3, 1], Some("alone"));
        check(MIXED, &[3, 1, 1], None);
        check(MIXED, &[4], None);
        check(MIXED, &[1, 1], None);
        check("Subject: x\n\nbody\n", &[1], Some("body\n"));
        check("Subject: x\n\nbody\n", &[2], None);
    }

    #[test]
    fn a_delimiter_may_have_something_behind_it() {
        let words = "Content-Type: multipart/mixed; boundary=b\n\n--b words \n\none\n--b--words\n\nthe end\n";
        check(words, &[1], Some("one"));
        check(words, &[2], None);
        let long = words.replace("words ", &"word ".repeat(10_000));
        check(&long, &[1], Some("one"));
        assert_eq!(walk(&long, 999).part(&[1]).unwrap().lines, walk(words, 999).part(&[1]).unwrap().lines);
        assert_eq!(walk(&long, 999).lines, walk(words, 999).lines);
        check(&words.replace("boundary=b", "boundary=\"b \""), &[1], Some("one"));
    }

    #[test]
    fn a_boundary_that_begins_with_another_is_not_it() {
        let nested = |outer: &str, inner: &str| {
            MIXED.replace("outer", outer).replace("inner", inner).replace("\nhtml\n", "\nhtml\n--\n")
        };
        for message in [nested("b", "b1"), nested("b1", "b"), nested("b", "b--"), nested("b", "b")] {
            check(&message, &[1], Some("first"));
            check(&message, &[2, 1], Some("plain\n"));
        }
        for message in [nested("b", "b1"), nested("b1", "b")] {
            check(&message, &[2, 2], Some("html\n--"));
            check(&message, &[3, 1], Some("alone"));
        }
        // A multipart that has ended goes on claiming its delimiters: they are part of its epilogue.
        let again = nested("b", "b1").replace("epilogue", "--b1\n\nepilogue");
        check(&again, &[2, 3], None);
        check(&again, &[3, 1], Some("alone"));
    }

    #[test]
    fn an_encoded_message_is_not_looked_into() {
        let inside = |encoding: &str| {
            let message = format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\nSubject: x\r\n\r\ny"
            );
            matches!(walk(&message, 5).kind, Kind::Message(_))
        };
        for encoding in ["base64 (see below)", "(c) Quoted-Printable", "\"base64\"", "base64;", "x-uuencode"]
        {
            assert!(!inside(encoding), "{encoding}");
        }
        for encoding in ["8bit (c)", "binary", "7bit;", "", "(base64)", "unknown"] {
            assert!(inside(encoding), "{encoding}");
        }
    }

    #[test]
    fn a_missing_end_swallows_nothing() {
        let broken = MIXED.replace("--inner--\n", "");
        check(&broken, &[2, 2], Some("html\nepilogue"));
        check(&broken, &[3, 1], Some("alone"));
    }

    #[test]
    fn odd_messages_have_a_structure_too() {
        assert_eq!(walk("", 1).kind, Kind::Leaf);
        assert_eq!(walk("Subject: no end", 1).header, 0..15);
        assert_eq!(walk("Content-Type: multipart/mixed; boundary=x\r\n\r\nno parts", 9).kind, Kind::Leaf);
        let empty_part = "Content-Type: multipart/mixed; boundary=x\n\n--x\n--x--\n";
        check(empty_part, &[1], Some(""));
        let long_line = format!("Subject: x\n\n{}\n--x\n", "y".repeat(100_000));
        assert_eq!(walk(&long_line, 999).lines, 2);
    }

    #[test]
    fn the_line_end_before_a_delimiter_is_not_counted() {
        let lines = |body: &str| {
            let message = format!("Content-Type: multipart/mixed; boundary=x\n\n--x\n\n{body}--x--\n");
            walk(&message.replace('\n', "\r\n"), 5).part(&[1]).map(|part| part.lines)
        };
        assert_eq!(lines(""), Some(0));
        assert_eq!(lines("\n"), Some(0));
        assert_eq!(lines("hello\n"), Some(1));
        assert_eq!(lines("hello\n\n"), Some(1));
        assert_eq!(lines("hello\n\n\n"), Some(2));
    }

    #[test]
    fn nesting_and_numbers_have_limits() {
        let mut deep = String::new();
        for level in 0..200 {
            deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"));
        }
        walk(&deep, 1_000);
        let wide =
            format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{}", "--x\r\n\r\n".repeat(5_000));
        match walk(&wide, 1_000).kind {
            Kind::Multipart(parts) => assert_eq!(parts.len(), 499),
            other => panic!("{other:?}"),
        }
    }
}
