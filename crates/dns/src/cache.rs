//! The answers of the last while, failures included, in bounded memory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mail_types::Tlsa;

use crate::answers::MailHosts;
use crate::error::LookupError;

/// The bookkeeping of one entry, in bytes: the nodes of the trees, and both copies of the name's header.
const ENTRY_OVERHEAD: usize = 256;
/// The time in which an entry is not dropped on request: whoever can make us drop one by forged mail must not make us
/// ask as often as mail comes.
const FORGET_PAUSE: Duration = Duration::from_secs(60);

/// The bounds of a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The number of entries.
    pub(crate) entries: usize,
    /// The sum of their sizes, in bytes.
    pub(crate) bytes: usize,
}

/// The answers to one kind of question, by canonical name. Where there is no room, those go first that would end first.
#[derive(Debug)]
pub(crate) struct Cache<T> {
    limits: Limits,
    entries: BTreeMap<String, Entry<T>>,
    by_end: BTreeSet<(Instant, String)>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<T> {
    answer: Result<T, LookupError>,
    since: Instant,
    end: Instant,
    bytes: usize,
}

impl<T: Clone + Size> Cache<T> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, entries: BTreeMap::new(), by_end: BTreeSet::new(), bytes: 0 }
    }

    /// The answer, unless its time is over.
    pub(crate) fn get(&self, name: &str, now: Instant) -> Option<Result<T, LookupError>> {
        let entry = self.entries.get(name).filter(|entry| now < entry.end)?;
        Some(entry.answer.clone())
    }

    /// Keeps an answer for a time, in the place of an older one. One that is larger than an eighth of the cache is not kept.
    pub(crate) fn insert(
        &mut self,
        name: &str,
        answer: Result<T, LookupError>,
        now: Instant,
        lifetime: Duration,
    ) {
        self.remove(name);
        let bytes = ENTRY_OVERHEAD + 2 * name.len() + size(&answer);
        let Some(end) = now.checked_add(lifetime) else { return };
        if bytes > self.limits.bytes / 8 || self.limits.entries == 0 {
            return;
        }
        while self.entries.len() >= self.limits.entries || self.bytes + bytes > self.limits.bytes {
            let Some((_, first)) = self.by_end.first().cloned() else { break };
            self.remove(&first);
        }
        self.bytes += bytes;
        self.by_end.insert((end, name.to_owned()));
        self.entries.insert(name.to_owned(), Entry { answer, since: now, end, bytes });
    }

    /// Drops an answer that was found to be outdated. False if there is none, or it is so fresh that asking again would
    /// bring the same.
    pub(crate) fn forget(&mut self, name: &str, now: Instant) -> bool {
        let is_old = |entry: &Entry<T>| now.saturating_duration_since(entry.since) >= FORGET_PAUSE;
        let drop = self.entries.get(name).is_some_and(is_old);
        if drop {
            self.remove(name);
        }
        drop
    }

    /// Drops the temporary failures: the name servers are others than those that failed.
    pub(crate) fn forget_failures(&mut self) {
        let is_failure = |entry: &Entry<T>| entry.answer.as_ref().is_err_and(LookupError::is_temporary);
        let failed = self.entries.iter().filter(|(_, entry)| is_failure(entry));
        let names: Vec<String> = failed.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.remove(&name);
        }
    }

    fn remove(&mut self, name: &str) {
        if let Some((name, entry)) = self.entries.remove_entry(name) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.by_end.remove(&(entry.end, name));
        }
    }
}

fn size<T: Size>(answer: &Result<T, LookupError>) -> usize {
    match answer {
        Ok(value) => value.size(),
        Err(LookupError::Unavailable(reason)) => reason.len(),
        Err(LookupError::NoSuchDomain | LookupError::NoData) => 0,
    }
}

/// The memory that a value takes beside its own header, in bytes.
pub(crate) trait Size {
    fn size(&self) -> usize;
}

impl Size for IpAddr {
    fn size(&self) -> usize {
        0
    }
}

impl Size for String {
    fn size(&self) -> usize {
        self.len()
    }
}

impl Size for Tlsa {
    fn size(&self) -> usize {
        self.data().len()
    }
}

impl<T: Size> Size for Vec<T> {
    fn size(&self) -> usize {
        self.iter().map(|value| size_of::<T>() + value.size()).sum()
    }
}

impl Size for MailHosts {
    fn size(&self) -> usize {
        match self {
            Self::Hosts(hosts) => hosts.size(),
            Self::Null => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use host::clock;

    use super::{Cache, Limits};
    use crate::error::LookupError;

    const LIMITS: Limits = Limits { entries: 3, bytes: 64 * 1024 };
    const SECOND: Duration = Duration::from_secs(1);

    fn texts(length: usize) -> Result<Vec<String>, LookupError> {
        Ok(vec!["x".repeat(length)])
    }

    fn has(cache: &Cache<Vec<String>>, name: &str, now: Instant) -> bool {
        cache.get(name, now).is_some()
    }

    #[test]
    fn an_answer_ends_with_its_time() {
        let (mut cache, now) = (Cache::new(LIMITS), clock::now());
        cache.insert("a", texts(1), now, 2 * SECOND);
        cache.insert("b", Err(LookupError::NoData), now, SECOND);
        assert_eq!(cache.get("a", now + SECOND), Some(texts(1)));
        assert_eq!(cache.get("b", now), Some(Err(LookupError::NoData)));
        assert!(!has(&cache, "b", now + SECOND));
        assert!(!has(&cache, "a", now + 2 * SECOND));
        assert!(!has(&cache, "c", now));
    }

    #[test]
    fn the_first_to_end_makes_room() {
        let (mut cache, now) = (Cache::new(LIMITS), clock::now());
        for (name, seconds) in [("a", 30), ("b", 10), ("c", 20), ("c", 40), ("d", 25)] {
            cache.insert(name, texts(1), now, seconds * SECOND);
        }
        assert_eq!(["a", "b", "c", "d"].map(|name| has(&cache, name, now)), [true, false, true, true]);
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let limits = Limits { entries: 1000, bytes: 64 * 1024 };
        let (mut cache, now) = (Cache::new(limits), clock::now());
        for number in 0..500_u32 {
            cache.insert(&format!("n{number}"), texts(4000), now, SECOND);
            assert!(cache.bytes <= limits.bytes);
        }
        assert!(cache.entries.len() > 10);
        assert_eq!(cache.entries.len(), cache.by_end.len());
        cache.insert("large", texts(9000), now, SECOND);
        assert!(!has(&cache, "large", now));
        let names: Vec<String> = cache.entries.keys().cloned().collect();
        for name in names {
            assert!(cache.forget(&name, now + 100 * SECOND));
        }
        assert_eq!((cache.bytes, cache.by_end.len()), (0, 0));
    }

    #[test]
    fn an_answer_is_forgotten_once_a_minute_at_most() {
        let (mut cache, now) = (Cache::new(LIMITS), clock::now());
        cache.insert("a", texts(1), now, 1000 * SECOND);
        assert!(!cache.forget("a", now + 59 * SECOND));
        assert!(cache.forget("a", now + 60 * SECOND));
        assert!(!cache.forget("a", now + 60 * SECOND));
        cache.insert("a", texts(1), now + 61 * SECOND, 1000 * SECOND);
        assert!(!cache.forget("a", now + 62 * SECOND));
    }

    #[test]
    fn failures_go_with_the_name_servers_that_failed() {
        let (mut cache, now) = (Cache::new(LIMITS), clock::now());
        cache.insert("a", texts(1), now, SECOND);
        cache.insert("b", Err(LookupError::Unavailable("silence".to_owned())), now, SECOND);
        cache.insert("c", Err(LookupError::NoSuchDomain), now, SECOND);
        cache.forget_failures();
        assert_eq!(["a", "b", "c"].map(|name| has(&cache, name, now)), [true, false, true]);
    }
}
