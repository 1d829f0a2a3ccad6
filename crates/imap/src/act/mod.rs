//! Acting: one file per command. A [`Job`] carries out one command, asking and being answered as often as it needs.

mod append;
mod authenticate;
mod close;
mod fetch;
mod fetch_response;
mod idle;
mod list;
mod mailboxes;
mod metadata;
mod quota;
mod search;
mod select;
mod simple;
mod store;
mod transfer;
mod updates;

pub(crate) use simple::capabilities;
pub(crate) use updates::{MAILBOX_DELETED, Updates, take_in, tell, whats_new};

use crate::command::{Command, Create};
use crate::dialogue::{Answer, Question};
use crate::frame::{Frame, LiteralKind};
use crate::mail::Subscription;
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
    /// More from the client, after [`Step::AwaitInput`] or [`Step::AwaitNews`].
    Frame(Frame),
    /// Something may have changed in the mailbox, after [`Step::AwaitNews`].
    News,
    /// Nothing has been said for a while, after [`Step::AwaitNews`].
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
    AwaitNews,
    /// It has ended.
    Done(Completion),
    /// It has ended, and so has the session.
    Logout(Completion),
    /// The session cannot go on.
    Goodbye(&'static str),
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
        Command::Enable(names) => Box::new(simple::Enable(names)),
        Command::Login(credentials) => Box::new(authenticate::Login::new(credentials)),
        Command::AuthenticatePlain(initial) => Box::new(authenticate::Plain::new(initial)),
        Command::Select(select) => Box::new(select::Selecting::new(select)),
        Command::Create(Create { mailbox, special_use }) => {
            one_question(Question::CreateMailbox { mailbox, special_use }, "Create completed")
        }
        Command::Delete(mailbox) => one_question(Question::DeleteMailbox(mailbox), "Delete completed"),
        Command::Rename { from, to } => {
            one_question(Question::RenameMailbox { from, to }, "Rename completed")
        }
        Command::Subscribe(mailbox, subscription) => {
            let done = match subscription {
                Subscription::Subscribed => "Subscribe completed",
                Subscription::Unsubscribed => "Unsubscribe completed",
            };
            one_question(Question::Subscribe { mailbox, subscription }, done)
        }
        Command::List(list) => Box::new(list::Listing::new(list)),
        Command::Namespace => Box::new(list::Namespace),
        Command::Status(mailbox, items) => Box::new(mailboxes::Status::new(mailbox, items)),
        Command::Append(append) => Box::new(append::Appending::new(append)),
        Command::Idle => Box::new(idle::Idle),
        Command::QuotaRoot(mailbox) => Box::new(quota::QuotaRoot::of(mailbox)),
        Command::Quota(root) => Box::new(quota::QuotaRoot::named(root)),
        Command::SetQuota => Box::new(quota::SetQuota),
        Command::GetMetadata(get) => Box::new(metadata::Get(get)),
        Command::SetMetadata(set) => Box::new(metadata::Set(Some(set))),
        Command::Close => Box::new(close::Close::expunging()),
        Command::Unselect => Box::new(close::Close::quietly()),
        Command::Expunge(set) => Box::new(close::Expunge::new(set)),
        Command::Fetch(fetch) => Box::new(fetch::Fetching::new(fetch)),
        Command::Store(store) => Box::new(store::Storing::new(store)),
        Command::Search(search) => Box::new(search::Searching::new(search)),
        Command::Transfer(transfer) => Box::new(transfer::Transferring::new(transfer)),
    }
}

fn one_question(question: Question, done: &'static str) -> Box<dyn Job> {
    Box::new(mailboxes::OneQuestion::new(question, done))
}
