//! Telling the client, unasked, what others have done in its mailbox.

use mail_types::{Flags, SystemFlag};

use super::Context;
use crate::command::{By, Command};
use crate::dialogue::{Answer, Question, Refusal};
use crate::sequence::write_uids;
use crate::session::{Freshness, State, Tracking};
use crate::view::{News, View};
use crate::writer::Writer;

/// Why a session whose mailbox is gone cannot go on: there is no response that would tell its client.
pub(crate) const MAILBOX_DELETED: &str = "The mailbox has been deleted.";

/// What may be told before a command is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Updates {
    /// Everything.
    All,
    /// Everything but expunges: numbers must not move (RFC 3501 section 7.4.1).
    KeepNumbers,
    /// Nothing: the mailbox is being entered or left.
    Nothing,
}

impl Updates {
    /// What may be told at the end of a command.
    pub(crate) fn after(command: &Command) -> Self {
        let by = match command {
            Command::Fetch(fetch) => fetch.by,
            Command::Store(store) => store.by,
            Command::Search(search) => search.by,
            Command::Select(_) | Command::Close | Command::Unselect | Command::Logout => {
                return Self::Nothing;
            }
            _ => return Self::All,
        };
        match by {
            By::Number => Self::KeepNumbers,
            By::Uid => Self::All,
        }
    }
}

/// Tells news, and what had to be held back before.
pub(crate) fn tell(out: &mut Writer, view: &mut View, news: &News, updates: Updates, tracking: Tracking) {
    if updates == Updates::Nothing {
        return;
    }
    if updates == Updates::All {
        tell_gone(out, view, tracking);
    }
    if news.arrived {
        out.text(&format!("* {} EXISTS\r\n* 0 RECENT\r\n", view.exists()));
    }
    for &uid in &news.flagged {
        if let Some((number, message)) = view.find(uid) {
            out.text(&format!("* {number} FETCH (UID {} FLAGS {}", uid.get(), flag_list(&message.flags)));
            if tracking >= Tracking::Condstore {
                out.text(&format!(" MODSEQ ({})", message.modseq.0));
            }
            out.text(")\r\n");
        }
    }
}

/// Tells which messages are gone and takes their numbers away: `EXPUNGE`, or `VANISHED` for those who asked for it.
pub(crate) fn tell_gone(out: &mut Writer, view: &mut View, tracking: Tracking) {
    let gone = view.forget_gone();
    if gone.is_empty() {
        return;
    }
    if tracking == Tracking::Qresync {
        out.text(&format!("* VANISHED {}\r\n", write_uids(gone.iter().map(|(_, uid)| uid))));
        return;
    }
    for (number, _) in gone {
        out.text(&format!("* {number} EXPUNGE\r\n"));
    }
}

/// RFC 3501: "(" [flag-fetch *(SP flag-fetch)] ")"
pub(crate) fn flag_list(flags: &Flags) -> String {
    let system = SystemFlag::ALL.into_iter().filter(|&flag| flags.has(flag)).map(SystemFlag::as_str);
    let mut names: Vec<&str> = system.collect();
    names.extend(flags.keywords.iter().map(mail_types::Keyword::as_str));
    format!("({})", names.join(" "))
}

/// The question what has happened in the selected mailbox; asking it makes the view fresh.
pub(crate) fn whats_new(context: &mut Context<'_>) -> Option<Question> {
    let State::Selected(view) = context.state else {
        return None;
    };
    *context.freshness = Freshness::Fresh;
    Some(Question::Changes { mailbox: view.mailbox.clone(), since: view.synced })
}

/// Takes in and tells what has happened.
pub(crate) fn take_in(context: &mut Context<'_>, answer: Answer, updates: Updates) -> Result<(), Refusal> {
    let State::Selected(view) = context.state else {
        return Ok(());
    };
    match answer {
        Answer::Changes(changes) => {
            let news = view.apply(changes);
            tell(context.out, view, &news, updates, *context.tracking);
            Ok(())
        }
        other => {
            *context.freshness = Freshness::Unreachable;
            Err(if let Answer::Refused(refusal) = other { refusal } else { Refusal::Unavailable })
        }
    }
}
