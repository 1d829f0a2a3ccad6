//! Acting: one file per command. A [`Job`] carries out one command, asking and being answered as often as it needs.

mod authenticate;
mod simple;

pub(crate) use simple::capabilities;

use crate::command::Command;
use crate::dialogue::{Answer, Question, Settings, Transport};
use crate::frame::Frame;
use crate::respond::Completion;
use crate::session::State;

/// What a job sees of its session.
pub(crate) struct Context<'a> {
    /// What all sessions have in common.
    pub(crate) settings: &'a Settings,
    /// Whether the connection is encrypted.
    pub(crate) transport: Transport,
    /// Where the session is.
    pub(crate) state: &'a mut State,
    /// What is said to the client.
    pub(crate) out: &'a mut Writer,
}

/// What is said to the client, gathered until it is worth sending.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Adds bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How much has been gathered.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All that has been gathered.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// What reaches a job.
#[derive(Debug)]
pub(crate) enum Event {
    /// It begins, or goes on after [`Step::Again`].
    Go,
    /// The reply to its question.
    Answer(Answer),
    /// More from the client, after [`Step::AwaitInput`].
    Frame(Frame),
}

/// What a job does next.
#[derive(Debug)]
pub(crate) enum Step {
    /// It must know something first.
    Ask(Question),
    /// The client has to say more first.
    AwaitInput,
    /// It has ended.
    Done(Completion),
    /// It has ended, and so has the session.
    Logout(Completion),
    /// It has ended, and TLS begins.
    StartTls(Completion),
}

/// A command being carried out.
pub(crate) trait Job: std::fmt::Debug + Send {
    /// Goes one step.
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step;
}

/// The job for a command that is legal now.
pub(crate) fn job(command: Command) -> Box<dyn Job> {
    match command {
        Command::Capability => Box::new(simple::Capability),
        Command::Noop => Box::new(simple::Noop),
        Command::Logout => Box::new(simple::Logout),
        Command::Id => Box::new(simple::Id),
        Command::StartTls => Box::new(simple::StartTls),
        Command::Login(credentials) => Box::new(authenticate::Login::new(credentials)),
        Command::AuthenticatePlain(initial) => Box::new(authenticate::Plain::new(initial)),
    }
}
