//! `GETQUOTAROOT`, `GETQUOTA` and `SETQUOTA` (RFC 2087): one root, one resource.

use super::job::{Context, Event, Job, Step};
use crate::dialogue::{Answer, Question};
use crate::mail::QuotaUsage;
use crate::mailbox_name::MailboxName;
use crate::respond::{Completion, string};

/// The quota root's name, which clients show; the same as Dovecot's.
const ROOT: &str = "User quota";

/// The job of `GETQUOTAROOT` of a mailbox, or of `GETQUOTA` of a root.
#[derive(Debug)]
pub(super) struct QuotaRoot {
    argument: Argument,
}

/// The argument of the command.
#[derive(Debug)]
enum Argument {
    Mailbox(MailboxName),
    Root(Vec<u8>),
}

impl QuotaRoot {
    pub(super) fn of(mailbox: MailboxName) -> Self {
        Self { argument: Argument::Mailbox(mailbox) }
    }

    pub(super) fn named(root: Vec<u8>) -> Self {
        Self { argument: Argument::Root(root) }
    }

    fn emit_quota(&self, context: &mut Context<'_>, usage: QuotaUsage) -> Completion {
        let text = match &self.argument {
            Argument::Mailbox(mailbox) => {
                context.out.text("* QUOTAROOT ");
                context.out.bytes(&string(mailbox.to_wire().as_bytes()));
                context.out.text(&format!(" \"{ROOT}\"\r\n"));
                "Getquotaroot completed"
            }
            Argument::Root(_) => "Getquota completed",
        };
        // In units of 1024 octets (RFC 2087 section 3).
        let limits = match usage.limit {
            Some(limit) => format!("(STORAGE {} {})", usage.used.div_ceil(1024), limit / 1024),
            None => "()".to_owned(),
        };
        context.out.text(&format!("* QUOTA \"{ROOT}\" {limits}\r\n"));
        Completion::ok(text)
    }
}

impl Job for QuotaRoot {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Answer(Answer::Quota(usage)) => Step::Done(self.emit_quota(context, usage)),
            Event::Answer(Answer::Failed(failure)) => Step::Done(failure.into()),
            Event::Go => match &self.argument {
                Argument::Root(root) if root != ROOT.as_bytes() => {
                    Step::Done(Completion::no("There is no such quota root").code("NONEXISTENT"))
                }
                _ => Step::Ask(Question::Quota),
            },
            _ => Step::Done(Completion::unexpected()),
        }
    }
}

/// The job of `SETQUOTA`, which is never permitted.
#[derive(Debug)]
pub(super) struct SetQuota;

impl Job for SetQuota {
    fn step(&mut self, _: &mut Context<'_>, _: Event) -> Step {
        Step::Done(Completion::no("Permission denied").code("NOPERM"))
    }
}
