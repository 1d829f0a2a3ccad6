//! `LOGIN` and `AUTHENTICATE PLAIN`.

use super::job::{Context, Event, Job, Step};
use super::simple::capabilities;
use crate::command::Credentials;
use crate::dialogue::{Answer, Question};
use crate::frame::Frame;
use crate::parse;
use crate::respond::Completion;
use crate::settings::Transport;
use crate::state::State;

/// The job of `LOGIN` (RFC 3501 section 6.2.3).
#[derive(Debug)]
pub(super) struct Login {
    credentials: Option<Credentials>,
}

impl Login {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials: Some(credentials) }
    }
}

impl Job for Login {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match (event, self.credentials.take()) {
            (Event::Go, Some(credentials)) => ask(context, credentials),
            (Event::Answer(answer), _) => finish(context, answer),
            _ => Step::Done(Completion::unexpected()),
        }
    }
}

/// The job of `AUTHENTICATE PLAIN` (RFC 3501 section 6.2.2, RFC 4616), with an initial response (RFC 4959) or without.
#[derive(Debug)]
pub(super) struct Plain {
    initial: Option<Vec<u8>>,
}

impl Plain {
    pub(super) fn new(initial: Option<Vec<u8>>) -> Self {
        Self { initial }
    }

    fn respond(context: &mut Context<'_>, response: &[u8]) -> Step {
        match parse::plain_response(response) {
            Ok(credentials) => ask(context, credentials),
            Err(fault) => Step::Done(fault.into()),
        }
    }
}

impl Job for Plain {
    fn step(&mut self, context: &mut Context<'_>, event: Event) -> Step {
        match event {
            Event::Go => match self.initial.take() {
                Some(response) => Self::respond(context, &response),
                None => {
                    context.out.text("+ \r\n");
                    Step::AwaitInput
                }
            },
            Event::Frame(Frame::Command(line)) => match line.trim_ascii() {
                b"*" => Step::Done(Completion::bad("Cancelled.")),
                response => Self::respond(context, response),
            },
            Event::Frame(_) => Step::Done(Completion::bad("This is not base64.")),
            Event::Answer(answer) => finish(context, answer),
            Event::MailboxChanged | Event::KeepAlive => Step::AwaitInput,
        }
    }
}

/// The job of `AUTHENTICATE` with a mechanism that is not offered: `NO` (RFC 3501 section 6.2.2), so that a client tries
/// another. The text must not have the word that Delta Chat takes for a wrong password.
#[derive(Debug)]
pub(super) struct NotOffered;

impl Job for NotOffered {
    fn step(&mut self, _: &mut Context<'_>, _: Event) -> Step {
        Step::Done(Completion::no("This mechanism is not offered").code("CANNOT"))
    }
}

fn ask(context: &Context<'_>, credentials: Credentials) -> Step {
    match context.transport {
        Transport::Plain => Step::Done(
            Completion::no("Passwords are not taken in clear text: use STARTTLS.").code("PRIVACYREQUIRED"),
        ),
        Transport::Tls => {
            Step::Ask(Question::Authenticate { user: credentials.user, password: credentials.password })
        }
    }
}

/// The completion; Delta Chat takes the capabilities from it.
fn finish(context: &mut Context<'_>, answer: Answer) -> Step {
    Step::Done(match answer {
        Answer::Authenticated => {
            *context.state = State::Authenticated;
            let list = capabilities(context.settings, context.transport, context.state);
            Completion::ok("Logged in").code(format!("CAPABILITY {list}"))
        }
        Answer::Failed(failure) => failure.into(),
        _ => Completion::unexpected(),
    })
}
