//! `[expiry]`: retention periods.

use crate::defaults;
use crate::model::Expiry;
use crate::reader::Reader;
use crate::values::at_least;

pub(crate) fn expiry(table: &mut Reader) -> Expiry {
    Expiry {
        messages_days: table.take_with("messages_days", defaults::MESSAGES_DAYS, at_least(1)),
        large_messages_days: table.take_with(
            "large_messages_days",
            defaults::LARGE_MESSAGES_DAYS,
            at_least(1),
        ),
        large_message: table.take("large_message", defaults::LARGE_MESSAGE),
        inactive_accounts_days: table.take_with(
            "inactive_accounts_days",
            defaults::INACTIVE_ACCOUNTS_DAYS,
            at_least(1),
        ),
    }
}
