//! `COPY` (RFC 3501 section 6.4.7) and `MOVE` (RFC 6851), with `COPYUID` (RFC 4315).

use mail_types::{Uid, UidValidity};

use super::job::{Context, Event, Job, Step};
use super::updates::emit_expunged;
use crate::command::{CopyMove, Originals};
use crate::dialogue::{Answer, CommandFailure, Question};
use crate::mail::Access;
use crate::respond::{Completion, Kind};
use crate::sequence::write_uids;
use crate::state::State;

/// The job of `COPY` and `MOVE`.
#[derive(Debug)]
pub(super) struct CopyMoveJob {
    copy_move: CopyMove,
}

impl CopyMoveJob {
    pub(super) fn new(copy_move: CopyMove) -> Self {
        Self { copy_move }
    }

    fn begin(&self, context: &mut Context<'_>) -> Step {
        let Some(view) = context.view() else {
            return Step::Done(Completion::unexpected());
        };
        if view.access == Access::ReadOnly && self.copy_move.originals == Originals::Remove {
            return Step::Done(Completion::read_only());
        }
        let (mailbox, to) = (view.mailbox.clone(), self.copy_move.to.clone());
        match view.resolve(&self.copy_move.set, self.copy_move.numbering) {
            Ok(uids) if uids.is_empty() => Step::Done(self.completed()),
            Ok(uids) => Step::Ask(match self.copy_move.originals {
                Originals::Keep => Question::Copy { mailbox, uids, to },
                Originals::Remove => Question::Move { mailbox, uids, to },
            }),
            Err(_) => Step::Done(Completion::no_such_message()),
        }
    }

    fn completed(&self) -> Completion {
        Completion::ok(match self.copy_move.originals {
            Originals::Keep => "Copy completed",
            Originals::Remove => "Move completed",
        })
    }

    /// Completes the command; of a move, `COPYUID` precedes the expunges (RFC 6851 section 4.3).
    fn finish(&self, context: &mut Context<'_>, validity: UidValidity, uids: &[(Uid, Uid)]) -> Step {
        if uids.is_empty() {
            return Step::Done(CommandFailure::Gone.into());
        }
        let old = uids.iter().map(|(old, _)| old);
        let set = write_uids(old.clone());
        let code =
            format!("COPYUID {} {set} {}", validity.get(), write_uids(uids.iter().map(|(_, new)| new)));
        match (self.copy_move.originals, &mut *context.state) {
            (Originals::Remove, State::Selected(view)) => {
                context.out.text(&format!("* OK [{code}] Moved UIDs\r\n"));
                view.mark_expunged(&old.copied().collect::<Vec<_>>());
                emit_expunged(context.out, view, *context.tracking);
                Step::Done(self.completed())
            }
            _ => Step::Done(self.completed().code(code)),
        }
    }
}

impl Job for CopyMoveJob {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go => self.begin(context),
            Event::Answer(Answer::Copied { uid_validity, uids }) => self.finish(context, uid_validity, &uids),
            Event::Answer(Answer::Failed(CommandFailure::NoSuchMailbox)) => {
                // RFC 3501 section 6.4.7: the client may create it and try again.
                Step::Done(Completion {
                    code: Some("TRYCREATE".into()),
                    ..CommandFailure::NoSuchMailbox.into()
                })
            }
            Event::Answer(Answer::Failed(failure)) => Step::Done(failure.into()),
            _ => Step::Done(Completion { kind: Kind::No, ..Completion::unexpected() }),
        }
    }
}
