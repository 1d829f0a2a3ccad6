//! The control socket's requests about the queue of mail for other servers.

use std::sync::Arc;

use host::clock;
use ipc::control::{LINE_LIMIT, Response};
use ipc::queue::{NextAttempt, QueuePage, QueueSelection, QueuedMessage, SenderIs, SendingStatus};
use mail_types::Address;
use relay_policy::FailedRecipient;
use smtp::Reply;
use store::{Outbound as Entry, OutboundId, OutboundSummary};

use crate::federation::outbound::Outbound;
use crate::mailboxes::reports::Reports;
use crate::operation::observed::Observed;
use crate::runtime::blocking;

/// The most entries of a page.
const PAGE: usize = 200;
/// The bytes after which a page ends.
const PAGE_BYTES: usize = LINE_LIMIT / 2;
/// The most recipients of an entry that are named: a page holds at least one entry.
const NAMED: usize = 20;

/// The parts of the server that know the queue.
pub(crate) struct QueueControl {
    pub(crate) observed: Arc<Observed>,
    /// None when mail goes to no other server.
    pub(crate) outbound: Option<Arc<Outbound>>,
    pub(crate) reports: Arc<Reports>,
    /// The servers that mail goes to.
    pub(crate) servers: config::Outbound,
}

/// Some entries behind the one with this ID.
pub(super) fn page(control: &QueueControl, after: Option<&str>, addresses: bool) -> Response {
    let after = match after.map(parse_id).transpose() {
        Ok(after) => after,
        Err(refused) => return refused,
    };
    // One more than is shown tells whether there is another page.
    match control.observed.store.outbound_after(after, PAGE + 1) {
        Ok(entries) => Response::Queue(bounded(control, &entries, addresses)),
        Err(error) => Response::Refused(format!("The queue cannot be read: {error}.")),
    }
}

fn bounded(control: &QueueControl, entries: &[Entry], addresses: bool) -> QueuePage {
    let mut messages: Vec<QueuedMessage> = Vec::new();
    let mut bytes = 0;
    for entry in entries.iter().take(PAGE) {
        let message = describe(control, entry, addresses);
        bytes += serde_json::to_vec(&message).map_or(0, |json| json.len());
        if bytes > PAGE_BYTES && !messages.is_empty() {
            break;
        }
        messages.push(message);
    }
    let more = messages.len() < entries.len();
    let next = messages.last().filter(|_| more).map(|message| message.id.clone());
    QueuePage { messages, next }
}

fn describe(control: &QueueControl, entry: &Entry, addresses: bool) -> QueuedMessage {
    let draft = &entry.draft;
    let domain = draft.recipients.first().map(Address::domain);
    let course =
        domain.zip(control.outbound.as_ref()).map(|(domain, outbound)| outbound.course(entry.id, domain));
    let next = match &course {
        None => NextAttempt::Off,
        Some(course) => match course.due_in {
            None => NextAttempt::Running,
            Some(_) if !control.observed.clock.is_right() => NextAttempt::WhenClockIsSet,
            Some(wait) => NextAttempt::In(wait.as_secs()),
        },
    };
    let shown = |answer: String| if addresses { answer } else { without_addresses(&answer) };
    let named = draft.recipients.iter().filter(|_| addresses).take(NAMED);
    QueuedMessage {
        id: entry.id.to_string(),
        age: clock::wall().0.saturating_sub(draft.created.0),
        size: entry.size,
        domain: domain.map(ToString::to_string).unwrap_or_default(),
        recipients: draft.recipients.len(),
        sender: draft.sender.as_ref().filter(|_| addresses).map(ToString::to_string),
        addresses: named.map(ToString::to_string).collect(),
        attempts: course.as_ref().map_or(0, |course| course.tries),
        next,
        last_answer: course.and_then(|course| course.last_answer).map(shown),
    }
}

/// An answer of another server, which often repeats the recipient's address.
fn without_addresses(answer: &str) -> String {
    let word = |word: &'_ str| if word.contains('@') { "…".to_owned() } else { word.to_owned() };
    answer.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Makes messages due now.
pub(super) fn retry(control: &QueueControl, selection: &QueueSelection) -> Response {
    let Some(outbound) = &control.outbound else {
        let reason = "Mail goes to no other server: federation.outbound in the configuration is \"off\".";
        return Response::Refused(reason.to_owned());
    };
    match selection {
        QueueSelection::All => Response::Retried(outbound.hurry_all()),
        QueueSelection::These(ids) => {
            match ids.iter().map(|id| parse_id(id)).collect::<Result<Vec<_>, _>>() {
                Ok(ids) => Response::Retried(outbound.hurry(&ids)),
                Err(refused) => refused,
            }
        }
    }
}

/// Removes a message, and tells its sender or not.
pub(super) async fn drop_one(control: &QueueControl, id: &str, sender: SenderIs) -> Response {
    let id = match parse_id(id) {
        Ok(id) => id,
        Err(refused) => return refused,
    };
    let (store, reports) = (control.observed.store.clone(), control.reports.clone());
    let work = move || -> anyhow::Result<Option<usize>> {
        let Some(entry) = store.outbound_entry(id)? else { return Ok(None) };
        if sender == SenderIs::Told {
            let failed: Vec<_> = entry.draft.recipients.iter().map(dropped).collect();
            reports.write_for(&entry, &failed)?;
        }
        store.finish_outbound(id)?;
        Ok(Some(entry.draft.recipients.len()))
    };
    match blocking::run(work).await.map_err(anyhow::Error::from).flatten() {
        Ok(Some(recipients)) => {
            control.observed.counters.outbound.failed.add(recipients as u64);
            if let Some(outbound) = &control.outbound {
                outbound.forget(id);
            }
            Response::Dropped
        }
        Ok(None) => unknown(),
        Err(error) => Response::Refused(format!("The message could not be dropped: {error:#}.")),
    }
}

fn dropped(recipient: &Address) -> FailedRecipient {
    let text = "5.0.0 The owner of this server took the message out of its queue";
    FailedRecipient { address: recipient.clone(), status: (5, 0, 0), diagnostic: Reply::new(554, text) }
}

fn parse_id(text: &str) -> Result<OutboundId, Response> {
    u64::from_str_radix(text, 16).map(OutboundId).map_err(|_| unknown())
}

fn unknown() -> Response {
    Response::Refused("There is no queued message with this ID; `hearth queue list` shows all.".to_owned())
}

/// Mail for other servers as a whole.
pub(super) fn status(control: &QueueControl, queued: OutboundSummary) -> SendingStatus {
    let servers = match control.servers {
        config::Outbound::Off => "off",
        config::Outbound::Relays => "relays",
        config::Outbound::All => "all",
    };
    SendingStatus {
        servers: servers.to_owned(),
        oldest: queued.oldest.map(|time| clock::wall().0.saturating_sub(time.0)),
        given_up: control.observed.counters.outbound.given_up.value(),
        clock_is_right: control.observed.clock.is_right(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_addresses;

    #[test]
    fn answers_of_other_servers_name_nobody() {
        let answer = "450 4.2.1 <ben@b.test>: mailbox busy";
        assert_eq!(without_addresses(answer), "450 4.2.1 … mailbox busy");
    }
}
