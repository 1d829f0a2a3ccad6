//! `[expiry]`: retention periods.

use relay_policy::ExpiryRules;

use crate::reader::Reader;
use crate::values::at_least;

pub(crate) fn expiry(table: &mut Reader) -> ExpiryRules {
    let default = ExpiryRules::default();
    ExpiryRules {
        keep_days: table.take_with("messages_days", default.keep_days, at_least(1)),
        keep_large_days: table.take_with("large_messages_days", default.keep_large_days, at_least(1)),
        large: table.take("large_message", default.large),
        inactive_days: table.take_with("inactive_accounts_days", default.inactive_days, at_least(1)),
        // No key: a message of today is never removed to make room.
        protected_seconds: default.protected_seconds,
    }
}
