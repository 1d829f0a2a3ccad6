//! Writing one `FETCH` response (RFC 3501 section 7.4.2) from the view and the bytes read.

use std::ops::Range;

use crate::command::{FetchItem, FetchSection, MarkSeen, Section, SectionName, SectionText};
use crate::datetime::write_date_time;
use crate::length::length;
use crate::message::bodystructure::{self, Extensions};
use crate::message::envelope;
use crate::message::header::{Selection, select};
use crate::message::structure::{Entity, Kind};
use crate::parse::is_atom_char;
use crate::respond::{literal, string};
use crate::view::{Message, View};
use crate::writer::Writer;

/// An empty string. Quirk: some clients wait for the bytes of a literal that has none.
const EMPTY: &[u8] = b"\"\"";

/// The part of the open message that was read.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The length of the message in bytes.
    pub(super) size: u64,
    /// The first bytes.
    pub(super) head: Vec<u8>,
    /// The length of the header in `head`, with the empty line.
    pub(super) header_end: Option<usize>,
    /// The MIME structure, once the message was read to its end.
    pub(super) structure: Option<Entity>,
}

impl Content {
    fn header(&self) -> &[u8] {
        if let Some(structure) = &self.structure {
            return &structure.head;
        }
        self.header_end.and_then(|end| self.head.get(..end)).unwrap_or(&[])
    }

    fn header_length(&self) -> u64 {
        if let Some(structure) = &self.structure {
            return structure.header.end;
        }
        length(self.header())
    }
}

/// The content of a section.
enum SectionContent {
    /// A range of the message.
    Range(Range<u64>),
    /// Bytes composed from the message: a selection of header fields.
    Bytes(Vec<u8>),
    /// There is no such part.
    Nothing,
}

/// Writes the response.
pub(super) fn respond(
    out: &mut Writer,
    view: &View,
    (number, message): (usize, &Message),
    items: &[FetchItem],
    content: &Content,
) {
    out.text(&format!("* {number} FETCH ("));
    // `FLAGS` go with the first section that sets `\Seen`, unless the client asked for them anyway.
    let mut tells_flags = items.contains(&FetchItem::Flags);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.text(" ");
        }
        match item {
            FetchItem::Uid => out.text(&format!("UID {}", message.uid.get())),
            FetchItem::Flags => out.text(&format!("FLAGS {}", view.flag_list(message))),
            FetchItem::InternalDate => {
                out.text(&format!("INTERNALDATE {}", write_date_time(message.internal_date)));
            }
            FetchItem::Size => out.text(&format!("RFC822.SIZE {}", message.size)),
            FetchItem::ModSeq => out.text(&format!("MODSEQ ({})", message.modseq.0)),
            FetchItem::Envelope => {
                out.text("ENVELOPE ");
                out.bytes(&envelope::write(content.header()));
            }
            FetchItem::Body => write_structure(out, "BODY", content, Extensions::Omit),
            FetchItem::BodyStructure => {
                write_structure(out, "BODYSTRUCTURE", content, Extensions::Tell);
            }
            FetchItem::Section(section) => {
                write_section(out, section, content);
                if section.seen == MarkSeen::Yes && !tells_flags {
                    out.text(&format!(" FLAGS {}", view.flag_list(message)));
                    tells_flags = true;
                }
            }
        }
    }
    out.text(")\r\n");
}

fn write_structure(out: &mut Writer, name: &str, content: &Content, extensions: Extensions) {
    let structure = content.structure.as_ref().map(|entity| bodystructure::write(entity, extensions));
    out.text(name);
    out.text(" ");
    out.bytes(&structure.unwrap_or_else(|| b"NIL".to_vec()));
}

fn write_section(out: &mut Writer, section: &FetchSection, content: &Content) {
    write_name(out, section);
    match find(&section.section, content) {
        SectionContent::Range(range) => write_range(out, clip(range, section.partial), content),
        SectionContent::Bytes(bytes) => {
            let whole = 0..length(&bytes);
            let range = clip(whole, section.partial);
            let bytes = slice(&bytes, &range).unwrap_or(&[]);
            out.bytes(&if bytes.is_empty() { EMPTY.to_vec() } else { literal(bytes) });
        }
        SectionContent::Nothing => out.text("NIL"),
    }
}

/// The content that a section specification names (RFC 3501 section 6.4.5).
fn find(section: &Section, content: &Content) -> SectionContent {
    if section.path.is_empty() {
        return match &section.text {
            SectionText::Whole => SectionContent::Range(0..content.size),
            SectionText::Header | SectionText::Mime => SectionContent::Range(0..content.header_length()),
            SectionText::Text => SectionContent::Range(content.header_length()..content.size),
            SectionText::Fields(names) => {
                SectionContent::Bytes(select(content.header(), names, Selection::Only))
            }
            SectionText::FieldsNot(names) => {
                SectionContent::Bytes(select(content.header(), names, Selection::Except))
            }
        };
    }
    let Some(part) = content.structure.as_ref().and_then(|structure| structure.part(&section.path)) else {
        return SectionContent::Nothing;
    };
    match (&section.text, &part.kind) {
        (SectionText::Whole, _) => SectionContent::Range(part.body.clone()),
        (SectionText::Mime, _) => SectionContent::Range(part.header.clone()),
        (SectionText::Header, Kind::Message(message)) => SectionContent::Range(message.header.clone()),
        (SectionText::Text, Kind::Message(message)) => SectionContent::Range(message.body.clone()),
        (SectionText::Fields(names), Kind::Message(message)) => {
            SectionContent::Bytes(select(&message.head, names, Selection::Only))
        }
        (SectionText::FieldsNot(names), Kind::Message(message)) => {
            SectionContent::Bytes(select(&message.head, names, Selection::Except))
        }
        // Only a message inside the message has a header and a text of its own.
        _ => SectionContent::Nothing,
    }
}

/// The part of a range that a partial specifier `<first.count>` names; empty beyond the end (RFC 3501 section 6.4.5).
fn clip(range: Range<u64>, partial: Option<(u32, u32)>) -> Range<u64> {
    let Some((first, count)) = partial else {
        return range;
    };
    let start = range.start.saturating_add(u64::from(first)).min(range.end);
    start..start.saturating_add(u64::from(count)).min(range.end)
}

/// Writes a range of the message as a literal: from memory if it was read already, else copied by the driver.
fn write_range(out: &mut Writer, range: Range<u64>, content: &Content) {
    if range.is_empty() {
        return out.bytes(EMPTY);
    }
    out.text(&format!("{{{}}}\r\n", range.end - range.start));
    match slice(&content.head, &range) {
        Some(bytes) => out.bytes(bytes),
        None => out.message(range),
    }
}

fn slice<'a>(bytes: &'a [u8], range: &Range<u64>) -> Option<&'a [u8]> {
    bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

/// Writes the name of the data item (RFC 3501 section 7.4.2).
fn write_name(out: &mut Writer, section: &FetchSection) {
    match section.name {
        SectionName::Rfc822 => return out.text("RFC822 "),
        SectionName::Rfc822Header => return out.text("RFC822.HEADER "),
        SectionName::Rfc822Text => return out.text("RFC822.TEXT "),
        SectionName::Body => {}
    }
    out.text("BODY[");
    let mut levels: Vec<String> = section.section.path.iter().map(u32::to_string).collect();
    let (text, names) = match &section.section.text {
        SectionText::Whole => (None, None),
        SectionText::Header => (Some("HEADER"), None),
        SectionText::Text => (Some("TEXT"), None),
        SectionText::Mime => (Some("MIME"), None),
        SectionText::Fields(names) => (Some("HEADER.FIELDS"), Some(names)),
        SectionText::FieldsNot(names) => (Some("HEADER.FIELDS.NOT"), Some(names)),
    };
    levels.extend(text.map(str::to_owned));
    out.text(&levels.join("."));
    if let Some(names) = names {
        let names = names
            .iter()
            .map(String::as_bytes)
            .map(|name| if name.iter().copied().all(is_atom_char) { name.to_vec() } else { string(name) });
        out.text(" (");
        out.bytes(&names.collect::<Vec<_>>().join(&b' '));
        out.text(")");
    }
    out.text("]");
    if let Some((first, _)) = section.partial {
        out.text(&format!("<{first}>"));
    }
    out.text(" ");
}
