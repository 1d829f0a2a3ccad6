//! Mailbox names, sequence sets and flags: arguments that several commands share.

use mail_types::{Flags, SystemFlag};

use super::cursor::{Cursor, Parsed, Syntax};
use crate::fault::Fault;
use crate::mailbox_name::MailboxName;
use crate::sequence::{Bound, SequenceSet};

/// RFC 3501: mailbox = "INBOX" / astring
pub(super) fn mailbox(cursor: &mut Cursor<'_>) -> Parsed<MailboxName> {
    MailboxName::from_wire(&cursor.astring()?).map_err(|_| Fault::Name)
}

/// RFC 3501: sequence-set = (seq-number / seq-range) *("," sequence-set)
pub(super) fn sequence_set(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    let mut ranges = Vec::new();
    loop {
        let from = bound(cursor)?;
        let to = if cursor.skip(":") { bound(cursor)? } else { from };
        ranges.push((from, to));
        if !cursor.skip(",") {
            return Ok(SequenceSet(ranges));
        }
    }
}

/// RFC 3501: seq-number = nz-number / "*"
fn bound(cursor: &mut Cursor<'_>) -> Parsed<Bound> {
    if cursor.skip("*") {
        return Ok(Bound::Star);
    }
    match cursor.number()? {
        0 => Err(Syntax("message numbers begin with 1")),
        number => Ok(Bound::Number(number)),
    }
}

/// RFC 3501: flag-list = "(" [flag *(SP flag)] ")"
pub(super) fn flag_list(cursor: &mut Cursor<'_>) -> Parsed<Flags> {
    cursor.require("(", "a list of flags is missing")?;
    let mut flags = Flags::default();
    while !cursor.close() {
        cursor.skip_spaces();
        flag(cursor, &mut flags)?;
    }
    Ok(flags)
}

/// RFC 3501: flag = "\Answered" / ... / flag-keyword
pub(super) fn flag(cursor: &mut Cursor<'_>, flags: &mut Flags) -> Parsed<()> {
    if !cursor.skip("\\") {
        let keyword = cursor.atom()?.parse().map_err(|_| Syntax("a keyword is too long"))?;
        flags.keywords.insert(keyword);
        return Ok(());
    }
    let name = cursor.atom()?;
    let mut known = SystemFlag::ALL.into_iter();
    match known.find(|flag| flag.as_str().trim_start_matches('\\').eq_ignore_ascii_case(name)) {
        Some(flag) => {
            flags.system.insert(flag);
            Ok(())
        }
        None => Err(Syntax("there is no such system flag")),
    }
}
