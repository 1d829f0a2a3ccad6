//! The first attempt at a message, made while its sender waits for the answer to DATA: what the other side refuses for
//! good is told at once, since apps ignore bounces (chatmail/core 2.65, `force_encryption`).
//!
//! The attempt goes on when the sender has waited long enough: the message is then put into the queue, and the attempt
//! settles the entry when it ends.

use std::sync::Arc;

use host::locks::Mutex;
use mail_types::{Address, Domain};
use smtp::client::{Fate, Trouble};
use store::OutboundId;
use tokio::sync::Notify;

use super::content::{Content, Envelope};
use super::reach::Reach;

/// The message for one destination.
pub(super) struct Trial {
    pub(super) destination: Domain,
    pub(super) envelope: Envelope,
    /// The size of the message in bytes.
    pub(super) size: u64,
    state: Mutex<State>,
    ended: Notify,
}

enum State {
    /// No worker has taken it up.
    Waiting(Content),
    Running,
    /// The attempt has ended; its submitter sees to the rest.
    Ended(Ended),
    /// The message is in the queue: whoever ends the attempt settles the entry.
    Queued(OutboundId),
    /// Its result was taken, or is of no interest.
    Over,
}

/// The end of an attempt.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) fates: Vec<(Address, Fate)>,
    pub(super) reach: Reach,
    pub(super) host: Option<String>,
}

impl Ended {
    /// The same with a fate for each of these recipients: one that is missing is not known, and never a delivery.
    pub(super) fn complete(mut self, recipients: &[Address]) -> Self {
        for recipient in recipients {
            if !self.fates.iter().any(|(known, _)| known == recipient) {
                self.fates.push((recipient.clone(), Fate::Unsettled(Trouble::ConnectionLost)));
            }
        }
        self
    }
}

/// The way on for a message that was put into the queue.
pub(super) enum Handed {
    /// The attempt goes on, and settles the entry.
    InProgress,
    /// The attempt ended in this moment, like this.
    Ended(Ended),
    /// No attempt was made.
    Untried,
}

impl Trial {
    pub(super) fn new(destination: Domain, envelope: Envelope, content: Content) -> Arc<Self> {
        let size = content.size();
        let state = Mutex::new(State::Waiting(content));
        Arc::new(Self { destination, envelope, size, state, ended: Notify::new() })
    }

    /// Takes the content for the attempt; none when the submitter has given up waiting.
    pub(super) fn begin(&self) -> Option<Content> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Running) {
            State::Waiting(content) => Some(content),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Whether the message is in the queue by now.
    pub(super) fn is_handed_over(&self) -> bool {
        matches!(*self.state.lock(), State::Queued(_))
    }

    /// Ends the attempt. Returns the entry that is to be settled, if the message was queued meanwhile.
    pub(super) fn end(&self, ended: Ended) -> Option<(OutboundId, Ended)> {
        let mut state = self.state.lock();
        match *state {
            State::Queued(id) => {
                *state = State::Over;
                Some((id, ended))
            }
            _ => {
                *state = State::Ended(ended);
                self.ended.notify_one();
                None
            }
        }
    }

    /// Waits for the end of the attempt.
    pub(super) async fn wait(&self) -> Ended {
        loop {
            if let Some(ended) = self.result() {
                return ended;
            }
            self.ended.notified().await;
        }
    }

    /// The end of the attempt, if it has come. It is given once.
    pub(super) fn result(&self) -> Option<Ended> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Over) {
            State::Ended(ended) => Some(ended),
            other => {
                *state = other;
                None
            }
        }
    }

    /// The message is in the queue, durable, under this number.
    pub(super) fn queued(&self, id: OutboundId) -> Handed {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Over) {
            State::Running => {
                *state = State::Queued(id);
                Handed::InProgress
            }
            State::Ended(ended) => Handed::Ended(ended),
            State::Waiting(_) | State::Queued(_) | State::Over => Handed::Untried,
        }
    }

    /// The submitter gives the message up.
    pub(super) fn withdraw(&self) {
        *self.state.lock() = State::Over;
    }
}
