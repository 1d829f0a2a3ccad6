//! `SEARCH`.

use std::collections::BTreeSet;

use mail_types::{ModSeq, SystemFlag};

use super::arguments::sequence_set;
use super::cursor::{Cursor, Parsed, Syntax};
use crate::command::{Charset, Command, Search, SearchReturn};
use crate::datetime;
use crate::fault::Fault;
use crate::search_key::{DateComparison, SearchKey};
use crate::sequence::Numbering;

/// The most keys of one command.
const KEY_LIMIT: usize = 1_000;
/// The deepest nesting of keys.
const DEPTH_LIMIT: usize = 30;

/// RFC 3501 and RFC 4731: search = "SEARCH" [SP "RETURN" SP "(" ... ")"] [SP "CHARSET" SP astring] 1*(SP search-key)
pub(super) fn search(cursor: &mut Cursor<'_>, numbering: Numbering) -> Parsed<Command> {
    let returns = if cursor.skip(" RETURN ") { Some(returns(cursor)?) } else { None };
    let mut charset = Charset::Known;
    if cursor.skip(" CHARSET ") {
        let name = cursor.text()?.to_ascii_uppercase();
        if name != "UTF-8" && name != "US-ASCII" {
            charset = Charset::Unknown;
        }
    }
    let mut keys = Keys { left: KEY_LIMIT };
    let mut all = Vec::new();
    while cursor.skip(" ") {
        cursor.skip_spaces();
        if !matches!(cursor.peek(), None | Some(b'\r')) {
            all.push(keys.key(cursor, DEPTH_LIMIT)?);
        }
    }
    if all.is_empty() {
        return Err(Syntax("a search key is missing"));
    }
    Ok(Command::Search(Search { numbering, key: SearchKey::And(all), returns, charset }))
}

/// RFC 4731: search-return-opt = "MIN" / "MAX" / "ALL" / "COUNT"; none stands for ALL.
fn returns(cursor: &mut Cursor<'_>) -> Parsed<BTreeSet<SearchReturn>> {
    cursor.require("(", "an opening parenthesis is missing")?;
    let mut returns = BTreeSet::new();
    while !cursor.close() {
        cursor.skip_spaces();
        returns.insert(match cursor.atom()?.to_ascii_uppercase().as_str() {
            "MIN" => SearchReturn::Min,
            "MAX" => SearchReturn::Max,
            "ALL" => SearchReturn::All,
            "COUNT" => SearchReturn::Count,
            _ => return Err(Syntax("unknown return option of SEARCH")),
        });
    }
    if returns.is_empty() {
        returns.insert(SearchReturn::All);
    }
    Ok(returns)
}

/// Reader of search keys with a bound on their number.
struct Keys {
    left: usize,
}

impl Keys {
    /// RFC 3501: search-key
    fn key(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Parsed<SearchKey> {
        const TOO_MANY: Fault = Syntax("there are too many search keys");
        self.left = self.left.checked_sub(1).ok_or(TOO_MANY)?;
        let deeper = depth.checked_sub(1).ok_or(TOO_MANY)?;
        match cursor.peek() {
            Some(b'(') => return Ok(SearchKey::And(cursor.list(|cursor| self.key(cursor, deeper))?)),
            Some(b'0'..=b'9' | b'*') => {
                return Ok(SearchKey::Set(sequence_set(cursor)?, Numbering::Sequence));
            }
            _ => {}
        }
        let name = cursor.atom()?.to_ascii_uppercase();
        if let Some(key) = simple(&name) {
            return Ok(key);
        }
        cursor.space()?;
        match name.as_str() {
            "NOT" => Ok(not(self.key(cursor, deeper)?)),
            "OR" => {
                let one = self.key(cursor, deeper)?;
                cursor.space()?;
                Ok(SearchKey::Or(Box::new(one), Box::new(self.key(cursor, deeper)?)))
            }
            _ => with_argument(&name, cursor),
        }
    }
}

/// Keys without an argument.
fn simple(name: &str) -> Option<SearchKey> {
    Some(match name {
        "ALL" => SearchKey::All,
        "RECENT" => SearchKey::Recent,
        "OLD" => not(SearchKey::Recent),
        "NEW" => SearchKey::And(vec![SearchKey::Recent, not(SearchKey::Flag(SystemFlag::Seen))]),
        "ANSWERED" => SearchKey::Flag(SystemFlag::Answered),
        "DELETED" => SearchKey::Flag(SystemFlag::Deleted),
        "DRAFT" => SearchKey::Flag(SystemFlag::Draft),
        "FLAGGED" => SearchKey::Flag(SystemFlag::Flagged),
        "SEEN" => SearchKey::Flag(SystemFlag::Seen),
        "UNANSWERED" => not(SearchKey::Flag(SystemFlag::Answered)),
        "UNDELETED" => not(SearchKey::Flag(SystemFlag::Deleted)),
        "UNDRAFT" => not(SearchKey::Flag(SystemFlag::Draft)),
        "UNFLAGGED" => not(SearchKey::Flag(SystemFlag::Flagged)),
        "UNSEEN" => not(SearchKey::Flag(SystemFlag::Seen)),
        _ => return None,
    })
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

/// Keys with an argument.
fn with_argument(name: &str, cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
    Ok(match name {
        "FROM" | "TO" | "CC" | "BCC" => SearchKey::Address(name.to_owned(), lower_case(cursor)?),
        "SUBJECT" => SearchKey::Header(name.to_owned(), lower_case(cursor)?),
        "HEADER" => {
            let field = cursor.text()?;
            cursor.space()?;
            SearchKey::Header(field, lower_case(cursor)?)
        }
        "BODY" => SearchKey::Body(lower_case(cursor)?),
        "TEXT" => SearchKey::Text(lower_case(cursor)?),
        "KEYWORD" => SearchKey::Keyword(cursor.atom()?.to_owned()),
        "UNKEYWORD" => not(SearchKey::Keyword(cursor.atom()?.to_owned())),
        "UID" => SearchKey::Set(sequence_set(cursor)?, Numbering::Uid),
        "LARGER" => SearchKey::Larger(cursor.number64()?),
        "SMALLER" => SearchKey::Smaller(cursor.number64()?),
        "BEFORE" => SearchKey::Arrived(DateComparison::Before, date(cursor)?),
        "ON" => SearchKey::Arrived(DateComparison::On, date(cursor)?),
        "SINCE" => SearchKey::Arrived(DateComparison::Since, date(cursor)?),
        "SENTBEFORE" => SearchKey::Sent(DateComparison::Before, date(cursor)?),
        "SENTON" => SearchKey::Sent(DateComparison::On, date(cursor)?),
        "SENTSINCE" => SearchKey::Sent(DateComparison::Since, date(cursor)?),
        "MODSEQ" => modseq(cursor)?,
        _ => return Err(Syntax("unknown search key")),
    })
}

/// RFC 7162: "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer. All flags of a message share one
/// modification sequence, so the entry makes no difference.
fn modseq(cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
    if cursor.peek() == Some(b'"') {
        cursor.string()?;
        cursor.space()?;
        cursor.atom()?;
        cursor.space()?;
    }
    Ok(SearchKey::ModSeq(ModSeq(cursor.number64()?)))
}

fn lower_case(cursor: &mut Cursor<'_>) -> Parsed<String> {
    Ok(String::from_utf8_lossy(&cursor.astring()?).to_lowercase())
}

/// RFC 3501: date = date-text / DQUOTE date-text DQUOTE; date-text = date-day "-" date-month "-" date-year
fn date(cursor: &mut Cursor<'_>) -> Parsed<i64> {
    const WRONG: &str = "a date is malformed";
    let quoted = cursor.skip("\"");
    let day = i64::from(cursor.number()?);
    cursor.require("-", WRONG)?;
    let month = cursor.take_while(|byte| byte.is_ascii_alphabetic(), WRONG)?;
    cursor.require("-", WRONG)?;
    let year = i64::from(cursor.number()?);
    if quoted {
        cursor.require("\"", WRONG)?;
    }
    datetime::month(month).and_then(|month| datetime::days(year, month, day)).ok_or(Syntax(WRONG))
}
