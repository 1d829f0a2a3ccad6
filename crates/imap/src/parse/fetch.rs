//! `FETCH`.

use mail_types::ModSeq;

use super::arguments::sequence_set;
use super::cursor::{Cursor, Parsed, Syntax};
use crate::command::{
    Command, Fetch, FetchItem, FetchSection, MarkSeen, Section, SectionName, SectionText, Vanished,
};
use crate::sequence::Numbering;

/// The most items of one command.
const ITEM_LIMIT: usize = 100;
/// The deepest part number.
const DEPTH_LIMIT: usize = 30;

/// RFC 3501 and RFC 4466: fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att /
/// "(" fetch-att *(SP fetch-att) ")") [SP "(" fetch-modifier *(SP fetch-modifier) ")"]
pub(super) fn fetch(cursor: &mut Cursor<'_>, numbering: Numbering) -> Parsed<Command> {
    cursor.space()?;
    let set = sequence_set(cursor)?;
    cursor.space()?;
    let items = if cursor.peek() == Some(b'(') { cursor.list(item)? } else { macro_or_item(cursor)? };
    if items.len() > ITEM_LIMIT {
        return Err(Syntax("too many items to fetch"));
    }
    let mut fetch = Fetch { set, numbering, items, changed_since: None, vanished: Vanished::Omit };
    if cursor.skip(" (") {
        modifiers(cursor, &mut fetch)?;
    }
    Ok(Command::Fetch(fetch))
}

/// RFC 7162: fetch-modifier = "CHANGEDSINCE" SP mod-sequence-value / "VANISHED"
fn modifiers(cursor: &mut Cursor<'_>, fetch: &mut Fetch) -> Parsed<()> {
    loop {
        cursor.skip_spaces();
        match cursor.atom()?.to_ascii_uppercase().as_str() {
            "CHANGEDSINCE" => {
                cursor.space()?;
                fetch.changed_since = Some(ModSeq(cursor.number64()?));
            }
            "VANISHED" => fetch.vanished = Vanished::Report,
            _ => return Err(Syntax("unknown modifier of FETCH")),
        }
        if cursor.close() {
            break;
        }
    }
    if fetch.vanished == Vanished::Report
        && (fetch.numbering == Numbering::Sequence || fetch.changed_since.is_none())
    {
        return Err(Syntax("VANISHED goes with UID FETCH and CHANGEDSINCE"));
    }
    Ok(())
}

/// The three macros stand alone, not in a list.
fn macro_or_item(cursor: &mut Cursor<'_>) -> Parsed<Vec<FetchItem>> {
    let mut ahead = *cursor;
    let name = ahead.atom()?.to_ascii_uppercase();
    let mut items = vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size];
    match name.as_str() {
        "FAST" => {}
        "ALL" => items.push(FetchItem::Envelope),
        "FULL" => items.extend([FetchItem::Envelope, FetchItem::Body]),
        _ => return Ok(vec![item(cursor)?]),
    }
    *cursor = ahead;
    Ok(items)
}

/// RFC 3501: fetch-att
fn item(cursor: &mut Cursor<'_>) -> Parsed<FetchItem> {
    let name = cursor
        .take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.', "something to fetch is missing")?;
    Ok(match name.to_ascii_uppercase().as_str() {
        "UID" => FetchItem::Uid,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "RFC822.SIZE" => FetchItem::Size,
        "MODSEQ" => FetchItem::ModSeq,
        "ENVELOPE" => FetchItem::Envelope,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "RFC822" => old(SectionText::Whole, MarkSeen::Yes, SectionName::Rfc822),
        "RFC822.HEADER" => old(SectionText::Header, MarkSeen::No, SectionName::Rfc822Header),
        "RFC822.TEXT" => old(SectionText::Text, MarkSeen::Yes, SectionName::Rfc822Text),
        "BODY" if cursor.peek() != Some(b'[') => FetchItem::Body,
        "BODY" => section_item(cursor, MarkSeen::Yes)?,
        "BODY.PEEK" => section_item(cursor, MarkSeen::No)?,
        _ => return Err(Syntax("there is no such thing to fetch")),
    })
}

/// The items that are older names of a section of the whole message.
fn old(text: SectionText, seen: MarkSeen, name: SectionName) -> FetchItem {
    let section = Section { path: Vec::new(), text };
    FetchItem::Section(FetchSection { section, partial: None, seen, name })
}

/// RFC 3501: "BODY" [".PEEK"] section ["<" number "." nz-number ">"]
fn section_item(cursor: &mut Cursor<'_>, seen: MarkSeen) -> Parsed<FetchItem> {
    cursor.require("[", "a section is missing")?;
    let section = section(cursor)?;
    cursor.require("]", "a section is not closed")?;
    let mut partial = None;
    if cursor.skip("<") {
        let first = cursor.number()?;
        cursor.require(".", "a range of bytes is malformed")?;
        let count = cursor.number()?;
        cursor.require(">", "a range of bytes is malformed")?;
        partial = Some((first, count));
    }
    Ok(FetchItem::Section(FetchSection { section, partial, seen, name: SectionName::Body }))
}

/// RFC 3501: section-spec = section-msgtext / (section-part ["." section-text])
fn section(cursor: &mut Cursor<'_>) -> Parsed<Section> {
    let mut path = Vec::new();
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        path.push(cursor.number()?);
        if path.len() > DEPTH_LIMIT {
            return Err(Syntax("a part number is too deep"));
        }
        if !cursor.skip(".") {
            return Ok(Section { path, text: SectionText::Whole });
        }
    }
    let ends = cursor.peek() == Some(b']');
    if ends && path.is_empty() {
        return Ok(Section { path, text: SectionText::Whole });
    }
    let name =
        cursor.take_while(|byte| byte.is_ascii_alphabetic() || byte == b'.', "a section is malformed")?;
    let text = match name.to_ascii_uppercase().as_str() {
        "HEADER" => SectionText::Header,
        "TEXT" => SectionText::Text,
        "MIME" if !path.is_empty() => SectionText::Mime,
        "HEADER.FIELDS" => SectionText::Fields(field_names(cursor)?),
        "HEADER.FIELDS.NOT" => SectionText::FieldsNot(field_names(cursor)?),
        _ => return Err(Syntax("there is no such section")),
    };
    Ok(Section { path, text })
}

/// RFC 3501: header-list = "(" header-fld-name *(SP header-fld-name) ")"
fn field_names(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.space()?;
    cursor.list(Cursor::text)
}
