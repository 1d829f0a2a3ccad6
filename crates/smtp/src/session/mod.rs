//! The session: one state, and what each command, answer and tick does to it.
//!
//! Other modules read bytes ([`crate::lines`], [`crate::content`]) and commands ([`crate::command`]); here is only the
//! order of things: `opening` up to the login, `transaction` from MAIL to the end of the message, `clock` for silence.

mod clock;
mod opening;
mod transaction;

use std::collections::VecDeque;
use std::time::Instant;

use mail_types::Address;

use self::transaction::Transaction;
use crate::auth::Exchange;
use crate::command::{Command, parse};
use crate::content::Content;
use crate::dialogue::{Answer, CloseReason, Input, Output, Question, Role, Settings, Transport};
use crate::lines::{LINE_LIMIT, Line, Lines};
use crate::reply::{Reply, table};

/// Input buffered while a question is open, in bytes, at which [`Session::wants_input`] turns false: enough for MAIL, a
/// thousand RCPT and DATA in one go, which clients with PIPELINING send without waiting.
const PIPELINE_LIMIT: usize = 128 * 1024;
/// The buffered bytes at which the session closes, if the driver pushes on regardless.
const FLOOD_LIMIT: usize = 8 * PIPELINE_LIMIT;
/// The most malformed or refused commands of one connection.
const ERROR_LIMIT: u32 = 20;

/// One connection. Feed it with [`Session::handle`], then do everything [`Session::poll`] gives, in order.
///
/// Memory is bounded: by [`Session::wants_input`] for what comes in, by the recipient limit for the envelope. Message
/// content leaves as [`Output::Spool`] with the `handle` that brought it.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    role: Role,
    transport: Transport,
    state: State,
    lines: Lines,
    greeted: bool,
    login: Option<Address>,
    transaction: Option<Transaction>,
    errors: u32,
    failed_logins: u32,
    /// Whether a spool file holds bytes that are neither committed nor discarded.
    spool_open: bool,
    /// The reason of the server's own to end the connection.
    ending: Option<Ending>,
    /// The start of the connection, or the end of the last message that was accepted.
    idle_since: Instant,
    deadline: Option<Instant>,
    /// The deadline last announced by [`Output::WakeAt`].
    announced: Option<Instant>,
    outputs: VecDeque<Output>,
}

/// The state of the dialogue, named for the event it waits for.
#[derive(Debug)]
enum State {
    ExpectCommand,
    ExpectSasl(Exchange),
    /// The content of a message, since this time.
    ExpectContent(Content, Instant),
    AwaitTls,
    AwaitAnswer(OpenQuestion),
    Closed,
}

/// A reason of the server's own to end the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Shutdown,
    MakeRoom,
}

/// The question that is open, with what its answer completes.
#[derive(Debug)]
enum OpenQuestion {
    Authenticate,
    Sender(Option<Address>),
    Recipient(Address),
    Commit,
}

impl Session {
    /// A connection that was accepted at `now`. The greeting is the first output. A driver that has done the TLS handshake
    /// since then passes the time before it.
    #[must_use]
    pub fn new(settings: Settings, role: Role, transport: Transport, now: Instant) -> Self {
        let mut session = Self {
            settings,
            role,
            transport,
            state: State::ExpectCommand,
            lines: Lines::default(),
            greeted: false,
            login: None,
            transaction: None,
            errors: 0,
            failed_logins: 0,
            spool_open: false,
            ending: None,
            idle_since: now,
            deadline: None,
            announced: None,
            outputs: VecDeque::new(),
        };
        let greeting = format!("{} ESMTP Hearth", session.settings.host_name);
        session.reply(&Reply::new(220, &greeting));
        session
    }

    /// Processes an event at `now`. The first call may be a [`Input::Tick`]: it starts the clock.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        if matches!(self.state, State::Closed) {
            return;
        }
        match input {
            Input::Bytes(bytes) => self.lines.push(bytes),
            Input::Answer(answer) => {
                self.handle_answer(now, answer);
                self.restart_clock(now);
            }
            Input::TlsStarted => {
                self.handle_tls_started();
                self.restart_clock(now);
            }
            Input::Tick => self.handle_tick(now),
            Input::Closed => self.end(),
            Input::Shutdown => self.ending = Some(Ending::Shutdown),
            Input::MakeRoom => self.ending = Some(Ending::MakeRoom),
        }
        self.advance(now);
        if self.lines.len() > FLOOD_LIMIT {
            self.reply(&table::FLOODED);
            self.close(CloseReason::Misbehaved);
        }
        self.announce_deadline();
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether the driver may read more from the client now: not while enough is buffered behind an open question,
    /// during the TLS handshake, and after the end.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        match self.state {
            State::Closed | State::AwaitTls => false,
            _ => self.lines.len() < PIPELINE_LIMIT,
        }
    }

    /// Reads what waits, as far as the state allows.
    fn advance(&mut self, now: Instant) {
        loop {
            let going = match (&self.state, self.ending) {
                (State::ExpectCommand | State::ExpectSasl(_), Some(Ending::Shutdown)) => {
                    self.reply(&table::SHUTTING_DOWN);
                    self.close(CloseReason::Shutdown);
                    false
                }
                (
                    State::ExpectCommand | State::ExpectSasl(_) | State::ExpectContent(..),
                    Some(Ending::MakeRoom),
                ) => {
                    self.reply(&table::TOO_MANY_CONNECTIONS);
                    self.close(CloseReason::MakeRoom);
                    false
                }
                (State::ExpectCommand | State::ExpectSasl(_), None) => match self.lines.next_line() {
                    Some(line) => {
                        self.handle_line(now, line);
                        self.restart_clock(now);
                        true
                    }
                    None => false,
                },
                (State::ExpectContent(..), _) if self.lines.len() > 0 => self.read_content(now),
                (State::ExpectContent(..), _) => false,
                (State::AwaitTls | State::AwaitAnswer(_) | State::Closed, _) => false,
            };
            if !going {
                return;
            }
        }
    }

    fn handle_line(&mut self, now: Instant, line: Line) {
        let line = match line {
            Line::Whole(line) => line,
            Line::TooLong => {
                self.state = State::ExpectCommand;
                return self.refuse(&table::LINE_TOO_LONG);
            }
            Line::Bare => {
                // A peer that ends lines otherwise than we do would read our dialogue otherwise, too.
                self.reply(&table::BARE_NEWLINE);
                return self.close(CloseReason::Misbehaved);
            }
        };
        match std::mem::replace(&mut self.state, State::ExpectCommand) {
            State::ExpectSasl(exchange) => self.handle_step(exchange.respond(&line)),
            _ => match parse(&line) {
                Ok(command) => self.handle_command(now, command),
                Err(reply) => self.refuse(&reply),
            },
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Ehlo => self.greet(&self.extensions()),
            Command::Helo => self.greet(&[]),
            Command::StartTls => self.start_tls(),
            Command::Auth { mechanism, initial } => self.authenticate(mechanism, initial.as_deref()),
            Command::Mail { sender, size } => self.mail(sender, size),
            Command::Rcpt { recipient } => self.rcpt(recipient),
            Command::Data => self.data(now),
            Command::Rset => {
                self.transaction = None;
                self.reply(&table::OK);
            }
            Command::Noop => self.reply(&table::OK),
            Command::Vrfy => self.reply(&table::CANNOT_VERIFY),
            Command::Help => self.reply(&table::HELP),
            Command::Quit => {
                self.reply(&table::BYE);
                self.close(CloseReason::Quit);
            }
        }
    }

    fn handle_answer(&mut self, now: Instant, answer: Answer) {
        let State::AwaitAnswer(_) = self.state else { return };
        let State::AwaitAnswer(asked) = std::mem::replace(&mut self.state, State::ExpectCommand) else {
            return;
        };
        match (asked, answer) {
            (OpenQuestion::Authenticate, Answer::Authenticated(login)) => {
                self.login = Some(login);
                self.reply(&table::AUTHENTICATED);
            }
            (OpenQuestion::Authenticate, Answer::Refused(reply)) => self.refuse_login(&reply),
            (OpenQuestion::Sender(sender), Answer::Accepted) => self.open_transaction(sender, None),
            (OpenQuestion::Sender(sender), Answer::RefusedAtRecipients(reply)) => {
                self.open_transaction(sender, Some(reply));
            }
            (OpenQuestion::Recipient(recipient), Answer::Accepted) => match &mut self.transaction {
                Some(transaction) => {
                    transaction.envelope.recipients.push(recipient);
                    self.reply(&table::RECIPIENT_OK);
                }
                None => self.reply(&table::LOCAL_TROUBLE),
            },
            (OpenQuestion::Commit, Answer::Accepted) => {
                self.idle_since = now;
                self.reply(&table::ACCEPTED);
            }
            (_, Answer::Refused(reply)) => self.reply(&reply),
            (_, Answer::Accepted | Answer::Authenticated(_) | Answer::RefusedAtRecipients(_)) => {
                self.reply(&table::LOCAL_TROUBLE);
            }
        }
    }

    fn ask(&mut self, asked: OpenQuestion, question: Question) {
        self.state = State::AwaitAnswer(asked);
        self.outputs.push_back(Output::Ask(question));
    }

    fn reply(&mut self, reply: &Reply) {
        self.send(reply.line());
    }

    /// Replies to something that makes no sense, and counts it.
    fn refuse(&mut self, reply: &Reply) {
        self.reply(reply);
        self.errors = self.errors.saturating_add(1);
        if self.errors >= ERROR_LIMIT {
            self.reply(&table::TOO_MANY_ERRORS);
            self.close(CloseReason::Misbehaved);
        }
    }

    /// Replies to pipelined commands leave in one write.
    fn send(&mut self, bytes: Vec<u8>) {
        match self.outputs.back_mut() {
            Some(Output::Send(waiting)) => waiting.extend_from_slice(&bytes),
            _ => self.outputs.push_back(Output::Send(bytes)),
        }
    }

    fn discard_spool(&mut self) {
        if std::mem::take(&mut self.spool_open) {
            self.outputs.push_back(Output::DiscardSpool);
        }
    }

    fn close(&mut self, why: CloseReason) {
        self.end();
        self.outputs.push_back(Output::Close(why));
    }

    fn end(&mut self) {
        self.discard_spool();
        self.lines.clear();
        self.transaction = None;
        self.deadline = None;
        self.state = State::Closed;
    }
}

const _: () = assert!(LINE_LIMIT < PIPELINE_LIMIT, "a whole line must fit");
