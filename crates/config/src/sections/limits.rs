//! `[limits]`: bounds of one message, account or client, and of all together.

use relay_policy::{AccountRules, Registration, SendRate};

use crate::defaults;
use crate::finding::Severity;
use crate::model::Limits;
use crate::quantities::size;
use crate::reader::Reader;
use crate::values::at_least;

/// The usual pace of sending depends on who may have an account.
pub(crate) fn limits(table: &mut Reader, registration: Registration) -> Limits {
    let pace = SendRate::usual(registration);
    let limits = Limits {
        message_size: table.take_with("message_size", defaults::MESSAGE_SIZE, size(1024)),
        quota: table.take_with("quota", defaults::QUOTA, size(1024)),
        send_rate: SendRate {
            per_minute: table.take_with("sends_per_minute", pace.per_minute, at_least(1)),
            burst: table.take_with("send_burst", pace.burst, at_least(1)),
        },
        inbound_rate: SendRate {
            per_minute: table.take_with("inbound_per_minute", defaults::INBOUND_PER_MINUTE, at_least(1)),
            burst: table.take_with("inbound_burst", defaults::INBOUND_BURST, at_least(1)),
        },
        recipients: table.take_with("recipients", defaults::RECIPIENTS, at_least(1)),
        accounts: accounts(table),
        connections: table.take_with("connections", defaults::CONNECTIONS, at_least(1)),
        connections_per_address: table.take_with(
            "connections_per_address",
            defaults::CONNECTIONS_PER_ADDRESS,
            at_least(1),
        ),
        connections_per_account: table.take_with(
            "connections_per_account",
            defaults::CONNECTIONS_PER_ACCOUNT,
            at_least(1),
        ),
        registration_free_disk: table.take_with(
            "registration_free_disk",
            defaults::REGISTRATION_FREE_DISK,
            size(0),
        ),
        registration_free_memory: table.take_with(
            "registration_free_memory",
            defaults::REGISTRATION_FREE_MEMORY,
            size(0),
        ),
    };
    if limits.message_size > limits.quota {
        let advice = "Raise the quota or lower message_size.";
        table.report("quota", Severity::Warning, "A single message may be greater than the quota.", advice);
    }
    limits
}

fn accounts(table: &mut Reader) -> AccountRules {
    let default = AccountRules::default();
    let rules = AccountRules {
        name_min: table.take_with("username_min", default.name_min, at_least(1)),
        name_max: table.take_with("username_max", default.name_max, at_least(1)),
        password_min: table.take_with("password_min", default.password_min, at_least(1)),
    };
    if !(rules.name_min..=rules.name_max).contains(&MINTED_NAME) {
        let problem = "The names that pairing and clients make up have nine characters, which this forbids.";
        table.report("username_min", Severity::Error, problem, "Allow nine characters.");
    }
    if rules.password_min > MINTED_PASSWORD {
        let problem = "The passwords that clients make up have 22 characters, which this forbids.";
        table.report("password_min", Severity::Error, problem, "Allow 22 characters.");
    }
    rules
}

/// The length of names that clients and pairing make up, in characters.
const MINTED_NAME: usize = 9;
/// The length of passwords that clients make up, in characters; those of pairing are longer.
const MINTED_PASSWORD: usize = 22;
