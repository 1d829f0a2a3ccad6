//! The disk space of the accounts, counted as records come and go, so that asking for it costs no scan.

use std::collections::BTreeMap;

use crate::keys::{self, Key};
use crate::records::Counters;
use crate::types::{RECORD_BYTES, Usage};

/// The use of each account that uses anything.
#[derive(Debug, Default)]
pub(crate) struct UsageTable(BTreeMap<u64, Usage>);

impl UsageTable {
    /// The use of an account.
    pub(crate) fn of(&self, account: u64) -> Usage {
        self.0.get(&account).copied().unwrap_or_default()
    }

    /// Counts that a record took the place of another.
    pub(crate) fn replace(&mut self, key: &Key, old: Option<&[u8]>, new: Option<&[u8]>) {
        if let Some((account, freed)) = old.and_then(|value| share(key, value)) {
            let usage = self.0.entry(account).or_default();
            usage.bytes = usage.bytes.saturating_sub(freed.bytes);
            usage.messages = usage.messages.saturating_sub(freed.messages);
            if *usage == Usage::default() {
                self.0.remove(&account);
            }
        }
        if let Some((account, taken)) = new.and_then(|value| share(key, value)) {
            let usage = self.0.entry(account).or_default();
            usage.bytes = usage.bytes.saturating_add(taken.bytes);
            usage.messages = usage.messages.saturating_add(taken.messages);
        }
    }
}

/// The use that a record stands for, and its account; none of a record that does not count.
fn share(key: &Key, value: &[u8]) -> Option<(u64, Usage)> {
    if key.starts_with(keys::COUNTERS) {
        let counters = Counters::decode(value)?;
        let messages = u64::from(counters.messages);
        let bytes = counters.bytes.saturating_add(messages.saturating_mul(RECORD_BYTES));
        return Some((counters.account, Usage { bytes, messages }));
    }
    if !matches!(key.first(), Some(&(keys::METADATA | keys::DICTIONARIES))) {
        return None;
    }
    let bytes = (key.len() as u64).saturating_add(value.len() as u64).saturating_add(RECORD_BYTES);
    Some((keys::number_of(key)?, Usage { bytes, messages: 0 }))
}
