//! The last answer of each destination that put mail off: for the owner's eyes, in memory only. To keep it in the store
//! would cost a write of the card at each attempt.

use std::collections::BTreeMap;
use std::time::Instant;

use mail_types::Domain;

/// The most destinations whose answer is remembered.
const DESTINATIONS: usize = 512;
/// The longest answer, in characters.
const ANSWER_LIMIT: usize = 300;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<Domain, Trouble>);

#[derive(Debug)]
struct Trouble {
    answer: String,
    since: Instant,
}

impl Troubles {
    /// The destination put mail off, with this answer, or did not answer.
    pub(super) fn remember(&mut self, now: Instant, destination: &Domain, answer: &str) {
        if self.0.len() >= DESTINATIONS && !self.0.contains_key(destination) {
            let oldest = self.0.iter().min_by_key(|(_, trouble)| trouble.since);
            oldest.map(|(domain, _)| domain.clone()).map(|domain| self.0.remove(&domain));
        }
        let answer = answer.chars().take(ANSWER_LIMIT).collect();
        self.0.insert(destination.clone(), Trouble { answer, since: now });
    }

    /// The destination took mail.
    pub(super) fn forget(&mut self, destination: &Domain) {
        self.0.remove(destination);
    }

    /// The last answer of a destination that put mail off.
    pub(super) fn of(&self, destination: &Domain) -> Option<&str> {
        self.0.get(destination).map(|trouble| trouble.answer.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use host::clock;

    use super::{DESTINATIONS, Troubles};

    #[test]
    fn the_number_of_destinations_is_bounded_and_the_newest_are_kept() {
        let (mut troubles, now) = (Troubles::default(), clock::now());
        let name = |number: usize| format!("d{number}.test").parse().unwrap();
        for number in 0..=DESTINATIONS {
            troubles.remember(now + Duration::from_secs(number as u64), &name(number), &"x".repeat(1000));
        }
        assert_eq!((troubles.0.len(), troubles.of(&name(0))), (DESTINATIONS, None));
        assert_eq!(troubles.of(&name(1)).map(str::len), Some(300));
        troubles.forget(&name(1));
        assert_eq!(troubles.of(&name(1)), None);
    }
}
