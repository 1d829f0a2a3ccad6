//! `SELECT` and `EXAMINE`.

use mail_types::{ModSeq, UidValidity};

use super::arguments::{mailbox, sequence_set};
use super::cursor::{Cursor, Parsed, Syntax};
use crate::command::{Command, Qresync, Select, SelectTracking};
use crate::mail::Access;

/// RFC 3501 and RFC 4466: select = "SELECT" SP mailbox [SP "(" select-param *(SP select-param) ")"]
pub(super) fn select(cursor: &mut Cursor<'_>, access: Access) -> Parsed<Command> {
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    let mut select = Select { mailbox, access, tracking: SelectTracking::Plain };
    if cursor.skip(" (") {
        loop {
            cursor.skip_spaces();
            match cursor.atom()?.to_ascii_uppercase().as_str() {
                "CONDSTORE" if select.tracking == SelectTracking::Plain => {
                    select.tracking = SelectTracking::Condstore;
                }
                "CONDSTORE" => {}
                "QRESYNC" => select.tracking = SelectTracking::Qresync(qresync(cursor)?),
                _ => return Err(Syntax("unknown parameter of SELECT")),
            }
            if cursor.close() {
                break;
            }
        }
    }
    Ok(Command::Select(select))
}

/// RFC 7162: "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"
fn qresync(cursor: &mut Cursor<'_>) -> Parsed<Qresync> {
    cursor.space()?;
    cursor.require("(", "an opening parenthesis is missing")?;
    let uid_validity = UidValidity::new(cursor.number()?).ok_or(Syntax("UIDVALIDITY is never 0"))?;
    cursor.space()?;
    let since = ModSeq(cursor.number64()?);
    let mut known = None;
    while !cursor.close() {
        cursor.space()?;
        if cursor.skip("(") {
            // The two sets of the sequence match data would only save some bytes of VANISHED.
            sequence_set(cursor)?;
            cursor.space()?;
            sequence_set(cursor)?;
            cursor.require(")", "a closing parenthesis is missing")?;
        } else {
            known = Some(sequence_set(cursor)?);
        }
    }
    Ok(Qresync { uid_validity, since, known })
}
