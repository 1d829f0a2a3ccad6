//! Commands that are one question: `CREATE`, `DELETE`, `RENAME`, `SUBSCRIBE`, `UNSUBSCRIBE`; and `STATUS`.

use super::job::{Context, Event, Job, Step};
use crate::command::StatusItem;
use crate::dialogue::{Answer, Question};
use crate::mail::MailboxStatus;
use crate::mailbox_name::MailboxName;
use crate::respond::{Completion, string};

/// The job of a command that is one question with the answer `Done`.
#[derive(Debug)]
pub(super) struct OneQuestion {
    question: Option<Question>,
    done: &'static str,
}

impl OneQuestion {
    pub(super) fn new(question: Question, done: &'static str) -> Self {
        Self { question: Some(question), done }
    }
}

impl Job for OneQuestion {
    fn step(&mut self, _: &mut Context<'_>, event: Event) -> Step {
        match (event, self.question.take()) {
            (Event::Go, Some(question)) => Step::Ask(question),
            (Event::Answer(Answer::Done), _) => Step::Done(Completion::ok(self.done)),
            (Event::Answer(Answer::Failed(failure)), _) => Step::Done(failure.into()),
            _ => Step::Done(Completion::unexpected()),
        }
    }
}

/// The job of `STATUS` (RFC 3501 section 6.3.10).
#[derive(Debug)]
pub(super) struct Status {
    mailbox: MailboxName,
    items: Vec<StatusItem>,
}

impl Status {
    pub(super) fn new(mailbox: MailboxName, items: Vec<StatusItem>) -> Self {
        Self { mailbox, items }
    }
}

impl Job for Status {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go => Step::Ask(Question::Status(self.mailbox.clone())),
            Event::Answer(Answer::Status(status)) => {
                // RFC 7162 section 3.1: asking for it enables CONDSTORE.
                if self.items.contains(&StatusItem::HighestModSeq) {
                    context.track_modseqs();
                }
                context.out.bytes(&status_line(&self.mailbox, &self.items, &status));
                Step::Done(Completion::ok("Status completed"))
            }
            Event::Answer(Answer::Failed(failure)) => Step::Done(failure.into()),
            _ => Step::Done(Completion::unexpected()),
        }
    }
}

/// The untagged `STATUS` response (RFC 3501 section 7.2.4).
pub(super) fn status_line(mailbox: &MailboxName, items: &[StatusItem], status: &MailboxStatus) -> Vec<u8> {
    let items = items.iter().map(|item| match item {
        StatusItem::Messages => format!("MESSAGES {}", status.messages),
        StatusItem::Recent => format!("RECENT {}", status.recent),
        StatusItem::UidNext => format!("UIDNEXT {}", status.uid_next.get()),
        StatusItem::UidValidity => format!("UIDVALIDITY {}", status.uid_validity.get()),
        StatusItem::Unseen => format!("UNSEEN {}", status.unseen),
        StatusItem::Deleted => format!("DELETED {}", status.deleted),
        StatusItem::Size => format!("SIZE {}", status.size),
        StatusItem::HighestModSeq => format!("HIGHESTMODSEQ {}", status.highest_modseq.0),
    });
    let items = items.collect::<Vec<_>>().join(" ");
    let name = string(mailbox.to_wire().as_bytes());
    [b"* STATUS ".as_slice(), &name, b" (", items.as_bytes(), b")\r\n"].concat()
}
