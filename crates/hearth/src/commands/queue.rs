//! `hearth queue`: the mail that waits for other servers, as the running server tells it, page by page.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use ipc::control::{Request, Response};
use ipc::queue::{NextAttempt, QueueSelection, QueuedMessage, SenderIs};

use super::control_client::{RESPONSE_TIMEOUT, ask, unexpected, with_server};
use super::words::{duration, size};
use crate::cli::{EXIT_OK, QueueCommand};

/// Carries a command out.
pub(crate) fn run(command: &QueueCommand) -> anyhow::Result<ExitCode> {
    match command {
        QueueCommand::List { config, addresses, json } => list(&config.path, *addresses, *json),
        QueueCommand::Retry { config, ids, all } => {
            let selection = if *all { QueueSelection::All } else { QueueSelection::These(ids.clone()) };
            with_server(&config.path, &Request::RetryQueued(selection), |response, out| match response {
                Response::Retried(0) => writeln!(out, "No such message waits."),
                Response::Retried(count) => writeln!(out, "{count} messages are tried now."),
                other => unexpected(&other),
            })
        }
        QueueCommand::Drop { config, id, silent } => {
            let sender = if *silent { SenderIs::NotTold } else { SenderIs::Told };
            let request = Request::DropQueued { id: id.clone(), sender };
            with_server(&config.path, &request, |response, out| match response {
                Response::Dropped => writeln!(out, "The message {id} is dropped."),
                other => unexpected(&other),
            })
        }
    }
}

/// Asks page by page, so that neither side holds a long queue at once.
fn list(config: &Path, addresses: bool, json: bool) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut after = None;
    let mut count = 0;
    loop {
        let request = Request::Queue { after, addresses };
        let page = match ask(config, &request, RESPONSE_TIMEOUT)? {
            Ok(Response::Queue(page)) => page,
            Ok(other) => return Ok(unexpected(&other).map(|()| ExitCode::from(EXIT_OK))?),
            Err(exit) => return Ok(exit),
        };
        for message in &page.messages {
            if json {
                let separator = if count == 0 { "[\n" } else { ",\n" };
                write!(out, "{separator}{}", serde_json::to_string(message)?)?;
            } else {
                if count == 0 {
                    write!(out, "{HEADING}")?;
                }
                write!(out, "{}", row(message))?;
            }
            count += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    match (json, count) {
        (true, 0) => writeln!(out, "[]")?,
        (true, _) => writeln!(out, "\n]")?,
        (false, 0) => writeln!(out, "No message waits for another server.")?,
        (false, _) => {}
    }
    Ok(ExitCode::from(EXIT_OK))
}

const HEADING: &str = "ID        WAITS    SIZE    TO   TRIES  NEXT         DOMAIN, LAST ANSWER\n";

fn row(message: &QueuedMessage) -> String {
    let QueuedMessage { id, age, recipients, domain, attempts, .. } = message;
    let next = match message.next {
        NextAttempt::Running => "now".to_owned(),
        NextAttempt::In(seconds) => format!("in {}", duration(seconds)),
        NextAttempt::WhenClockIsSet => "clock unset".to_owned(),
        NextAttempt::Off => "off".to_owned(),
    };
    let mut text = format!(
        "{id:<9} {:<8} {:<7} {recipients:<4} {attempts:<6} {next:<12} {domain}\n",
        duration(*age),
        size(message.size)
    );
    let mut detail = |line: &str| text.push_str(&format!("          {line}\n"));
    if let Some(answer) = &message.last_answer {
        detail(&format!("answer: {answer}"));
    }
    if let Some(sender) = &message.sender {
        detail(&format!("from:   {sender}"));
    }
    for address in &message.addresses {
        detail(&format!("to:     {address}"));
    }
    let further = recipients.saturating_sub(message.addresses.len());
    if !message.addresses.is_empty() && further > 0 {
        detail(&format!("and to {further} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use ipc::queue::{NextAttempt, QueuedMessage};

    use super::{HEADING, row};

    #[test]
    fn a_message_is_a_row_with_what_is_known_below_it() {
        let message = QueuedMessage {
            id: "3f".into(),
            age: 7300,
            size: 12_345,
            domain: "b.test".into(),
            recipients: 3,
            sender: Some("alice@a.test".into()),
            addresses: vec!["ben@b.test".into()],
            attempts: 4,
            next: NextAttempt::In(300),
            last_answer: Some("451 4.7.1 Greylisted".into()),
        };
        let expected = "\
ID        WAITS    SIZE    TO   TRIES  NEXT         DOMAIN, LAST ANSWER
3f        2 h      12 kB   3    4      in 5 min     b.test
          answer: 451 4.7.1 Greylisted
          from:   alice@a.test
          to:     ben@b.test
          and to 2 more
";
        assert_eq!(format!("{HEADING}{}", row(&message)), expected);
    }
}
