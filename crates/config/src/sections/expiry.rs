//! `[expiry]`: retention periods.

use relay_policy::ExpiryRules;

use crate::quantities::{days, size};
use crate::reader::Reader;

pub(crate) fn expiry(table: &mut Reader) -> ExpiryRules {
    let default = ExpiryRules::default();
    ExpiryRules {
        keep_days: table.take_with("messages_days", default.keep_days, days(1)),
        keep_large_days: table.take_with("large_messages_days", default.keep_large_days, days(1)),
        large: table.take_with("large_message", default.large, size(0)),
        inactive_days: table.take_with("inactive_accounts_days", default.inactive_days, days(1)),
        // No key: a message of today is never removed to make room.
        protected_seconds: default.protected_seconds,
    }
}
