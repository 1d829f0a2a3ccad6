//! `IDLE` (RFC 2177).

use super::job::{Context, Event, Job, Step};
use super::updates::{MAILBOX_DELETED, Updates, take_in, tell, whats_new};
use crate::dialogue::CommandFailure;
use crate::frame::Frame;
use crate::respond::Completion;
use crate::state::State;
use crate::view::News;

/// Waits, and tells at once what happens.
#[derive(Debug)]
pub(super) struct Idle;

impl Job for Idle {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go => {
                context.out.text("+ idling\r\n");
                // What had to be held back during earlier commands may be told now.
                if let State::Selected(view) = context.state {
                    tell(context.out, view, &News::default(), Updates::All, *context.tracking);
                }
            }
            Event::News => {
                if let Some(question) = whats_new(context) {
                    return Step::Ask(question);
                }
            }
            Event::Answer(answer) => {
                // Other trouble is not the client's business: the mailbox is looked at again later.
                if take_in(context, answer, Updates::All) == Err(CommandFailure::NoSuchMailbox) {
                    return Step::Goodbye(MAILBOX_DELETED);
                }
            }
            Event::KeepAlive => context.out.text("* OK Still here\r\n"),
            Event::Frame(Frame::Command(line)) if line.trim_ascii().eq_ignore_ascii_case(b"DONE") => {
                return Step::Done(Completion::ok("Idle completed"));
            }
            Event::Frame(_) => return Step::Done(Completion::bad("Expected DONE")),
        }
        Step::AwaitNews
    }
}
