//! Answers a submission session's questions: who may log in, who may write as whom, and whether a message passes the
//! gate. The message is inspected and cleaned as it comes in, so it is written once and never held in memory.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use host::clock;
use mail_types::{Address, Secret};
use relay_policy::{HeaderCleanup, Inspection, Purpose, Refusal, judge_outgoing, may_send_as};
use smtp::{Answer, Envelope, Question, Reply, table};

use crate::connections::driver::Backend;
use crate::connections::places::Place;
use crate::mail_services::MailServices;
use crate::mailboxes::spool_buffer::SpoolBuffer;
use crate::runtime::counters::Login;

/// The backend of one submission connection.
pub(crate) struct SubmissionBackend {
    services: Arc<MailServices>,
    place: Arc<Place>,
    message: Option<Message>,
}

/// A message on its way in.
struct Message {
    inspection: Inspection,
    cleanup: HeaderCleanup,
    incoming: SpoolBuffer,
}

impl Message {
    fn new() -> Self {
        Self {
            inspection: Inspection::outgoing(),
            cleanup: HeaderCleanup::new(Purpose::SubmissionToLocal),
            incoming: SpoolBuffer::Empty,
        }
    }
}

impl SubmissionBackend {
    /// A backend before login.
    pub(crate) fn new(services: &Arc<MailServices>, place: &Arc<Place>) -> Self {
        Self { services: Arc::clone(services), place: Arc::clone(place), message: None }
    }

    async fn authenticate(&self, user: Address, password: Secret) -> Answer {
        match self.services.accounts.login(&user, &password, &self.place).await {
            Login::Accepted => Answer::Authenticated(user),
            Login::Wrong | Login::Foreign => Answer::Refused(table::AUTHENTICATION_FAILED),
            Login::Throttled => Answer::Refused(table::AUTHENTICATION_THROTTLED),
            Login::NoRoom => Answer::Refused(table::NO_ROOM_FOR_ACCOUNTS),
            Login::Crowded => Answer::Refused(table::TOO_MANY_OF_ACCOUNT),
            Login::Busy | Login::Trouble => Answer::Refused(table::AUTHENTICATION_TROUBLE),
        }
    }

    /// Clients and relays expect both refusals at RCPT.
    async fn sender(&self, login: Option<&Address>, sender: Option<&Address>) -> Answer {
        let Some(login) = login else { return Answer::Refused(table::AUTH_FIRST) };
        let delay =
            may_send_as(login, sender).and_then(|()| self.services.delivery.count(clock::now(), login));
        match delay {
            Ok(delay) => {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                Answer::Accepted
            }
            Err(refusal) => Answer::RefusedAtRecipients(self.refuse(&refusal)),
        }
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        self.services.counters.refused(refusal);
        refusal.reply()
    }

    async fn commit(&mut self, login: Option<Address>, envelope: Envelope) -> Result<(), Reply> {
        let sender = login.ok_or(table::AUTH_FIRST)?;
        let Message { inspection, cleanup, mut incoming } =
            self.message.take().ok_or(table::LOCAL_TROUBLE)?;
        let inspected = inspection.finish().map_err(|refusal| self.refuse(&refusal))?;
        judge_outgoing(&inspected, &sender, &envelope.recipients).map_err(|refusal| self.refuse(&refusal))?;
        if let Some(buffer) = incoming.buffer(&self.services.store, self.services.limits.message_size) {
            cleanup.finish(buffer);
        }
        let message = incoming.take().map_err(|error| {
            tracing::error!(%error, "a message could not be kept");
            if error.kind() == io::ErrorKind::StorageFull { table::NO_SPACE } else { table::LOCAL_TROUBLE }
        })?;
        self.services.delivery.submit(sender, envelope.recipients, message).await
    }
}

impl Backend<smtp::Session> for SubmissionBackend {
    async fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Authenticate { user, password } => self.authenticate(user, password).await,
            Question::Sender { login, sender, size: _ } => self.sender(login.as_ref(), sender.as_ref()).await,
            // A recipient that cannot be reached is bounced later: one bad address must not stop a whole group's message.
            Question::Recipient { .. } => Answer::Accepted,
            Question::Commit { login, envelope, size: _ } => match self.commit(login, envelope).await {
                Ok(()) => Answer::Accepted,
                Err(reply) => Answer::Refused(reply),
            },
        }
    }

    async fn spool(&mut self, bytes: Vec<u8>) {
        let message = self.message.get_or_insert_with(Message::new);
        message.inspection.push(&bytes);
        let limit = self.services.limits.message_size;
        if let Some(buffer) = message.incoming.buffer(&self.services.store, limit) {
            message.cleanup.push(&bytes, buffer);
        }
        // A trip to the disk may take a while, and there may be many of these.
        drop(bytes);
        message.incoming.flush_if_full().await;
    }

    async fn discard_spool(&mut self) {
        self.message = None;
    }

    async fn read_message(&mut self, _: Range<u64>) -> io::Result<Vec<u8>> {
        Err(io::Error::other("a submission session has no message to send"))
    }

    async fn changed(&mut self) {
        std::future::pending().await
    }
}
