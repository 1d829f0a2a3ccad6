//! From the fates of a message's recipients to the end of its entry in the queue, and to its sender. Pure.

use mail_types::{Address, UnixTime};
use relay_policy::{FailedRecipient, Next, Queued, RetrySchedule};
use smtp::Reply;
use smtp::client::Fate;

/// The consequence of an attempt.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The number of recipients that have the message now.
    pub(super) delivered: usize,
    /// The recipients to be tried again.
    pub(super) remaining: Vec<Address>,
    /// The seconds until then.
    pub(super) wait: u64,
    /// The last reply or trouble of those.
    pub(super) last_reply: String,
    /// The recipients that are given up.
    pub(super) failed: Vec<FailedRecipient>,
}

/// Sorts the recipients of an attempt; `chance` spreads the next one.
pub(super) fn outcome(
    rules: &RetrySchedule,
    now: UnixTime,
    queued: Queued,
    host: Option<&str>,
    fates: &[(Address, Fate)],
    chance: u8,
) -> Outcome {
    let mut outcome = Outcome::default();
    for (recipient, fate) in fates {
        let fate = readable(fate, host);
        match rules.next(now, queued, recipient, &fate, chance) {
            Next::Nothing => outcome.delivered += 1,
            Next::Retry(time) => {
                outcome.wait = outcome.wait.max(time.0.saturating_sub(now.0));
                outcome.remaining.push(recipient.clone());
                outcome.last_reply = match &fate {
                    Fate::Refused(reply) => reply.to_string(),
                    Fate::Unsettled(trouble) => trouble.to_string(),
                    Fate::Delivered => String::new(),
                };
            }
            Next::Bounce(failed) => outcome.failed.push(failed),
        }
    }
    outcome
}

/// The other server's words, with its name behind them, as relays have it: a person sees that it was not this server
/// that refused.
fn readable(fate: &Fate, host: Option<&str>) -> Fate {
    let (Fate::Refused(reply), Some(host)) = (fate, host) else { return fate.clone() };
    Fate::Refused(Reply::new(
        reply.code(),
        &format!("{} (forwarded from {host})", without_zero(reply.text())),
    ))
}

/// Apps take `5.5.0` for a failure that passes (chatmail/core, `src/smtp.rs`), and would try for hours what the other
/// server has refused for good.
fn without_zero(text: &str) -> String {
    match text.strip_prefix("5.5.0") {
        Some(rest) => format!("5.0.0{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mail_types::{Address, UnixTime};
    use relay_policy::{Queued, RetrySchedule};
    use smtp::Reply;
    use smtp::client::{Fate, Trouble};

    use super::{Outcome, outcome};

    const NOW: UnixTime = UnixTime(1_000_000);

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn settle(fates: &[(Address, Fate)]) -> Outcome {
        let queued = Queued { since: NOW, tries: 1 };
        outcome(&RetrySchedule::default(), NOW, queued, Some("mx.b.test"), fates, 0)
    }

    #[test]
    fn each_recipient_has_its_own_end_and_the_sender_reads_who_said_no() {
        let refused = |code, text: &str| Fate::Refused(Reply::new(code, text));
        let outcome = settle(&[
            (address("one@b.test"), Fate::Delivered),
            (address("two@b.test"), refused(550, "5.1.1 User doesn't exist")),
            (address("three@b.test"), refused(451, "4.7.1 Greylisted")),
            (address("four@b.test"), Fate::Unsettled(Trouble::ConnectionLost)),
        ]);
        assert_eq!(outcome.delivered, 1);
        assert_eq!(outcome.remaining, [address("three@b.test"), address("four@b.test")]);
        assert_eq!(
            (outcome.wait, outcome.last_reply.as_str()),
            (60, "the other server closed the connection")
        );
        let said = "5.1.1 User doesn't exist (forwarded from mx.b.test)";
        assert_eq!(outcome.failed[0].diagnostic, Reply::new(550, said));
    }

    #[test]
    fn a_refusal_that_apps_take_for_a_passing_one_is_said_otherwise() {
        let refused = Fate::Refused(Reply::new(550, "5.5.0 Mailbox unavailable"));
        let outcome = settle(&[(address("one@b.test"), refused)]);
        let said = "5.0.0 Mailbox unavailable (forwarded from mx.b.test)";
        assert_eq!(outcome.failed[0].diagnostic, Reply::new(550, said));
    }
}
