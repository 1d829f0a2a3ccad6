//! `SELECT` and `EXAMINE` (RFC 3501 section 6.3.1), with the parameters of RFC 7162.

use mail_types::SystemFlag;

use super::job::{Context, Event, Job, Step};
use super::updates::{emit_flags, emit_size};
use crate::command::{Qresync, Select, SelectTracking};
use crate::dialogue::{Answer, Question};
use crate::mail::{Access, MailboxChanges, Snapshot};
use crate::respond::Completion;
use crate::sequence::write_set;
use crate::state::{Freshness, State, Tracking};
use crate::view::View;
use crate::writer::Writer;

/// The job of `SELECT` and `EXAMINE`.
#[derive(Debug)]
pub(super) struct Selecting {
    select: Select,
}

impl Selecting {
    pub(super) fn new(select: Select) -> Self {
        Self { select }
    }

    fn open(&self, context: &mut Context<'_>, snapshot: Snapshot) -> Step {
        let tracking = match self.select.tracking {
            SelectTracking::Plain => Tracking::Plain,
            SelectTracking::Condstore | SelectTracking::Qresync(_) => Tracking::Condstore,
        };
        *context.tracking = tracking.max(*context.tracking);
        let mut view = View::new(self.select.mailbox.clone(), self.select.access, snapshot);
        announce(context.out, &mut view);
        let resync = match &self.select.tracking {
            SelectTracking::Qresync(qresync) if qresync.uid_validity == view.uid_validity => {
                Some(view.changes_since(qresync.since))
            }
            _ => None,
        };
        *context.state = State::Selected(Box::new(view));
        resync.map_or_else(|| Step::Done(self.completed()), Step::Ask)
    }

    fn completed(&self) -> Completion {
        match self.select.access {
            Access::ReadWrite => Completion::ok("Select completed").code("READ-WRITE"),
            Access::ReadOnly => Completion::ok("Examine completed").code("READ-ONLY"),
        }
    }
}

impl Job for Selecting {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go => {
                if matches!(self.select.tracking, SelectTracking::Qresync(_))
                    && *context.tracking != Tracking::Qresync
                {
                    return Step::Done(Completion::qresync_not_enabled());
                }
                // A failing SELECT leaves no mailbox selected (RFC 3501 section 6.3.1).
                if matches!(context.state, State::Selected(_)) {
                    *context.state = State::Authenticated;
                    context.out.text("* OK [CLOSED] Previous mailbox is now closed\r\n");
                }
                // From the question on, not from the answer on: a change may come between the two.
                *context.freshness = Freshness::Fresh;
                Step::Ask(Question::OpenMailbox {
                    mailbox: self.select.mailbox.clone(),
                    access: self.select.access,
                })
            }
            Event::Answer(Answer::Opened(snapshot)) => self.open(context, snapshot),
            Event::Answer(Answer::Changes(changes)) => {
                if let (State::Selected(view), SelectTracking::Qresync(qresync)) =
                    (&mut *context.state, &self.select.tracking)
                {
                    view.note_recent(&changes);
                    resync(context.out, view, qresync, &changes);
                }
                Step::Done(self.completed())
            }
            Event::Answer(Answer::Failed(failure)) => Step::Done(failure.into()),
            _ => Step::Done(Completion::unexpected()),
        }
    }
}

/// Sends the untagged responses that RFC 3501 section 6.3.1 and RFC 7162 section 3.1.2.1 require.
fn announce(out: &mut Writer, view: &mut View) {
    emit_flags(out, view);
    emit_size(out, view);
    let unseen = view.iter().find(|(_, message)| !message.flags.has(SystemFlag::Seen));
    if let Some((number, _)) = unseen {
        out.text(&format!("* OK [UNSEEN {number}] First unseen\r\n"));
    }
    out.text(&format!("* OK [UIDVALIDITY {}] UIDs valid\r\n", view.uid_validity.get()));
    out.text(&format!("* OK [UIDNEXT {}] Predicted next UID\r\n", view.uid_next.get()));
    out.text(&format!("* OK [HIGHESTMODSEQ {}] Highest\r\n", view.synced.0));
}

/// Sends the changes since the state in the client's cache (RFC 7162 section 3.2.5).
fn resync(out: &mut Writer, view: &View, qresync: &Qresync, changes: &MailboxChanges) {
    let known =
        |uid: u32| qresync.known.as_ref().is_none_or(|known| known.contains(uid, Some(view.uid_next.get())));
    // Without known UIDs in the command the cache may hold every message.
    let ranges = match &qresync.known {
        Some(known) => known.ranges(Some(view.uid_next.get())),
        None => vec![(1, view.uid_next.get())],
    };
    let vanished = view.vanished(&changes.expunged, &ranges);
    if !vanished.is_empty() {
        out.text(&format!("* VANISHED (EARLIER) {}\r\n", write_set(vanished)));
    }
    for change in &changes.changed {
        if let Some((number, message)) = view.find(change.uid).filter(|_| known(change.uid.get())) {
            let (flags, modseq) = (view.flag_list(message), message.modseq.0);
            let uid = message.uid.get();
            out.text(&format!("* {number} FETCH (UID {uid} FLAGS {flags} MODSEQ ({modseq}))\r\n"));
        }
    }
}
