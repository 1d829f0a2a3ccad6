//! The metric families: name, meaning and source of each number.

use host::clock;
use store::Store;

use crate::operation::metrics::exposition::{Family, Kind, PLAIN, Unit};
use crate::operation::observed::Observed;
use crate::runtime::counters::{Counters, OutboundCounters, Pushes, Received};

/// The sums over the store's accounts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stored {
    accounts: u64,
    messages: u64,
    bytes: u64,
    queued: u64,
    /// The age of the oldest queued message, in seconds.
    oldest: u64,
}

impl Stored {
    /// From counters that are in memory; no message is looked at.
    pub(crate) fn count(store: &Store) -> store::Result<Self> {
        let queue = store.outbound_summary()?;
        let oldest = queue.oldest.map_or(0, |time| clock::wall().0.saturating_sub(time.0));
        let mut stored = Self { queued: queue.messages as u64, oldest, ..Self::default() };
        for account in store.accounts()? {
            // One that was deleted in this moment holds nothing.
            let usage = store.usage(&account.address).unwrap_or_default();
            stored.accounts += 1;
            stored.messages += usage.messages;
            stored.bytes += usage.bytes;
        }
        Ok(stored)
    }
}

/// All families as of now.
pub(crate) fn families(observed: &Observed, stored: Stored) -> Vec<Family> {
    let counters = &observed.counters;
    let groups = [
        state(observed, stored),
        arrivals(counters),
        mail(counters),
        sending(&counters.outbound),
        receiving(&counters.received),
        notifications(&counters.pushes),
    ];
    groups.into_iter().flatten().collect()
}

fn state(observed: &Observed, stored: Stored) -> Vec<Family> {
    let counters = &observed.counters;
    let troubles = observed.pairing.watch().borrow().troubles.len() as u64;
    let mut families = vec![
        info("hearth_build", "The program's version.", ("version", env!("CARGO_PKG_VERSION"))),
        gauge(
            "hearth_start_time_seconds",
            Unit::Seconds,
            "When counting began, in seconds since 1970.",
            counters.since.0,
        ),
        gauge("hearth_troubles", Unit::None, "What needs attention; hearth status says what.", troubles),
        gauge("hearth_accounts", Unit::None, "Accounts.", stored.accounts),
        labelled(
            Kind::Gauge,
            "hearth_connections",
            "Open connections.",
            "protocol",
            &[
                ("imap", counters.imap.open()),
                ("submission", counters.submission.open()),
                ("web", counters.web.open()),
                ("smtp", counters.inbound.open()),
            ],
        ),
        gauge("hearth_stored_messages", Unit::None, "Messages in all mailboxes.", stored.messages),
        gauge(
            "hearth_stored_bytes",
            Unit::Bytes,
            "The sum of their sizes; one in several mailboxes counts in each.",
            stored.bytes,
        ),
        gauge("hearth_queue_messages", Unit::None, "Messages that wait for other servers.", stored.queued),
        gauge(
            "hearth_queue_oldest_age_seconds",
            Unit::Seconds,
            "The age of the oldest of them; 0 when there is none.",
            stored.oldest,
        ),
    ];
    if let Some(expires) = observed.tls.summary().expires {
        families.push(gauge(
            "hearth_certificate_expiry_timestamp_seconds",
            Unit::Seconds,
            "From when on clients refuse the certificate, in seconds since 1970.",
            expires.0,
        ));
    }
    if let Some(notifier) = &observed.notifier {
        let pending = notifier.pending() as u64;
        families.push(gauge(
            "hearth_pushes_pending",
            Unit::None,
            "Devices that are still to be notified.",
            pending,
        ));
    }
    if let Some(disk) = observed.resources.disk() {
        families.push(gauge(
            "hearth_disk_free_bytes",
            Unit::Bytes,
            "What may still be written to the disk.",
            disk.free,
        ));
        families.push(gauge(
            "hearth_disk_size_bytes",
            Unit::Bytes,
            "The disk that holds the mail.",
            disk.total,
        ));
    }
    families
}

fn arrivals(counters: &Counters) -> Vec<Family> {
    let logins = &counters.logins;
    vec![
        counter_by(
            "hearth_connections_accepted",
            "Connections that came; the self-check opens three every five seconds.",
            "protocol",
            &[
                ("imap", counters.imap.opened()),
                ("submission", counters.submission.opened()),
                ("web", counters.web.opened()),
                ("smtp", counters.inbound.opened()),
            ],
        ),
        counter(
            "hearth_connections_rejected",
            "Connections beyond the limits.",
            counters.connections_rejected.value(),
        ),
        counter_by(
            "hearth_logins",
            "Logins by IMAP or submission.",
            "result",
            &[
                ("ok", logins.accepted.value()),
                ("failed", logins.wrong.value()),
                ("throttled", logins.throttled.value()),
                ("trouble", logins.trouble.value()),
            ],
        ),
        counter("hearth_accounts_created", "Accounts that were made.", counters.accounts_created.value()),
        counter(
            "hearth_registrations_refused",
            "First logins without an account for them since disk or memory are short.",
            counters.registrations_refused.value(),
        ),
    ]
}

fn mail(counters: &Counters) -> Vec<Family> {
    let refused = &counters.refused;
    vec![
        counter(
            "hearth_messages_accepted",
            "Messages taken from their authors.",
            counters.messages_accepted.value(),
        ),
        counter(
            "hearth_messages_delivered",
            "Copies that went into mailboxes.",
            counters.messages_delivered.value(),
        ),
        counter_by(
            "hearth_messages_refused",
            "Messages not taken.",
            "reason",
            &[
                ("unencrypted", refused.unencrypted.value()),
                ("rate", refused.rate.value()),
                ("sender", refused.sender.value()),
                ("malformed", refused.malformed.value()),
                ("recipients", refused.recipients.value()),
            ],
        ),
        counter(
            "hearth_bounces",
            "Reports to authors that a message could not be delivered.",
            counters.bounces.value(),
        ),
        counter(
            "hearth_messages_expired",
            "Messages removed for their age or to make room.",
            counters.messages_expired.value(),
        ),
        counter(
            "hearth_accounts_expired",
            "Accounts removed since nobody used them.",
            counters.accounts_expired.value(),
        ),
    ]
}

fn sending(outbound: &OutboundCounters) -> Vec<Family> {
    vec![
        counter("hearth_outbound_attempts", "Messages offered to other servers.", outbound.attempts.value()),
        counter_by(
            "hearth_outbound_recipients",
            "Recipients at other servers; one whose message is put off counts at each attempt.",
            "result",
            &[
                ("delivered", outbound.delivered.value()),
                ("deferred", outbound.deferred.value()),
                ("failed", outbound.failed.value()),
            ],
        ),
        counter(
            "hearth_outbound_given_up",
            "Queued messages given up for some or all recipients.",
            outbound.given_up.value(),
        ),
    ]
}

fn receiving(received: &Received) -> Vec<Family> {
    vec![
        counter_by(
            "hearth_inbound_messages",
            "Messages taken from other servers.",
            "protocol",
            &[("smtp", received.by_smtp.value()), ("https", received.by_https.value())],
        ),
        counter_by(
            "hearth_inbound_refused",
            "Messages of other servers that were not taken.",
            "reason",
            &[
                ("unencrypted", received.unencrypted.value()),
                ("unsigned", received.unsigned.value()),
                ("unclear", received.unclear.value()),
                ("rate", received.rate.value()),
                ("blocked", received.blocked.value()),
                ("malformed", received.malformed.value()),
                ("recipients", received.recipients.value()),
                ("trouble", received.trouble.value()),
            ],
        ),
        counter(
            "hearth_inbound_unreported",
            "Recipients who did not get a message that others got, and of whom no report was written.",
            received.unreported.value(),
        ),
    ]
}

fn notifications(pushes: &Pushes) -> Vec<Family> {
    vec![
        counter_by(
            "hearth_push_attempts",
            "Notifications posted to the push service.",
            "result",
            &[
                ("sent", pushes.sent.value()),
                ("gone", pushes.gone.value()),
                ("failed", pushes.failed.value()),
            ],
        ),
        counter(
            "hearth_pushes_given_up",
            "Notifications that failed too often or came too late.",
            pushes.given_up.value(),
        ),
    ]
}

fn gauge(name: &'static str, unit: Unit, help: &'static str, value: u64) -> Family {
    Family { name, kind: Kind::Gauge, unit, help, samples: vec![(PLAIN, value)] }
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Family {
    Family { name, kind: Kind::Counter, unit: Unit::None, help, samples: vec![(PLAIN, value)] }
}

fn info(name: &'static str, help: &'static str, label: (&'static str, &'static str)) -> Family {
    Family { name, kind: Kind::Info, unit: Unit::None, help, samples: vec![(label, 1)] }
}

fn counter_by(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    samples: &[(&'static str, u64)],
) -> Family {
    labelled(Kind::Counter, name, help, label, samples)
}

fn labelled(
    kind: Kind,
    name: &'static str,
    help: &'static str,
    label: &'static str,
    samples: &[(&'static str, u64)],
) -> Family {
    let samples = samples.iter().map(|(value, number)| ((label, *value), *number)).collect();
    Family { name, kind, unit: Unit::None, help, samples }
}
