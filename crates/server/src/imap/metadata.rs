//! Annotations (RFC 5464) and quota: what the server says of itself, what clients keep, and push tokens.
//!
//! `/shared/vendor/deltachat/appversions`, by which relays tell an app of its newest version, is not offered: the list
//! that a card bears grows old with it, and one that is fresh would be fetched from somebody who learns of the box.

use std::collections::BTreeMap;

use host::clock;
use imap::{Answer, CommandFailure, MetadataDepth, MetadataOwner, QuotaUsage};
use mail_types::Address;
use relay_policy::{Load, token_is_valid};
use store::{MetadataScope, PushToken, Store};

use crate::imap::backend::ImapBackend;
use crate::mailboxes::quota;

/// Setting it on a mailbox adds a push token; reading it gives all of them, a space between two.
const DEVICE_TOKEN: &str = "/private/devicetoken";
/// The annotations that every account may read, and only the owner of the server sets.
const SHARED: &str = "/shared/";
const COMMENT: &str = "/shared/comment";
const ADMIN: &str = "/shared/admin";
/// The recipients that a message may have; clients that find this annotation register for push.
const RECIPIENTS: &str = "/shared/vendor/deltachat/maxsmtprecipients";
/// Annotations one account may keep on one mailbox.
const ENTRIES_LIMIT: usize = 100;

type Entries = BTreeMap<String, Vec<u8>>;

impl ImapBackend {
    pub(crate) async fn quota(&self) -> Result<Answer, CommandFailure> {
        let used = self.look(|store, account| store.usage(account))?.bytes;
        Ok(Answer::Quota(QuotaUsage { used, limit: Some(self.services.limits.quota) }))
    }

    pub(crate) async fn read_metadata(
        &self,
        of: MetadataOwner,
        entries: Vec<String>,
        depth: MetadataDepth,
    ) -> Result<Answer, CommandFailure> {
        let scope = self.scope(&of)?;
        let mut kept: Entries = self.look(|store, account| kept(store, account, scope))?;
        if of == MetadataOwner::Server {
            let about = &self.services.about;
            for (entry, value) in [(COMMENT, &about.comment), (ADMIN, &about.admin)] {
                kept.extend(value.iter().map(|value| (entry.to_owned(), value.clone().into_bytes())));
            }
            if self.services.push == imap::PushOffer::Offered {
                let limit = self.services.limits.recipients.to_string();
                kept.insert(RECIPIENTS.to_owned(), limit.into_bytes());
            }
        }
        let wanted = |name: &str| entries.iter().any(|entry| covers(entry, name, depth));
        let found =
            kept.into_iter().filter(|(name, _)| wanted(name)).map(|(name, value)| (name, Some(value)));
        Ok(Answer::Metadata(found.collect()))
    }

    pub(crate) async fn write_metadata(
        &self,
        of: MetadataOwner,
        entries: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<Answer, CommandFailure> {
        let scope = self.scope(&of)?;
        if of == MetadataOwner::Server && entries.iter().any(|(name, _)| name.starts_with(SHARED)) {
            return Err(CommandFailure::NotPermitted);
        }
        let quota = self.services.quota;
        let written = self.ask(move |store, account| {
            let size = |(name, value): &(String, Option<Vec<u8>>)| match value {
                Some(value) => quota::message((name.len() + value.len()) as u64).bytes,
                None => 0,
            };
            let more = Load { bytes: entries.iter().map(size).sum(), messages: 0 };
            if more.bytes > 0 && !quota.admits(quota::load(store, account)?, more) {
                return Ok(Err(CommandFailure::OverQuota));
            }
            let room = ENTRIES_LIMIT.saturating_sub(store.metadata_count(account, scope)?);
            if entries.iter().filter(|(_, value)| value.is_some()).count() > room {
                return Ok(Err(CommandFailure::Limit));
            }
            for (name, value) in &entries {
                write(store, account, scope, name, value.as_deref())?;
            }
            Ok(Ok(Answer::Done))
        });
        written.await?
    }

    fn scope(&self, of: &MetadataOwner) -> Result<MetadataScope, CommandFailure> {
        match of {
            MetadataOwner::Server => Ok(MetadataScope::Account),
            MetadataOwner::Mailbox(name) => self.mailbox(name).map(MetadataScope::Mailbox),
        }
    }
}

fn kept(store: &Store, account: &Address, scope: MetadataScope) -> store::Result<Entries> {
    let mut kept: Entries = store.metadata_entries(account, scope)?.into_iter().collect();
    if matches!(scope, MetadataScope::Mailbox(_)) {
        let now = clock::wall();
        let valid = |token: &PushToken| token_is_valid(token.registered, now);
        let tokens = store.push_tokens(account)?.into_iter().filter(valid);
        let tokens: Vec<String> = tokens.map(|token| token.token).collect();
        if !tokens.is_empty() {
            kept.insert(DEVICE_TOKEN.to_owned(), tokens.join(" ").into_bytes());
        }
    }
    Ok(kept)
}

fn write(
    store: &Store,
    account: &Address,
    scope: MetadataScope,
    name: &str,
    value: Option<&[u8]>,
) -> store::Result<()> {
    match (scope, value) {
        (MetadataScope::Mailbox(_), Some(token)) if name == DEVICE_TOKEN => {
            store.register_push_token(account, &String::from_utf8_lossy(token), clock::wall())
        }
        (MetadataScope::Mailbox(_), None) if name == DEVICE_TOKEN => {
            let tokens = store.push_tokens(account)?;
            tokens.iter().try_for_each(|token| store.remove_push_token(account, &token.token))
        }
        _ => store.set_metadata(account, scope, name, value),
    }
}

/// RFC 5464 section 4.2.2: whether asking for `entry` this deep covers `name`.
fn covers(entry: &str, name: &str, depth: MetadataDepth) -> bool {
    let below =
        |name: &str| name.strip_prefix(entry).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
    name == entry
        || below(name).is_some_and(|rest| match depth {
            MetadataDepth::Zero => false,
            MetadataDepth::One => !rest.contains('/'),
            MetadataDepth::Infinity => true,
        })
}

#[cfg(test)]
mod tests {
    use imap::MetadataDepth;

    use crate::imap::metadata::covers;

    #[test]
    fn depth_decides_what_lies_below() {
        let check = |depth, expected: [bool; 3]| {
            let names = ["/shared/vendor", "/shared/vendor/a", "/shared/vendor/a/b"];
            assert_eq!(names.map(|name| covers("/shared/vendor", name, depth)), expected);
        };
        check(MetadataDepth::Zero, [true, false, false]);
        check(MetadataDepth::One, [true, true, false]);
        check(MetadataDepth::Infinity, [true, true, true]);
        assert!(!covers("/shared/vendor", "/shared/vendors", MetadataDepth::Infinity));
    }
}
