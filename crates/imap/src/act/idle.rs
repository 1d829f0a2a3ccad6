//! `IDLE` (RFC 2177).

use super::job::{Context, Event, Job, Step};
use super::updates::{AllowedUpdates, MAILBOX_DELETED, apply_changes, changes_question, emit_updates};
use crate::dialogue::CommandFailure;
use crate::frame::Frame;
use crate::respond::Completion;
use crate::state::State;
use crate::view::Updates;

/// The job of `IDLE`: sends updates as soon as changes are reported.
#[derive(Debug)]
pub(super) struct Idle;

impl Job for Idle {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go => {
                context.out.text("+ idling\r\n");
                // Expunges that were held back during earlier commands may be sent now.
                if let State::Selected(view) = context.state {
                    emit_updates(
                        context.out,
                        view,
                        &Updates::default(),
                        AllowedUpdates::All,
                        *context.tracking,
                    );
                }
            }
            Event::MailboxChanged => {
                if let Some(question) = changes_question(context) {
                    return Step::Ask(question);
                }
            }
            Event::Answer(answer) => {
                // Other failures are not reported: the changes are asked for again later.
                if apply_changes(context, answer, AllowedUpdates::All) == Err(CommandFailure::NoSuchMailbox) {
                    return Step::Bye(MAILBOX_DELETED);
                }
            }
            Event::KeepAlive => context.out.text("* OK Still here\r\n"),
            Event::Frame(Frame::Command(line)) if line.trim_ascii().eq_ignore_ascii_case(b"DONE") => {
                return Step::Done(Completion::ok("Idle completed"));
            }
            Event::Frame(_) => return Step::Done(Completion::bad("Expected DONE")),
        }
        Step::AwaitUpdates
    }
}
