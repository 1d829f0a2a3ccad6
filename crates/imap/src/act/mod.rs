//! Acting: one file per command or pair of commands. A [`Job`] carries out one command, with any number of questions and answers.

mod append;
mod authenticate;
mod close;
mod copy_move;
mod fetch;
mod fetch_response;
mod idle;
mod job;
mod list;
mod mailboxes;
mod metadata;
mod quota;
mod search;
mod search_evaluation;
mod select;
mod simple;
mod store;
mod updates;

pub(crate) use job::{Context, Event, Job, Step};
pub(crate) use simple::capabilities;
pub(crate) use updates::{AllowedUpdates, MAILBOX_DELETED, apply_changes, changes_question, emit_updates};

use crate::command::{Command, Create};
use crate::dialogue::Question;
use crate::mail::Subscription;

/// The job for a command that is legal now.
pub(crate) fn job(command: Command) -> Box<dyn Job> {
    match command {
        Command::Capability => Box::new(simple::Capability),
        Command::Noop => Box::new(simple::Noop("NOOP completed")),
        Command::Check => Box::new(simple::Noop("Check completed")),
        Command::Logout => Box::new(simple::Logout),
        Command::Id => Box::new(simple::Id),
        Command::StartTls => Box::new(simple::StartTls),
        Command::Enable(names) => Box::new(simple::Enable(names)),
        Command::Login(credentials) => Box::new(authenticate::Login::new(credentials)),
        Command::AuthenticatePlain(initial) => Box::new(authenticate::Plain::new(initial)),
        Command::AuthenticateOther => Box::new(authenticate::NotOffered),
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
        Command::Unselect => Box::new(close::Close::without_expunge()),
        Command::Expunge(set) => Box::new(close::Expunge::new(set)),
        Command::Fetch(fetch) => Box::new(fetch::Fetching::new(fetch)),
        Command::Store(store) => Box::new(store::Storing::new(store)),
        Command::Search(search) => Box::new(search::Searching::new(search)),
        Command::CopyMove(copy_move) => Box::new(copy_move::CopyMoveJob::new(copy_move)),
    }
}

fn one_question(question: Question, done: &'static str) -> Box<dyn Job> {
    Box::new(mailboxes::OneQuestion::new(question, done))
}
