//! A command being carried out: what it sees of the session, what reaches it, and what it does next.

use crate::dialogue::{Answer, Question};
use crate::frame::{Frame, LiteralKind};
use crate::respond::Completion;
use crate::settings::{Settings, Transport};
use crate::state::{Freshness, State, Tracking};
use crate::view::View;
use crate::writer::Writer;

/// What a job sees of its session.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The tag of the command; of none when there is no command.
    pub(crate) tag: &'a str,
    /// What all sessions have in common.
    pub(crate) settings: &'a Settings,
    /// Whether the connection is encrypted.
    pub(crate) transport: Transport,
    /// Where the session is.
    pub(crate) state: &'a mut State,
    /// What the client wants to hear of modification sequences.
    pub(crate) tracking: &'a mut Tracking,
    /// Whether the view may lag behind the mailbox.
    pub(crate) freshness: &'a mut Freshness,
    /// What is said to the client.
    pub(crate) out: &'a mut Writer,
}

impl Context<'_> {
    /// A command has to do with modification sequences: from now on the client hears of them (RFC 7162 section 3.1).
    pub(crate) fn track_modseqs(&mut self) {
        if *self.tracking >= Tracking::Condstore {
            return;
        }
        *self.tracking = Tracking::Condstore;
        if let State::Selected(view) = &*self.state {
            self.out.text(&format!("* OK [HIGHESTMODSEQ {}] Highest\r\n", view.synced.0));
        }
    }

    /// The selected mailbox.
    pub(crate) fn view(&mut self) -> Option<&mut View> {
        match self.state {
            State::Selected(view) => Some(view),
            _ => None,
        }
    }
}

/// What reaches a job.
#[derive(Debug)]
pub(crate) enum Event {
    /// It begins, or goes on after [`Step::Again`].
    Go,
    /// The reply to its question.
    Answer(Answer),
    /// More from the client, after [`Step::AwaitInput`] or [`Step::AwaitUpdates`].
    Frame(Frame),
    /// Something may have changed in the mailbox, after [`Step::AwaitUpdates`].
    MailboxChanged,
    /// Nothing has been said for a while, after [`Step::AwaitUpdates`].
    KeepAlive,
}

/// What a job does next.
#[derive(Debug)]
pub(crate) enum Step {
    /// It can go on at once, once what it said has been taken.
    Again,
    /// It must know something first.
    Ask(Question),
    /// The client has to say more first.
    AwaitInput,
    /// The literal that was announced may come, in pieces.
    AcceptLiteral(LiteralKind),
    /// Whatever comes first: the client, the mailbox, or the time to show a sign of life.
    AwaitUpdates,
    /// It has ended.
    Done(Completion),
    /// It has ended, and so has the session.
    Logout(Completion),
    /// The session cannot go on.
    Bye(&'static str),
    /// It has ended, and TLS begins.
    StartTls(Completion),
}

/// A command being carried out.
pub(crate) trait Job: std::fmt::Debug + Send {
    /// Goes one step.
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step;
}
