//! The outbound queue on the control socket: pages of entries, and the ends that its owner can give them.

use serde::{Deserialize, Serialize};

/// Some entries of the queue, oldest first. Its line stays below half of [`crate::control::LINE_LIMIT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePage {
    /// The entries.
    pub messages: Vec<QueuedMessage>,
    /// The ID to ask for the next page with; none after the last one.
    pub next: Option<String>,
}

/// A message that waits for another server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedMessage {
    /// Its ID, by which it is retried or dropped.
    pub id: String,
    /// The seconds since it was accepted.
    pub age: u64,
    /// Its size in bytes.
    pub size: u64,
    /// The domain of all its recipients.
    pub domain: String,
    /// The number of recipients who have not got it.
    pub recipients: usize,
    /// The envelope sender, if addresses were asked for and it is not the null sender.
    pub sender: Option<String>,
    /// The first recipients, if addresses were asked for.
    pub addresses: Vec<String>,
    /// The number of attempts since the start of the server.
    pub attempts: u32,
    /// The next attempt.
    pub next: NextAttempt,
    /// The last answer of the domain's servers that put mail off. Addresses in it are blanked unless they were asked for.
    pub last_answer: Option<String>,
}

/// The time of the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextAttempt {
    /// An attempt is being made.
    Running,
    /// In so many seconds.
    In(u64),
    /// When the clock is right.
    WhenClockIsSet,
    /// Not before the owner lets mail go to other servers.
    Off,
}

/// Messages of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueSelection {
    /// Each of them.
    All,
    /// Those with these IDs.
    These(Vec<String>),
}

/// The consequence for the sender of a message that is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderIs {
    /// Told by a report.
    Told,
    /// Not told.
    NotTold,
}

/// Mail for other servers as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingStatus {
    /// The servers that mail goes to: `off`, `relays` or `all`.
    pub servers: String,
    /// The age of the oldest queued message, in seconds; none for an empty queue.
    pub oldest: Option<u64>,
    /// Queued messages that were given up for some or all recipients since the start.
    pub given_up: u64,
    /// False while the clock is not known to be right: mail waits until it is.
    pub clock_is_right: bool,
}
