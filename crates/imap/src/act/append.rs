//! `APPEND` (RFC 3501 section 6.3.11), with the new UID (RFC 4315). The message is not held in memory: its chunks go to
//! the driver as they arrive.

use super::job::{Context, Event, Job, Step};
use crate::command::Append;
use crate::dialogue::{Answer, CommandFailure, Output, Question};
use crate::frame::Frame;
use crate::length::length;
use crate::respond::Completion;
use crate::state::{Freshness, State};

/// The job of `APPEND`.
#[derive(Debug)]
pub(super) struct Appending {
    append: Append,
    /// Bytes of the message still to come.
    left: u64,
    content: Content,
}

/// The part of the message that has come, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// It may be stored.
    Valid,
    /// It held a NUL, which no literal may (RFC 3501 section 9: CHAR8), neither this one nor that of a `FETCH`. It was
    /// discarded; the rest is read, so that the connection stays in step, and dropped.
    HoldsNul,
}

impl Appending {
    pub(super) fn new(append: Append) -> Self {
        let left = append.literal.size;
        Self { append, left, content: Content::Valid }
    }

    /// Checks sizes, and asks whether the message fits before the client sends it.
    fn begin(&self, context: &Context<'_>) -> Step {
        let size = self.append.literal.size;
        if size == 0 {
            return Step::Done(Completion::no("A message cannot be empty"));
        }
        if size > context.settings.message_size {
            return Step::Done(Completion::no("The message is too large").code("TOOBIG"));
        }
        Step::Ask(Question::AppendBegin {
            mailbox: self.append.mailbox.clone(),
            flags: self.append.flags.clone(),
            date: self.append.date,
            size,
        })
    }

    /// Takes a chunk of the message, or the end of the command behind it.
    fn take(&mut self, context: &mut Context<'_>, frame: Frame) -> Step {
        match frame {
            Frame::Chunk(bytes) => {
                self.left = self.left.saturating_sub(length(&bytes));
                match self.content {
                    Content::Valid if bytes.contains(&0) => {
                        self.content = Content::HoldsNul;
                        context.out.push(Output::DiscardSpool);
                    }
                    Content::Valid => context.out.push(Output::Spool(bytes)),
                    Content::HoldsNul => {}
                }
                Step::AwaitInput
            }
            Frame::Command(_) | Frame::Literal(_) | Frame::TooLong(_)
                if self.content == Content::HoldsNul =>
            {
                Step::Done(Completion::no("A message cannot hold a NUL").code("CANNOT"))
            }
            Frame::Command(rest) if self.left == 0 && rest.trim_ascii().is_empty() => {
                Step::Ask(Question::AppendCommit)
            }
            Frame::Command(_) | Frame::Literal(_) | Frame::TooLong(_) => {
                context.out.push(Output::DiscardSpool);
                Step::Done(Completion::bad("There is more after the message than APPEND takes"))
            }
        }
    }
}

impl Job for Appending {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go => self.begin(context),
            Event::Answer(Answer::Done) => Step::AcceptLiteral(self.append.literal.kind),
            Event::Answer(Answer::Appended { uid_validity, uid }) => {
                // EXISTS for the new message should precede the completion (RFC 3501 section 6.3.11).
                if let State::Selected(view) = &*context.state
                    && view.mailbox == self.append.mailbox
                {
                    *context.freshness = Freshness::Stale;
                }
                let code = format!("APPENDUID {} {}", uid_validity.get(), uid.get());
                Step::Done(Completion::ok("Append completed").code(code))
            }
            Event::Answer(Answer::Failed(CommandFailure::NoSuchMailbox)) => {
                Step::Done(Completion::from(CommandFailure::NoSuchMailbox).code("TRYCREATE"))
            }
            Event::Answer(Answer::Failed(failure)) => Step::Done(failure.into()),
            Event::Frame(frame) => self.take(context, frame),
            _ => Step::Done(Completion::unexpected()),
        }
    }
}
