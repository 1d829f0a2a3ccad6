//! `APPEND` up to the announcement of its message.

use mail_types::{Flags, UnixTime};

use super::arguments::{flag_list, mailbox};
use super::cursor::{Cursor, Parsed, Syntax};
use super::tag::{Tagged, tag};
use crate::command::{Append, Command};
use crate::datetime;
use crate::frame::Announcement;

/// RFC 3501: append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal; none if the literal that is
/// announced is not the message (it can be the mailbox name, or belong to another command).
pub(crate) fn append(partial: &[u8], literal: Announcement) -> Option<Tagged> {
    let mut cursor = Cursor::new(partial);
    let tag = tag(&mut cursor).ok()?;
    cursor.space().ok()?;
    if !cursor.atom().ok()?.eq_ignore_ascii_case("APPEND") {
        return None;
    }
    let append = arguments(&mut cursor, literal).ok()?;
    Some(Tagged { tag, command: Command::Append(append) })
}

fn arguments(cursor: &mut Cursor<'_>, literal: Announcement) -> Parsed<Append> {
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    cursor.space()?;
    let mut append = Append { mailbox, flags: Flags::default(), date: None, literal };
    if cursor.peek() == Some(b'(') {
        append.flags = flag_list(cursor)?;
        cursor.space()?;
    }
    if cursor.peek() == Some(b'"') {
        append.date = Some(date_time(cursor)?);
        cursor.space()?;
    }
    cursor.require("{", "the message is missing")?;
    cursor.number64()?;
    cursor.skip("+");
    cursor.require("}", "a literal is malformed")?;
    cursor.end()?;
    Ok(append)
}

/// RFC 3501: date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
fn date_time(cursor: &mut Cursor<'_>) -> Parsed<UnixTime> {
    const MALFORMED: &str = "a date is malformed";
    cursor.require("\"", MALFORMED)?;
    cursor.skip_spaces();
    let day = i64::from(cursor.number()?);
    cursor.require("-", MALFORMED)?;
    let month = cursor.take_while(|byte| byte.is_ascii_alphabetic(), MALFORMED)?;
    let month = datetime::month(month).ok_or(Syntax(MALFORMED))?;
    cursor.require("-", MALFORMED)?;
    let year = i64::from(cursor.number()?);
    cursor.space()?;
    let hour = i64::from(cursor.number()?);
    cursor.require(":", MALFORMED)?;
    let minute = i64::from(cursor.number()?);
    cursor.require(":", MALFORMED)?;
    let second = i64::from(cursor.number()?);
    cursor.space()?;
    let east = match cursor.peek() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(Syntax(MALFORMED)),
    };
    let _ = cursor.skip("+") || cursor.skip("-");
    let zone = i64::from(cursor.number()?);
    cursor.require("\"", MALFORMED)?;
    if zone > 2_359 || zone % 100 > 59 {
        return Err(Syntax(MALFORMED));
    }
    let days = datetime::days(year, month, day).ok_or(Syntax(MALFORMED))?;
    let offset = east * (zone / 100 * 60 + zone % 100);
    let seconds = datetime::seconds(days, (hour, minute, second), offset).ok_or(Syntax(MALFORMED))?;
    // `UnixTime` begins with 1970: earlier dates become its first second.
    Ok(UnixTime(u64::try_from(seconds).unwrap_or(0)))
}
