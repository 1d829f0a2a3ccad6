//! The MTA-STS policies of the domains that mail goes to (RFC 8461 section 5.1): known ones, and when to fetch.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail_types::{Domain, UnixTime};

use crate::mta_sts::{Policy, PolicyId};

/// The pause after a failed fetch, in seconds: a domain whose policy cannot be had is not asked with every message.
const RETRY_PAUSE: u64 = 300;
/// The most domains.
const DOMAINS_LIMIT: usize = 1000;
/// The most memory of all policies, in bytes.
const BYTES_LIMIT: usize = 1024 * 1024;

/// The known policies. Memory is bounded; where there is no room, those go first that expire first.
#[derive(Debug, Default)]
pub struct PolicyCache {
    entries: BTreeMap<Domain, Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    known: Option<Known>,
    /// The identifier of the last failed fetch, and the time until which it is not tried again.
    failed: Option<(PolicyId, UnixTime)>,
}

#[derive(Debug)]
struct Known {
    id: PolicyId,
    policy: Arc<Policy>,
    expires: UnixTime,
}

/// The next step before a host of a domain is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyStep {
    /// The policy is known; or there is none.
    Known(Option<Arc<Policy>>),
    /// Fetch it, then say how that went by [`PolicyCache::fetched`].
    Fetch,
}

impl PolicyCache {
    /// The next step, by the identifier that is published now: `None` too if the DNS does not answer, since whoever can
    /// suppress a TXT record must not be able to suppress a policy (RFC 8461 section 10.2).
    #[must_use]
    pub fn step(&self, domain: &Domain, published: Option<&PolicyId>, now: UnixTime) -> PolicyStep {
        let entry = self.entries.get(domain);
        let known = entry.and_then(|entry| entry.known.as_ref()).filter(|known| now < known.expires);
        let Some(published) = published else { return PolicyStep::Known(policy(known)) };
        let is_current = known.is_some_and(|known| known.id == *published);
        let has_failed = entry
            .and_then(|entry| entry.failed.as_ref())
            .is_some_and(|(id, until)| id == published && now < *until && until.0 <= now.0 + RETRY_PAUSE);
        if is_current || has_failed { PolicyStep::Known(policy(known)) } else { PolicyStep::Fetch }
    }

    /// Keeps a fetched policy, or remembers that none could be had. Returns the one to use now: the fetched one, else the
    /// one from before, as long as that has not expired (RFC 8461 section 5.1).
    pub fn fetched(
        &mut self,
        domain: &Domain,
        id: PolicyId,
        policy: Option<Policy>,
        now: UnixTime,
    ) -> Option<Arc<Policy>> {
        let old = self.remove(domain).and_then(|entry| entry.known).filter(|known| now < known.expires);
        let entry = match policy {
            Some(policy) => {
                let expires = UnixTime(now.0.saturating_add(policy.max_age()));
                Entry { known: Some(Known { id, policy: Arc::new(policy), expires }), failed: None }
            }
            None => Entry { known: old, failed: Some((id, UnixTime(now.0.saturating_add(RETRY_PAUSE)))) },
        };
        let policy = self::policy(entry.known.as_ref());
        self.insert(domain, entry);
        policy
    }

    fn insert(&mut self, domain: &Domain, entry: Entry) {
        let bytes = entry.size();
        while self.entries.len() >= DOMAINS_LIMIT || self.bytes + bytes > BYTES_LIMIT {
            let first = self.entries.iter().min_by_key(|(_, entry)| entry.end());
            let Some(domain) = first.map(|(domain, _)| domain.clone()) else { return };
            self.remove(&domain);
        }
        self.bytes += bytes;
        self.entries.insert(domain.clone(), entry);
    }

    fn remove(&mut self, domain: &Domain) -> Option<Entry> {
        let entry = self.entries.remove(domain)?;
        self.bytes = self.bytes.saturating_sub(entry.size());
        Some(entry)
    }
}

impl Entry {
    fn size(&self) -> usize {
        self.known.as_ref().map_or(0, |known| known.policy.size())
    }

    fn end(&self) -> UnixTime {
        let known = self.known.as_ref().map(|known| known.expires);
        let failed = self.failed.as_ref().map(|(_, until)| *until);
        known.max(failed).unwrap_or_default()
    }
}

fn policy(known: Option<&Known>) -> Option<Arc<Policy>> {
    known.map(|known| Arc::clone(&known.policy))
}

#[cfg(test)]
mod tests {
    use mail_types::{Domain, UnixTime};

    use super::{BYTES_LIMIT, DOMAINS_LIMIT, PolicyCache, PolicyStep};
    use crate::mta_sts::{Policy, PolicyId};

    const START: u64 = 1_800_000_000;

    fn id(text: &str) -> PolicyId {
        PolicyId::find(&[format!("v=STSv1; id={text}")]).unwrap()
    }

    fn policy(max_age: u64, host: &str) -> Policy {
        Policy::parse(format!("version: STSv1\nmode: enforce\nmx: {host}\nmax_age: {max_age}").as_bytes())
            .unwrap()
    }

    fn domain() -> Domain {
        "a.test".parse().unwrap()
    }

    /// The host that the policy allows, or `fetch`, `none`; `seconds` after the start.
    fn step(cache: &PolicyCache, published: Option<&str>, seconds: u64) -> &'static str {
        match cache.step(&domain(), published.map(id).as_ref(), UnixTime(START + seconds)) {
            PolicyStep::Fetch => "fetch",
            PolicyStep::Known(None) => "none",
            PolicyStep::Known(Some(policy)) if policy.allows("old.test") => "old",
            PolicyStep::Known(Some(_)) => "new",
        }
    }

    fn fetched(cache: &mut PolicyCache, id: &str, policy: Option<Policy>, seconds: u64) -> bool {
        cache.fetched(&domain(), self::id(id), policy, UnixTime(START + seconds)).is_some()
    }

    #[test]
    fn a_policy_is_fetched_when_its_identifier_is_new_or_its_time_is_over() {
        let mut cache = PolicyCache::default();
        assert_eq!(step(&cache, None, 0), "none");
        assert_eq!(step(&cache, Some("1"), 0), "fetch");
        assert!(fetched(&mut cache, "1", Some(policy(1000, "old.test")), 0));
        assert_eq!(step(&cache, Some("1"), 999), "old");
        assert_eq!(step(&cache, Some("2"), 1), "fetch");
        assert!(fetched(&mut cache, "2", Some(policy(1000, "new.test")), 1));
        assert_eq!(step(&cache, Some("2"), 1000), "new");
        assert_eq!(step(&cache, Some("2"), 1001), "fetch");
    }

    #[test]
    fn a_known_policy_outlives_a_suppressed_record_and_a_failed_fetch() {
        let mut cache = PolicyCache::default();
        fetched(&mut cache, "1", Some(policy(1000, "old.test")), 0);
        assert_eq!(step(&cache, None, 999), "old");
        assert_eq!(step(&cache, None, 1000), "none");
        assert!(fetched(&mut cache, "2", None, 10));
        assert_eq!(step(&cache, Some("2"), 11), "old");
        assert_eq!(step(&cache, Some("2"), 309), "old");
        assert_eq!(step(&cache, Some("2"), 310), "fetch");
        assert_eq!(step(&cache, Some("3"), 11), "fetch");
        assert!(!fetched(&mut cache, "2", None, 1000));
    }

    #[test]
    fn a_failed_fetch_is_not_repeated_for_minutes_even_if_the_clock_jumps() {
        let mut cache = PolicyCache::default();
        assert!(!fetched(&mut cache, "1", None, 1_000_000));
        assert_eq!(step(&cache, Some("1"), 1_000_299), "none");
        assert_eq!(step(&cache, Some("1"), 1_000_300), "fetch");
        assert_eq!(step(&cache, Some("1"), 0), "fetch");
    }

    #[test]
    fn a_policy_without_a_lifetime_is_used_once() {
        let mut cache = PolicyCache::default();
        assert!(fetched(&mut cache, "1", Some(policy(0, "old.test")), 0));
        assert_eq!(step(&cache, Some("1"), 0), "fetch");
    }

    #[test]
    fn domains_and_memory_are_bounded() {
        let mut cache = PolicyCache::default();
        let hosts = vec![format!("{}.test", "a".repeat(60)); 64].join("\nmx: ");
        for number in 0..2 * DOMAINS_LIMIT as u64 {
            let domain = format!("d{number}.test").parse().unwrap();
            let hosts = if number % 2 == 0 { hosts.as_str() } else { "old.test" };
            cache.fetched(&domain, id("1"), Some(policy(1000 + number, hosts)), UnixTime(START));
            assert!(cache.bytes <= BYTES_LIMIT && cache.entries.len() <= DOMAINS_LIMIT);
        }
        assert!(cache.entries.len() > 100);
        let last = format!("d{}.test", 2 * DOMAINS_LIMIT - 1).parse().unwrap();
        assert!(cache.entries.contains_key(&last), "the last to expire stays");
        let sum: usize = cache.entries.values().map(super::Entry::size).sum();
        assert_eq!(cache.bytes, sum);
    }
}
