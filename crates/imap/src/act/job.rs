//! The interface between the session and a command that it carries out: context, events, steps.

use crate::dialogue::{Answer, Question};
use crate::frame::{Frame, LiteralKind};
use crate::respond::Completion;
use crate::settings::{Settings, Transport};
use crate::state::{Freshness, State, Tracking};
use crate::view::View;
use crate::writer::Writer;

/// The part of the session that a job can see and change.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The tag of the command.
    pub(crate) tag: &'a str,
    pub(crate) settings: &'a Settings,
    pub(crate) transport: Transport,
    pub(crate) state: &'a mut State,
    pub(crate) tracking: &'a mut Tracking,
    pub(crate) freshness: &'a mut Freshness,
    pub(crate) out: &'a mut Writer,
}

impl Context<'_> {
    /// Enables `CONDSTORE`, as every command does that has to do with modification sequences (RFC 7162 section 3.1).
    pub(crate) fn track_modseqs(&mut self) {
        if *self.tracking >= Tracking::Condstore {
            return;
        }
        *self.tracking = Tracking::Condstore;
        if let State::Selected(view) = &*self.state {
            self.out.text(&format!("* OK [HIGHESTMODSEQ {}] Highest\r\n", view.synced.0));
        }
    }

    /// The view of the selected mailbox, if one is selected.
    pub(crate) fn view(&mut self) -> Option<&mut View> {
        match self.state {
            State::Selected(view) => Some(view),
            _ => None,
        }
    }
}

/// An event for a job.
#[derive(Debug)]
pub(crate) enum Event {
    /// The job begins, or goes on after [`Step::Again`].
    Go,
    /// The answer to the question of [`Step::Ask`].
    Answer(Answer),
    /// Input from the client, after [`Step::AwaitInput`] or [`Step::AwaitUpdates`].
    Frame(Frame),
    /// The selected mailbox may have changed, after [`Step::AwaitUpdates`].
    MailboxChanged,
    /// Nothing was sent for the keep-alive interval, after [`Step::AwaitUpdates`].
    KeepAlive,
}

/// The next step of a job.
#[derive(Debug)]
pub(crate) enum Step {
    /// Go on, as soon as the driver has taken the output so far.
    Again,
    /// Ask, and go on with the answer.
    Ask(Question),
    /// Go on with the next frame from the client.
    AwaitInput,
    /// Request the announced literal, and go on with its chunks.
    AcceptLiteral(LiteralKind),
    /// Go on with the first of: input, a change of the mailbox, the keep-alive interval.
    AwaitUpdates,
    /// The command is completed.
    Done(Completion),
    /// The command is completed, and ends the session.
    Logout(Completion),
    /// The session ends with `BYE` and this text.
    Bye(&'static str),
    /// The command is completed, and the TLS handshake begins.
    StartTls(Completion),
}

/// A command being carried out, step by step.
pub(crate) trait Job: std::fmt::Debug + Send {
    /// Takes one step.
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step;
}
