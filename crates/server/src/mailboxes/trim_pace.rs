//! The accounts that stay nearly full although their oldest mail was removed, since the rest is too young to go. Until some
//! of it is old enough, looking at all their messages again at each delivery would find nothing.

use std::collections::BTreeMap;

use host::locks::Mutex;
use mail_types::{Address, UnixTime};

/// Seconds between two looks at one account.
const PAUSE_SECONDS: u64 = 60;
/// Accounts in the list; of more, those whose time comes first are looked at again too early.
const ACCOUNTS_LIMIT: usize = 1024;

/// The times at which such accounts are worth a look again.
#[derive(Debug, Default)]
pub(crate) struct TrimPace(Mutex<BTreeMap<Address, UnixTime>>);

impl TrimPace {
    /// Whether a look at the account may find something that can go.
    pub(crate) fn is_due(&self, account: &Address, now: UnixTime) -> bool {
        self.0.lock().get(account).is_none_or(|again| now >= *again)
    }

    /// Notes the result of a look: the time at which more mail can go, if the account is still nearly full.
    pub(crate) fn note(&self, account: &Address, now: UnixTime, again: Option<UnixTime>) {
        let mut later = self.0.lock();
        let Some(again) = again else {
            later.remove(account);
            return;
        };
        later.insert(account.clone(), again.max(UnixTime(now.0.saturating_add(PAUSE_SECONDS))));
        if later.len() > ACCOUNTS_LIMIT {
            later.retain(|_, again| now < *again);
        }
        while later.len() > ACCOUNTS_LIMIT {
            let Some(first) =
                later.iter().min_by_key(|(_, again)| **again).map(|(account, _)| account.clone())
            else {
                break;
            };
            later.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use mail_types::{Address, UnixTime};

    use crate::mailboxes::trim_pace::{ACCOUNTS_LIMIT, PAUSE_SECONDS, TrimPace};

    fn account(number: usize) -> Address {
        format!("account{number}@box.test").parse().unwrap()
    }

    #[test]
    fn a_look_comes_when_mail_is_old_enough_but_not_at_each_delivery() {
        let pace = TrimPace::default();
        let due = |now| pace.is_due(&account(1), UnixTime(now));
        assert!(due(0));
        pace.note(&account(1), UnixTime(100), Some(UnixTime(1000)));
        assert!(!due(100) && !due(999) && due(1000) && pace.is_due(&account(2), UnixTime(100)));
        pace.note(&account(1), UnixTime(1000), Some(UnixTime(1001)));
        assert!(!due(1000 + PAUSE_SECONDS - 1) && due(1000 + PAUSE_SECONDS));
        pace.note(&account(1), UnixTime(1001), None);
        assert!(due(1001));
    }

    #[test]
    fn so_many_accounts_are_remembered_and_no_more() {
        let pace = TrimPace::default();
        for number in 0..=ACCOUNTS_LIMIT {
            pace.note(&account(number), UnixTime(0), Some(UnixTime(1000 + number as u64)));
        }
        assert!(pace.is_due(&account(0), UnixTime(0)) && !pace.is_due(&account(1), UnixTime(0)));
        assert_eq!(pace.0.lock().len(), ACCOUNTS_LIMIT);
    }
}
