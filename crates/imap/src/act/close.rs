//! `CLOSE`, `UNSELECT` and `EXPUNGE`.

use mail_types::Uid;

use super::job::{Context, Event, Job, Step};
use super::updates::{AllowedUpdates, apply_changes, changes_question, emit_expunged};
use crate::dialogue::{Answer, Question};
use crate::mail::Access;
use crate::respond::Completion;
use crate::sequence::{Numbering, SequenceSet};
use crate::state::{Freshness, State, Tracking};

/// The job of `CLOSE` (RFC 3501 section 6.4.2), which expunges, or `UNSELECT` (RFC 3691), which does not.
#[derive(Debug)]
pub(super) struct Close {
    next: Stage,
    done: &'static str,
}

/// The next stage of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Ask for the flags that other sessions have set.
    Refresh,
    Expunge,
    Leave,
    Finish,
}

impl Close {
    pub(super) fn expunging() -> Self {
        Self { next: Stage::Refresh, done: "Close completed" }
    }

    pub(super) fn without_expunge() -> Self {
        Self { next: Stage::Leave, done: "Unselect completed" }
    }
}

impl Job for Close {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Answer(Answer::Failed(failure)) if self.next == Stage::Leave => {
                // The messages were not expunged: the mailbox stays selected, so that the client can try again.
                return Step::Done(failure.into());
            }
            Event::Answer(answer @ Answer::Changes(_)) => {
                // Updates are sent, in case the mailbox stays selected after all.
                let _ = apply_changes(context, answer, AllowedUpdates::AllButExpunges);
            }
            _ => {}
        }
        if self.next == Stage::Refresh {
            self.next = Stage::Expunge;
            if let Some(question) = refresh(context) {
                return Step::Ask(question);
            }
        }
        if self.next == Stage::Expunge {
            self.next = Stage::Leave;
            if let Some(view) = context.view()
                && view.access == Access::ReadWrite
                && let uids = view.deleted()
                && !uids.is_empty()
            {
                return Step::Ask(Question::Expunge { mailbox: view.mailbox.clone(), uids });
            }
        }
        if self.next == Stage::Leave {
            self.next = Stage::Finish;
            return Step::Ask(Question::LeaveMailbox);
        }
        *context.state = State::Authenticated;
        Step::Done(Completion::ok(self.done))
    }
}

/// The job of `EXPUNGE` (RFC 3501 section 6.4.3) and `UID EXPUNGE` (RFC 4315 section 2.1).
#[derive(Debug)]
pub(super) struct Expunge {
    set: Option<SequenceSet>,
    next: Stage,
}

impl Expunge {
    pub(super) fn new(set: Option<SequenceSet>) -> Self {
        Self { set, next: Stage::Refresh }
    }

    /// The messages with `\Deleted` that the command names.
    fn uids(&self, context: &mut Context<'_>) -> Vec<Uid> {
        let Some(view) = context.view() else {
            return Vec::new();
        };
        let mut uids = view.deleted();
        if let Some(set) = &self.set {
            let named = view.members(set, Numbering::Uid);
            uids.retain(|uid| named.binary_search(uid).is_ok());
        }
        uids
    }
}

impl Job for Expunge {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        let mut highest = None;
        match event {
            Event::Answer(Answer::Changes(changes)) => {
                let _ = apply_changes(context, Answer::Changes(changes), AllowedUpdates::All);
            }
            Event::Answer(Answer::Expunged { uids, highest_modseq }) => {
                if let State::Selected(view) = context.state {
                    view.mark_expunged(&uids);
                    view.note_own_change(highest_modseq);
                    emit_expunged(context.out, view, *context.tracking);
                }
                highest = Some(highest_modseq);
            }
            Event::Answer(Answer::Failed(failure)) if self.next == Stage::Finish => {
                return Step::Done(failure.into());
            }
            _ => {}
        }
        if self.next == Stage::Refresh {
            if context.view().is_some_and(|view| view.access == Access::ReadOnly) {
                return Step::Done(Completion::read_only());
            }
            self.next = Stage::Expunge;
            if let Some(question) = refresh(context) {
                return Step::Ask(question);
            }
        }
        if self.next == Stage::Expunge {
            self.next = Stage::Finish;
            let uids = self.uids(context);
            if let Some(view) = context.view()
                && !uids.is_empty()
            {
                return Step::Ask(Question::Expunge { mailbox: view.mailbox.clone(), uids });
            }
        }
        let completion = Completion::ok("Expunge completed");
        Step::Done(match highest {
            Some(modseq) if *context.tracking == Tracking::Qresync => {
                completion.code(format!("HIGHESTMODSEQ {}", modseq.0))
            }
            _ => completion,
        })
    }
}

/// The question for changes, if the view may lack flags that other sessions have set.
fn refresh(context: &mut Context<'_>) -> Option<Question> {
    match context.freshness {
        Freshness::Fresh => None,
        Freshness::Stale | Freshness::Unreachable => changes_question(context),
    }
}
