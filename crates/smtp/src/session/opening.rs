//! The commands before a mail transaction: EHLO, STARTTLS, AUTH.

use super::{OpenQuestion, Session, State};
use crate::auth::{Step, begin};
use crate::command::Mechanism;
use crate::dialogue::{CloseReason, Output, Question, Role, Transport};
use crate::reply::{Reply, table};

/// The most failed authentications of one connection.
const FAILED_LOGIN_LIMIT: u32 = 5;

impl Session {
    /// The service extensions in the reply to EHLO (RFC 5321 section 4.1.1.1).
    pub(super) fn extensions(&self) -> Vec<String> {
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

    pub(super) fn greet(&mut self, extensions: &[String]) {
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

    pub(super) fn start_tls(&mut self) {
        if self.transport == Transport::Tls {
            return self.refuse(&table::TLS_NOT_OFFERED);
        }
        // RFC 3207 section 4.2: what came in clear text must not count as having come under TLS.
        if self.lines.len() > 0 {
            self.reply(&table::PIPELINED_TLS);
            return self.close(CloseReason::Misbehaved);
        }
        self.reply(&table::READY_FOR_TLS);
        self.outputs.push_back(Output::StartTls);
        self.state = State::AwaitTls;
    }

    pub(super) fn handle_tls_started(&mut self) {
        if matches!(self.state, State::AwaitTls) {
            self.lines.clear();
            self.announced = None;
            self.transport = Transport::Tls;
            self.greeted = false;
            self.transaction = None;
            self.state = State::ExpectCommand;
        }
    }

    pub(super) fn authenticate(&mut self, mechanism: Mechanism, initial: Option<&[u8]>) {
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

    pub(super) fn handle_step(&mut self, step: Step) {
        match step {
            Step::Challenge(challenge, exchange) => {
                self.send(format!("334 {challenge}\r\n").into_bytes());
                self.state = State::ExpectSasl(exchange);
            }
            Step::Check(user, password) => {
                self.ask(OpenQuestion::Authenticate, Question::Authenticate { user, password });
            }
            Step::Failed(reply) => self.refuse_login(&reply),
        }
    }

    pub(super) fn refuse_login(&mut self, reply: &Reply) {
        self.failed_logins = self.failed_logins.saturating_add(1);
        self.reply(reply);
        if self.failed_logins >= FAILED_LOGIN_LIMIT {
            self.reply(&table::TOO_MANY_ERRORS);
            self.close(CloseReason::Misbehaved);
        }
    }
}
