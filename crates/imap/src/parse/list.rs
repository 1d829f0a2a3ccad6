//! `LIST` and `LSUB`.

use std::collections::BTreeSet;

use super::cursor::{Cursor, Parsed, Syntax, is_astring_char};
use super::mailboxes::status_items;
use crate::command::{Command, List, ListKind, ListReturn, ListSelect};
use crate::mailbox_name::decode_utf7;

/// The most patterns of one command.
const PATTERN_LIMIT: usize = 20;
/// The longest pattern, in bytes.
const LENGTH_LIMIT: usize = 500;

/// RFC 5258: list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
pub(super) fn list(cursor: &mut Cursor<'_>, kind: ListKind) -> Parsed<Command> {
    cursor.space()?;
    let mut list = List {
        kind,
        reference: String::new(),
        patterns: Vec::new(),
        select: BTreeSet::new(),
        returns: BTreeSet::new(),
        status: Vec::new(),
    };
    if cursor.peek() == Some(b'(') && kind == ListKind::List {
        select_options(cursor, &mut list.select)?;
        cursor.space()?;
    }
    list.reference = decoded(&cursor.astring()?)?;
    cursor.space()?;
    list.patterns = match cursor.peek() {
        Some(b'(') if kind == ListKind::List => cursor.list(pattern)?,
        _ => vec![pattern(cursor)?],
    };
    if list.patterns.len() > PATTERN_LIMIT {
        return Err(Syntax("too many patterns"));
    }
    if kind == ListKind::List && cursor.skip(" RETURN ") {
        return_options(cursor, &mut list)?;
    }
    Ok(Command::List(list))
}

/// RFC 5258: list-select-opts = "(" [list-select-opt *(SP list-select-opt)] ")"
fn select_options(cursor: &mut Cursor<'_>, select: &mut BTreeSet<ListSelect>) -> Parsed<()> {
    cursor.require("(", "an opening parenthesis is missing")?;
    while !cursor.close() {
        cursor.skip_spaces();
        select.insert(match cursor.atom()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => ListSelect::Subscribed,
            "REMOTE" => ListSelect::Remote,
            "RECURSIVEMATCH" => ListSelect::RecursiveMatch,
            "SPECIAL-USE" => ListSelect::SpecialUse,
            _ => return Err(Syntax("unknown selection option of LIST")),
        });
    }
    let recursive = select.contains(&ListSelect::RecursiveMatch);
    let narrows = select.contains(&ListSelect::Subscribed) || select.contains(&ListSelect::SpecialUse);
    if recursive && !narrows { Err(Syntax("RECURSIVEMATCH goes with another option")) } else { Ok(()) }
}

/// RFC 5258: list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"
fn return_options(cursor: &mut Cursor<'_>, list: &mut List) -> Parsed<()> {
    cursor.require("(", "an opening parenthesis is missing")?;
    while !cursor.close() {
        cursor.skip_spaces();
        list.returns.insert(match cursor.atom()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => ListReturn::Subscribed,
            "CHILDREN" => ListReturn::Children,
            "SPECIAL-USE" => ListReturn::SpecialUse,
            "STATUS" => {
                cursor.space()?;
                list.status = status_items(cursor)?;
                continue;
            }
            _ => return Err(Syntax("unknown return option of LIST")),
        });
    }
    Ok(())
}

/// RFC 3501: list-mailbox = 1*list-char / string
fn pattern(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let bytes = match cursor.peek() {
        Some(b'"' | b'{') => cursor.string()?,
        _ => {
            let pattern = cursor.take_while(is_list_char, "a pattern is missing")?;
            pattern.as_bytes().to_vec()
        }
    };
    decoded(&bytes)
}

/// RFC 3501: list-char = ATOM-CHAR / list-wildcards / resp-specials
fn is_list_char(byte: u8) -> bool {
    is_astring_char(byte) || byte == b'*' || byte == b'%'
}

/// A pattern in modified UTF-7, decoded. Any other stands for itself and matches no name, which is no fault.
fn decoded(bytes: &[u8]) -> Parsed<String> {
    if bytes.len() > LENGTH_LIMIT {
        return Err(Syntax("a pattern is too long"));
    }
    Ok(decode_utf7(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned()))
}
