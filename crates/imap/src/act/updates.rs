//! Untagged updates about changes by other sessions (RFC 3501 section 5.2).

use mail_types::{Keyword, SystemFlag, Uid};

use super::job::Context;
use crate::command::Command;
use crate::dialogue::{Answer, CommandFailure, Question};
use crate::mail::Access;
use crate::sequence::{Numbering, write_uids};
use crate::state::{Freshness, State, Tracking};
use crate::view::{Updates, View};
use crate::writer::Writer;

/// The text of the `BYE` to a client whose selected mailbox was deleted, which no response could tell it.
pub(crate) const MAILBOX_DELETED: &str = "The mailbox has been deleted.";

/// The updates that may be sent before a command is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AllowedUpdates {
    /// All updates.
    All,
    /// All but expunges: sequence numbers must not change (RFC 3501 section 7.4.1).
    AllButExpunges,
    /// None: the mailbox is being opened or closed.
    Nothing,
}

impl AllowedUpdates {
    /// The updates that may be sent before the completion of a command.
    pub(crate) fn after(command: &Command) -> Self {
        let numbering = match command {
            Command::Fetch(fetch) => fetch.numbering,
            Command::Store(store) => store.numbering,
            Command::Search(search) => search.numbering,
            Command::Select(_) | Command::Close | Command::Unselect | Command::Logout => {
                return Self::Nothing;
            }
            _ => return Self::All,
        };
        match numbering {
            Numbering::Sequence => Self::AllButExpunges,
            Numbering::Uid => Self::All,
        }
    }
}

/// Sends updates, expunges that were held back before included.
pub(crate) fn emit_updates(
    out: &mut Writer,
    view: &mut View,
    updates: &Updates,
    allowed: AllowedUpdates,
    tracking: Tracking,
) {
    if allowed == AllowedUpdates::Nothing {
        return;
    }
    if allowed == AllowedUpdates::All {
        // Before EXISTS, which must not reduce the number of messages: only EXPUNGE may (RFC 3501 section 5.2).
        emit_expunged(out, view, tracking);
    }
    if updates.arrived {
        emit_size(out, view);
    }
    emit_changed_flags(out, view, &updates.flagged, tracking);
    if !view.has_unreported_expunges() {
        view.reported = view.synced;
    } else if tracking == Tracking::Qresync {
        // A client may take the highest MODSEQ that it saw for the state of the mailbox, and would then never learn of
        // these expunges: the server has to name the sequence that was reported in full (RFC 7162 section 3.2).
        out.text(&format!("* OK [HIGHESTMODSEQ {}] Expunged messages wait to be told\r\n", view.reported.0));
    }
}

/// Sends the flags of messages whose flags changed, with `MODSEQ` if that is tracked (RFC 7162 section 3.1), and with `UID`
/// after `ENABLE QRESYNC` only, which requires it. Quirk: Delta Chat takes a response with a UID for one to its `UID FETCH`,
/// finds no size in it, and connects again (chatmail/core 2.65, `src/imap/session.rs`); Dovecot sends none either.
pub(crate) fn emit_changed_flags(out: &mut Writer, view: &mut View, changed: &[Uid], tracking: Tracking) {
    emit_flags(out, view);
    for &uid in changed {
        if let Some((number, message)) = view.find(uid) {
            let name =
                if tracking == Tracking::Qresync { format!("UID {} ", uid.get()) } else { String::new() };
            out.text(&format!("* {number} FETCH ({name}FLAGS {}", view.flag_list(message)));
            if tracking >= Tracking::Condstore {
                out.text(&format!(" MODSEQ ({})", message.modseq.0));
            }
            out.text(")\r\n");
        }
    }
}

/// Removes expunged messages from the view and reports them: `EXPUNGE`, or `VANISHED` after `ENABLE QRESYNC`.
pub(crate) fn emit_expunged(out: &mut Writer, view: &mut View, tracking: Tracking) {
    let expunged = view.remove_expunged();
    if expunged.is_empty() {
        return;
    }
    if tracking == Tracking::Qresync {
        out.text(&format!("* VANISHED {}\r\n", write_uids(expunged.iter().map(|(_, uid)| uid))));
        return;
    }
    for (number, _) in expunged {
        out.text(&format!("* {number} EXPUNGE\r\n"));
    }
}

/// Sends `EXISTS` and `RECENT`.
pub(crate) fn emit_size(out: &mut Writer, view: &View) {
    out.text(&format!("* {} EXISTS\r\n* {} RECENT\r\n", view.exists(), view.recent()));
}

/// Sends `FLAGS` and `PERMANENTFLAGS` if keywords were added since they were sent last (RFC 3501 section 7.2.6).
pub(crate) fn emit_flags(out: &mut Writer, view: &mut View) {
    let access = view.access;
    let Some(keywords) = view.unannounced_keywords() else {
        return;
    };
    let mut flags: Vec<&str> = SystemFlag::ALL.into_iter().map(SystemFlag::as_str).collect();
    flags.extend(keywords.iter().map(Keyword::as_str));
    let is_full = keywords.is_full();
    let flags = flags.join(" ");
    out.text(&format!("* FLAGS ({flags})\r\n"));
    let permanent = match access {
        // RFC 3501 section 7.1: `\*` says that new keywords can be made.
        Access::ReadWrite if !is_full => format!("{flags} \\*"),
        Access::ReadWrite => flags,
        Access::ReadOnly => String::new(),
    };
    out.text(&format!("* OK [PERMANENTFLAGS ({permanent})] Flags permitted\r\n"));
}

/// The question for the changes of the selected mailbox. The view counts as fresh from now on, not from the answer on:
/// a change may come between the two.
pub(crate) fn changes_question(context: &mut Context<'_>) -> Option<Question> {
    let State::Selected(view) = context.state else {
        return None;
    };
    *context.freshness = Freshness::Fresh;
    Some(view.changes_since(view.synced))
}

/// Applies the changes in the answer to the view, and sends updates.
pub(crate) fn apply_changes(
    context: &mut Context<'_>,
    answer: Answer,
    allowed: AllowedUpdates,
) -> Result<(), CommandFailure> {
    let State::Selected(view) = context.state else {
        return Ok(());
    };
    match answer {
        Answer::Changes(changes) => {
            let updates = view.apply(changes);
            emit_updates(context.out, view, &updates, allowed, *context.tracking);
            Ok(())
        }
        other => {
            *context.freshness = Freshness::Unreachable;
            Err(if let Answer::Failed(failure) = other { failure } else { CommandFailure::Unavailable })
        }
    }
}
