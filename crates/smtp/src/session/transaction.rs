//! From MAIL to the end of the message.

use std::time::Instant;

use mail_types::Address;

use super::{OpenQuestion, Session, State};
use crate::command::Recipient;
use crate::content::{Content, ContentError, Progress};
use crate::dialogue::{CloseReason, Envelope, Output, Question, Role, Transport};
use crate::reply::{Reply, table};

/// The most that is read of an oversized message and dropped, to stay in step, in multiples of the message limit.
const DISCARD_LIMIT_FACTOR: u64 = 3;

/// A mail transaction (RFC 5321 section 3.3).
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) envelope: Envelope,
    /// The reply to every RCPT in place of an acceptance.
    pub(super) refusal: Option<Reply>,
}

impl Session {
    pub(super) fn mail(&mut self, sender: Option<Address>, size: Option<u64>) {
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
                self.ask(OpenQuestion::Sender(sender), question);
            }
        }
    }

    pub(super) fn rcpt(&mut self, recipient: Recipient) {
        let recipient = match recipient {
            Recipient::Mailbox(address) => address,
            Recipient::Postmaster => match format!("postmaster@{}", self.settings.host_name).parse() {
                Ok(address) => address,
                // A server without a mail domain has no postmaster.
                Err(_) => return self.refuse(&table::RECIPIENT_SYNTAX),
            },
        };
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
                self.ask(OpenQuestion::Recipient(recipient), question);
            }
        }
    }

    /// DATA. A client that pipelined it behind recipients which were all refused is told so here, and sends nothing.
    pub(super) fn data(&mut self, now: Instant) {
        match &self.transaction {
            None => self.refuse(&table::MAIL_FIRST),
            Some(transaction) if transaction.envelope.recipients.is_empty() => {
                self.transaction = None;
                self.reply(&table::NO_RECIPIENTS);
            }
            Some(_) => {
                self.reply(&table::SEND_DATA);
                let content = Content::new(self.settings.message_limit);
                self.state = State::ExpectContent(content, now);
                self.restart_clock(now);
            }
        }
    }

    /// Reads content; returns whether commands may follow it in the buffer.
    pub(super) fn read_content(&mut self, now: Instant) -> bool {
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
                if size > self.settings.message_limit.saturating_mul(DISCARD_LIMIT_FACTOR) {
                    self.reply(&table::TOO_LARGE);
                    self.close(CloseReason::Misbehaved);
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

    pub(super) fn end_of_content(&mut self, outcome: Result<u64, ContentError>) {
        self.state = State::ExpectCommand;
        let transaction = self.transaction.take();
        match (outcome, transaction) {
            (Ok(size), Some(Transaction { envelope, .. })) => {
                self.spool_open = false;
                self.ask(
                    OpenQuestion::Commit,
                    Question::Commit { login: self.login.clone(), envelope, size },
                );
            }
            (Ok(_), None) => {
                self.discard_spool();
                self.reply(&table::LOCAL_TROUBLE);
            }
            (Err(error), _) => self.reply(&error.into()),
        }
    }

    pub(super) fn open_transaction(&mut self, sender: Option<Address>, refusal: Option<Reply>) {
        self.transaction =
            Some(Transaction { envelope: Envelope { sender, recipients: Vec::new() }, refusal });
        self.reply(&table::SENDER_OK);
    }
}
