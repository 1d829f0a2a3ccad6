//! The session: one state, and what each command, answer and tick does to it.
//!
//! Files beside this one read bytes ([`crate::lines`], [`crate::content`]) and commands ([`crate::command`]); here
//! is only the order of things.

use std::collections::VecDeque;
use std::time::Instant;

use mail_types::Address;

use crate::auth::{Exchange, Step, begin};
use crate::command::{Command, Mechanism, parse};
use crate::content::{Content, ContentError, Progress};
use crate::dialogue::{Answer, Envelope, Input, Output, Question, Role, Settings, Transport, Why};
use crate::lines::{LINE_LIMIT, Line, Lines};
use crate::reply::{Reply, table};

/// How many bytes may wait while a question is open before [`Session::wants_input`] says no: enough for MAIL, a
/// thousand RCPT and DATA in one go, which clients with PIPELINING send without waiting.
const PIPELINE_LIMIT: usize = 128 * 1024;
/// A driver that pushes on regardless finds the session closed at this many.
const FLOOD_LIMIT: usize = 8 * PIPELINE_LIMIT;
/// Commands that made no sense, or were refused, before the session gives up.
const ERROR_LIMIT: u32 = 20;
/// Failed logins of one connection.
const LOGIN_LIMIT: u32 = 5;
/// How many times the message limit is read and thrown away, to stay in step, before the session hangs up.
const OVERSIZE_PATIENCE: u64 = 3;

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
    /// Whether bytes were spooled that nobody committed or discarded.
    spool_open: bool,
    shutting_down: bool,
    deadline: Option<Instant>,
    /// The wake-up the driver knows of.
    announced: Option<Instant>,
    outputs: VecDeque<Output>,
}

/// What the session waits for.
#[derive(Debug)]
enum State {
    ExpectCommand,
    ExpectSasl(Exchange),
    ExpectContent(Content, Instant),
    AwaitTls,
    AwaitAnswer(Asked),
    Closed,
}

/// The question that is open, with what its answer completes.
#[derive(Debug)]
enum Asked {
    Authenticate,
    Sender(Option<Address>),
    Recipient(Address),
    Commit,
}

/// Between MAIL and the end of the message.
#[derive(Debug)]
struct Transaction {
    envelope: Envelope,
    /// What every RCPT is told instead of being taken.
    refusal: Option<Reply>,
}

impl Session {
    /// A new connection. The greeting is the first output.
    #[must_use]
    pub fn new(settings: Settings, role: Role, transport: Transport) -> Self {
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
            shutting_down: false,
            deadline: None,
            announced: None,
            outputs: VecDeque::new(),
        };
        let greeting = format!("{} ESMTP Hearth", session.settings.host_name);
        session.reply(&Reply::new(220, &greeting));
        session
    }

    /// Something happened at `now`. The first call may be a [`Input::Tick`]: it starts the clock.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        if matches!(self.state, State::Closed) {
            return;
        }
        match input {
            Input::Bytes(bytes) => self.lines.push(bytes),
            Input::Answer(answer) => {
                self.handle_answer(answer);
                self.restart_clock(now);
            }
            Input::TlsStarted => {
                self.handle_tls_started();
                self.restart_clock(now);
            }
            Input::Tick => self.handle_tick(now),
            Input::Closed => self.end(),
            Input::Shutdown => self.shutting_down = true,
        }
        self.advance(now);
        if self.lines.len() > FLOOD_LIMIT {
            self.reply(&table::FLOODED);
            self.close(Why::Misbehaved);
        }
        self.announce_deadline();
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether the driver may read more from the client now. It says no while enough waits behind an open question,
    /// during the TLS handshake, and after the end.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        match self.state {
            State::Closed | State::AwaitTls => false,
            _ => self.lines.len() < PIPELINE_LIMIT,
        }
    }

    /// Who is logged in.
    #[must_use]
    pub fn login(&self) -> Option<&Address> {
        self.login.as_ref()
    }

    /// Reads what waits, as far as the state allows.
    fn advance(&mut self, now: Instant) {
        loop {
            let going = match &self.state {
                State::ExpectCommand | State::ExpectSasl(_) if self.shutting_down => {
                    self.reply(&table::SHUTTING_DOWN);
                    self.close(Why::Shutdown);
                    false
                }
                State::ExpectCommand | State::ExpectSasl(_) => match self.lines.next_line() {
                    Some(line) => {
                        self.handle_line(now, line);
                        self.restart_clock(now);
                        true
                    }
                    None => false,
                },
                State::ExpectContent(..) if self.lines.len() > 0 => self.read_content(now),
                State::ExpectContent(..) => false,
                State::AwaitTls | State::AwaitAnswer(_) | State::Closed => false,
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
                return self.close(Why::Misbehaved);
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
                self.close(Why::Quit);
            }
        }
    }

    /// What EHLO lists, without the first line.
    fn extensions(&self) -> Vec<String> {
        let size = format!("SIZE {}", self.settings.message_limit);
        let mut extensions =
            ["PIPELINING", &size, "8BITMIME", "ENHANCEDSTATUSCODES"].map(str::to_owned).to_vec();
        match (self.transport, self.role) {
            (Transport::Plain, _) => extensions.push("STARTTLS".to_owned()),
            // Delta Chat skips authentication silently when it is not offered.
            (Transport::Tls, Role::Submission) => extensions.push("AUTH PLAIN LOGIN".to_owned()),
            (Transport::Tls, Role::Inbound) => {}
        }
        extensions
    }

    fn greet(&mut self, extensions: &[String]) {
        self.greeted = true;
        self.transaction = None;
        let last = extensions.len();
        let name = self.settings.host_name.clone();
        let lines = std::iter::once(&name).chain(extensions).enumerate();
        let text: String = lines
            .map(|(index, line)| format!("250{}{line}\r\n", if index == last { ' ' } else { '-' }))
            .collect();
        self.send(text.into_bytes());
    }

    fn start_tls(&mut self) {
        if self.transport == Transport::Tls {
            return self.refuse(&table::TLS_NOT_OFFERED);
        }
        // RFC 3207 section 4.2: what came in clear text must not count as having come under TLS.
        if self.lines.len() > 0 {
            self.reply(&table::PIPELINED_TLS);
            return self.close(Why::Misbehaved);
        }
        self.reply(&table::READY_FOR_TLS);
        self.outputs.push_back(Output::StartTls);
        self.state = State::AwaitTls;
    }

    fn handle_tls_started(&mut self) {
        if matches!(self.state, State::AwaitTls) {
            self.lines.clear();
            self.transport = Transport::Tls;
            self.greeted = false;
            self.transaction = None;
            self.state = State::ExpectCommand;
        }
    }

    fn authenticate(&mut self, mechanism: Mechanism, initial: Option<&[u8]>) {
        let trouble = match (self.role, self.transport) {
            (Role::Inbound, _) => Some(table::AUTH_NOT_OFFERED),
            (_, Transport::Plain) => Some(table::TLS_FIRST),
            _ if !self.greeted => Some(table::EHLO_FIRST),
            _ if self.login.is_some() => Some(table::ALREADY_AUTHENTICATED),
            _ if self.transaction.is_some() => Some(table::AUTH_IN_TRANSACTION),
            _ => None,
        };
        match trouble {
            Some(reply) => self.refuse(&reply),
            None => self.handle_step(begin(mechanism, initial)),
        }
    }

    fn handle_step(&mut self, step: Step) {
        match step {
            Step::Challenge(challenge, exchange) => {
                self.send(format!("334 {challenge}\r\n").into_bytes());
                self.state = State::ExpectSasl(exchange);
            }
            Step::Check(user, password) => {
                self.ask(Asked::Authenticate, Question::Authenticate { user, password });
            }
            Step::Failed(reply) => self.refuse_login(&reply),
        }
    }

    fn refuse_login(&mut self, reply: &Reply) {
        self.failed_logins = self.failed_logins.saturating_add(1);
        self.reply(reply);
        if self.failed_logins >= LOGIN_LIMIT {
            self.reply(&table::TOO_MANY_ERRORS);
            self.close(Why::Misbehaved);
        }
    }

    fn mail(&mut self, sender: Option<Address>, size: Option<u64>) {
        let trouble = match (self.role, self.transport) {
            (_, Transport::Plain) => Some(table::TLS_FIRST),
            _ if !self.greeted => Some(table::EHLO_FIRST),
            (Role::Submission, _) if self.login.is_none() => Some(table::AUTH_FIRST),
            _ if self.transaction.is_some() => Some(table::NESTED_MAIL),
            _ if size.is_some_and(|size| size > self.settings.message_limit) => Some(table::TOO_LARGE),
            _ => None,
        };
        match trouble {
            Some(reply) => self.refuse(&reply),
            None => {
                let question = Question::Sender { login: self.login.clone(), sender: sender.clone(), size };
                self.ask(Asked::Sender(sender), question);
            }
        }
    }

    fn rcpt(&mut self, recipient: Address) {
        let limit = self.settings.recipient_limit;
        match &self.transaction {
            None => self.refuse(&table::MAIL_FIRST),
            Some(Transaction { refusal: Some(reply), .. }) => self.reply(&reply.clone()),
            Some(Transaction { envelope, .. }) if envelope.recipients.contains(&recipient) => {
                self.reply(&table::RECIPIENT_OK);
            }
            Some(Transaction { envelope, .. }) if envelope.recipients.len() >= limit => {
                self.reply(&table::TOO_MANY_RECIPIENTS);
            }
            Some(Transaction { envelope, .. }) => {
                let question = Question::Recipient {
                    login: self.login.clone(),
                    sender: envelope.sender.clone(),
                    recipient: recipient.clone(),
                };
                self.ask(Asked::Recipient(recipient), question);
            }
        }
    }

    /// DATA. A client that pipelined it behind recipients which were all refused is told so here, and sends nothing.
    fn data(&mut self, now: Instant) {
        match &self.transaction {
            None => self.refuse(&table::MAIL_FIRST),
            Some(transaction) if transaction.envelope.recipients.is_empty() => {
                self.transaction = None;
                self.reply(&table::NO_RECIPIENTS);
            }
            Some(_) => {
                self.reply(&table::SEND_DATA);
                let content = Content::new(self.settings.message_limit);
                self.state = State::ExpectContent(content, now + self.settings.message_timeout);
                self.restart_clock(now);
            }
        }
    }

    /// Takes content; says whether there may be something behind it.
    fn read_content(&mut self, now: Instant) -> bool {
        let State::ExpectContent(content, _) = &mut self.state else { return false };
        let mut plain = Vec::new();
        let before = content.error();
        let progress = content.push(self.lines.pending(), &mut plain);
        let (error, size) = (content.error(), content.size());
        let outcome = content.finish();
        self.lines.consume(match progress {
            Progress::More => self.lines.len(),
            Progress::End(count) => count,
        });
        if error.is_none() && !plain.is_empty() {
            self.spool_open = true;
            self.outputs.push_back(Output::Spool(plain));
        } else if error.is_some() && before.is_none() {
            self.discard_spool();
        }
        match progress {
            Progress::More => {
                self.restart_clock(now);
                if size > self.settings.message_limit.saturating_mul(OVERSIZE_PATIENCE) {
                    self.reply(&table::TOO_LARGE);
                    self.close(Why::Misbehaved);
                }
                false
            }
            Progress::End(_) => {
                self.restart_clock(now);
                self.end_of_content(outcome);
                true
            }
        }
    }

    fn end_of_content(&mut self, outcome: Result<u64, ContentError>) {
        self.state = State::ExpectCommand;
        let transaction = self.transaction.take();
        match (outcome, transaction) {
            (Ok(size), Some(Transaction { envelope, .. })) => {
                self.spool_open = false;
                self.ask(Asked::Commit, Question::Commit { login: self.login.clone(), envelope, size });
            }
            (Ok(_), None) => {
                self.discard_spool();
                self.reply(&table::LOCAL_TROUBLE);
            }
            (Err(ContentError::TooLarge), _) => self.reply(&table::TOO_LARGE),
            (Err(ContentError::Invalid), _) => self.reply(&table::INVALID_DATA),
        }
    }

    fn handle_answer(&mut self, answer: Answer) {
        let State::AwaitAnswer(_) = self.state else { return };
        let State::AwaitAnswer(asked) = std::mem::replace(&mut self.state, State::ExpectCommand) else {
            return;
        };
        match (asked, answer) {
            (Asked::Authenticate, Answer::Authenticated(login)) => {
                self.login = Some(login);
                self.reply(&table::AUTHENTICATED);
            }
            (Asked::Authenticate, Answer::Refused(reply)) => self.refuse_login(&reply),
            (Asked::Sender(sender), Answer::Accepted) => self.open_transaction(sender, None),
            (Asked::Sender(sender), Answer::RefusedAtRecipients(reply)) => {
                self.open_transaction(sender, Some(reply));
            }
            (Asked::Recipient(recipient), Answer::Accepted) => match &mut self.transaction {
                Some(transaction) => {
                    transaction.envelope.recipients.push(recipient);
                    self.reply(&table::RECIPIENT_OK);
                }
                None => self.reply(&table::LOCAL_TROUBLE),
            },
            (Asked::Commit, Answer::Accepted) => self.reply(&table::ACCEPTED),
            (_, Answer::Refused(reply)) => self.reply(&reply),
            (_, Answer::Accepted | Answer::Authenticated(_) | Answer::RefusedAtRecipients(_)) => {
                self.reply(&table::LOCAL_TROUBLE);
            }
        }
    }

    fn open_transaction(&mut self, sender: Option<Address>, refusal: Option<Reply>) {
        self.transaction =
            Some(Transaction { envelope: Envelope { sender, recipients: Vec::new() }, refusal });
        self.reply(&table::SENDER_OK);
    }

    fn handle_tick(&mut self, now: Instant) {
        if self.announced.is_some_and(|announced| announced <= now) {
            self.announced = None;
        }
        match self.deadline {
            Some(deadline) if deadline <= now => {
                // Within the TLS handshake a line of clear text would only confuse.
                if !matches!(self.state, State::AwaitTls) {
                    self.reply(&table::TIMED_OUT);
                }
                self.close(Why::TimedOut);
            }
            Some(_) => {}
            None => self.restart_clock(now),
        }
    }

    /// The client has sent a whole line or some content: count its silence from now. Half a line is no sign of life,
    /// or a byte a minute would hold a connection for ever.
    fn restart_clock(&mut self, now: Instant) {
        let settings = &self.settings;
        self.deadline = match &self.state {
            State::Closed => None,
            State::ExpectContent(_, last) => Some((now + settings.data_timeout).min(*last)),
            _ if self.login.is_none() && self.role == Role::Submission => Some(now + settings.login_timeout),
            _ => Some(now + settings.command_timeout),
        };
    }

    /// While a question is open the silence is ours, not the client's.
    fn announce_deadline(&mut self) {
        if matches!(self.state, State::AwaitAnswer(_)) {
            self.deadline = None;
        }
        if let Some(deadline) = self.deadline
            && self.announced.is_none_or(|announced| announced > deadline)
        {
            self.announced = Some(deadline);
            self.outputs.push_back(Output::WakeAt(deadline));
        }
    }

    fn ask(&mut self, asked: Asked, question: Question) {
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
            self.close(Why::Misbehaved);
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

    fn close(&mut self, why: Why) {
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
