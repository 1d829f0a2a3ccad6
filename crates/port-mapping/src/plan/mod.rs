//! The plan of the requests: which port next, and when. Pure: time and chance are arguments.
//!
//! For each family of addresses there is a router or none. Its first mapped port is the *sentinel*: its mapping is renewed
//! every minute, which shows a restart of the router, a lost table and a changed external address; the others are renewed
//! at half of their lifetime, or at once when the sentinel tells so.
//!
//! ```text
//!  Asked ──granted──> Mapped ──half of the lifetime──> asked again
//!    │                  │ ^
//!    │refused           │ └─ the router lost it: at once
//!    v                  v refused, or lifetime over
//!  Refused ──a growing pause──> asked again
//! ```

mod epoch;
mod pace;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use epoch::Epoch;
use pace::{Budget, Pauses, spread};

use crate::words::{Answer, Family, Granted, Refusal, Sign, WantedPort};

/// The lifetime that is asked for (RFC 6886 section 3.3 recommends two hours).
pub const LIFETIME: Duration = Duration::from_secs(7200);
/// The time between two requests for the sentinel: a change of the router is noticed within it.
pub const LOOK: Duration = Duration::from_secs(55);
/// The shortest time between two requests for a port that is mapped.
const SHORTEST_RENEWAL: Duration = Duration::from_secs(2);
/// Wanted ports of each family; more are left out.
pub const PORTS_LIMIT: usize = 12;
/// The grants in a row with which a router is believed that it has forgotten all before: a restart shows it with one.
const LOSSES_BELIEVED: u32 = 24;
/// After a refusal a person may change the router's settings, and look here for the effect.
const REFUSED: Pauses = Pauses { first: Duration::from_secs(60), longest: Duration::from_secs(3600) };
/// Without an answer from a router that has never given one, or an address: most likely it never will.
const NEVER_ANSWERED: Pauses = Pauses { first: Duration::from_secs(30), longest: Duration::from_secs(3600) };
/// Without an answer from a router that has mapped ports before, or an address: it is being restarted, or its line is.
const AWAY: Pauses = Pauses { first: Duration::from_secs(5), longest: Duration::from_secs(300) };

/// A request to a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The family: which router.
    pub family: Family,
    /// The port.
    pub port: WantedPort,
    /// The care to take.
    pub care: Care,
    /// Whether the router is believed to have the mapping already.
    pub is_renewal: bool,
}

/// The care that a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// For the first of the ports: the external address is asked for too, and while nothing was granted so far, every
    /// protocol is tried.
    Thorough,
    /// For the others: by the protocol that answered last.
    Brief,
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask, and report by [`Plan::answered`].
    Ask(Request),
    /// Wait until this time; without one until the network changes.
    Wait(Option<Instant>),
}

/// The standing of a wanted port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not asked for yet.
    Waiting,
    /// Mapped, at least until the time.
    Mapped {
        /// The router's answer.
        granted: Granted,
        /// The end of its lifetime.
        until: Instant,
    },
    /// Not mapped.
    Refused(Refusal),
}

/// The plan for all routers.
#[derive(Debug)]
pub struct Plan {
    sides: Vec<Side>,
    look: Duration,
    budget: Budget,
}

/// The ports of a family, and the memory of its router.
#[derive(Debug)]
struct Side {
    family: Family,
    entries: Vec<Entry>,
    epoch: Option<Epoch>,
    address: Option<IpAddr>,
    /// Requests in a row without an answer, or answered by a router that is not connected.
    silences: u32,
    /// Grants in a row with which the router showed that it has forgotten those before.
    losses: u32,
    has_granted: bool,
}

/// A wanted port, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The port.
    pub port: WantedPort,
    /// Its standing.
    pub standing: Standing,
    /// The time of the next request.
    pub due: Instant,
    /// The time of the last answer.
    asked: Option<Instant>,
    /// Whether a request was begun and not refused, so that the router may have a mapping.
    is_begun: bool,
    refusals: u32,
}

impl Plan {
    /// A plan without any router. The sentinel is asked for after the time `look`, usually [`LOOK`].
    #[must_use]
    pub fn new(now: Instant, look: Duration) -> Self {
        Self { sides: Vec::new(), look, budget: Budget::new(now) }
    }

    /// Sets the ports to ask a family's router for, the most important first. All are asked for at once: the router, its
    /// address or our own one is new. None if the family has no router any more.
    pub fn set_ports(&mut self, now: Instant, family: Family, ports: &[WantedPort]) {
        self.sides.retain(|side| side.family != family);
        let entry = |port: &WantedPort| Entry {
            port: *port,
            standing: Standing::Waiting,
            due: now,
            asked: None,
            is_begun: false,
            refusals: 0,
        };
        // An IPv6 router opens its firewall for a port; it does not translate its number.
        let fits = |port: &&WantedPort| family == Family::V4 || port.internal == port.external;
        let entries: Vec<Entry> = ports.iter().filter(fits).take(PORTS_LIMIT).map(entry).collect();
        if !entries.is_empty() {
            self.sides.push(Side::new(family, entries));
            self.sides.sort_by_key(|side| side.family);
        }
    }

    /// The next step. A request that is handed out counts as begun.
    pub fn next(&mut self, now: Instant) -> Step {
        let due = self.sides.iter().enumerate().filter_map(|(at, side)| {
            let (index, due) = side.next(self.look)?;
            Some((due, at, index))
        });
        let Some((due, at, index)) = due.min() else { return Step::Wait(None) };
        if due > now {
            return Step::Wait(Some(due));
        }
        if let Err(later) = self.budget.take(now) {
            return Step::Wait(Some(later));
        }
        let request = self.sides.get_mut(at).and_then(|side| side.begin(index));
        request.map_or(Step::Wait(None), Step::Ask)
    }

    /// Takes the answer to a request; one for a port that is not wanted any more is passed over. Chance spreads the time of
    /// the next request.
    pub fn answered(&mut self, now: Instant, request: &Request, answer: Answer, chance: u8) {
        let side = self.sides.iter_mut().find(|side| side.family == request.family);
        let Some(side) = side else { return };
        let Some(index) = side.entries.iter().position(|entry| entry.port == request.port) else { return };
        match answer {
            Answer::Granted(granted) => side.granted(now, index, granted, chance),
            Answer::Refused { refusal: refusal @ (Refusal::NoRouter | Refusal::NoInternet), address } => {
                side.away(now, index, (refusal, address), chance);
            }
            Answer::Refused { refusal, address } => side.refused(now, index, (refusal, address), chance),
        }
    }

    /// The ports that a family's router may have mapped: all that were asked for and not refused, also those whose answer
    /// is missing.
    pub fn to_remove(&self, family: Family) -> Vec<WantedPort> {
        let side = self.sides.iter().find(|side| side.family == family);
        let entries = side.into_iter().flat_map(|side| &side.entries);
        entries.filter(|entry| entry.is_begun).map(|entry| entry.port).collect()
    }

    /// The ports of a family, as they stand.
    #[must_use]
    pub fn entries(&self, family: Family) -> &[Entry] {
        self.sides.iter().find(|side| side.family == family).map_or(&[], |side| &side.entries)
    }

    /// The external address that a family's router has told last.
    #[must_use]
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        self.sides.iter().find(|side| side.family == family)?.address
    }
}

impl Side {
    fn new(family: Family, entries: Vec<Entry>) -> Self {
        Self { family, entries, epoch: None, address: None, silences: 0, losses: 0, has_granted: false }
    }

    /// The index of the port that others of this router are judged by: the first that is mapped, else the first.
    fn sentinel(&self) -> usize {
        self.entries.iter().position(Entry::is_mapped).unwrap_or(0)
    }

    /// The port to ask for next, and when.
    fn next(&self, look: Duration) -> Option<(usize, Instant)> {
        let sentinel = self.sentinel();
        let due = |(index, entry): (usize, &Entry)| {
            let look = entry.asked.filter(|_| index == sentinel && entry.is_mapped()).map(|at| at + look);
            // Of those that are due together, the one that was asked for longest ago.
            (look.map_or(entry.due, |look| look.min(entry.due)), entry.asked, index)
        };
        let entries = self.entries.iter().enumerate();
        // A router that does not answer for one port does not for another.
        let asked = entries.filter(|(index, _)| self.silences == 0 || *index == sentinel);
        asked.map(due).min().map(|(due, _, index)| (index, due))
    }

    fn begin(&mut self, index: usize) -> Option<Request> {
        let care = if index == self.sentinel() { Care::Thorough } else { Care::Brief };
        let family = self.family;
        let entry = self.entries.get_mut(index)?;
        entry.is_begun = true;
        Some(Request { family, port: entry.port, care, is_renewal: entry.is_mapped() })
    }

    fn granted(&mut self, now: Instant, index: usize, granted: Granted, chance: u8) {
        let is_back = self.silences > 0;
        let is_lost = self.forgets(now, granted.sign);
        let is_moved = granted.address.is_some() && self.address.is_some() && granted.address != self.address;
        self.address = granted.address.or(self.address);
        (self.silences, self.has_granted) = (0, true);
        self.losses = if is_lost { self.losses.saturating_add(1) } else { 0 };
        // One that forgets with every grant only seems to: its epoch says nothing.
        let is_believed = is_lost && self.losses <= LOSSES_BELIEVED;
        if is_back || is_believed || is_moved {
            self.ask_others_at_once(now, index);
        }
        let Some(entry) = self.entries.get_mut(index) else { return };
        let renewal = spread(granted.lifetime / 2, chance).max(SHORTEST_RENEWAL);
        entry.standing = Standing::Mapped { granted, until: now + granted.lifetime };
        (entry.due, entry.asked, entry.refusals) = (now + renewal, Some(now), 0);
    }

    /// Whether a router shows that it has forgotten the mappings before.
    fn forgets(&mut self, now: Instant, sign: Sign) -> bool {
        let Sign::Epoch(value) = sign else { return sign == Sign::Lost };
        let epoch = Epoch { value, at: now };
        self.epoch.replace(epoch).is_some_and(|before| before.is_broken_by(epoch))
    }

    fn ask_others_at_once(&mut self, now: Instant, index: usize) {
        let others = self.entries.iter_mut().enumerate().filter(|(other, _)| *other != index);
        for (_, entry) in others.filter(|(_, entry)| entry.refusals == 0) {
            // One that waits already keeps its turn: a router that forgets again and again must not starve the last.
            entry.due = entry.due.min(now);
        }
    }

    fn refused(
        &mut self,
        now: Instant,
        index: usize,
        (refusal, address): (Refusal, Option<IpAddr>),
        chance: u8,
    ) {
        if self.silences > 0 {
            self.silences = 0;
            self.ask_others_at_once(now, index);
        }
        self.address = address.or(self.address);
        let Some(entry) = self.entries.get_mut(index) else { return };
        entry.refusals = entry.refusals.saturating_add(1);
        (entry.standing, entry.is_begun) = (Standing::Refused(refusal), false);
        (entry.due, entry.asked) = (now + spread(REFUSED.after(entry.refusals), chance), Some(now));
    }

    /// The router does not answer, or is not connected: what it says of one port goes for all. Without an answer, what is
    /// mapped stays so until its lifetime ends: a router forwards without a word.
    fn away(
        &mut self,
        now: Instant,
        index: usize,
        (refusal, address): (Refusal, Option<IpAddr>),
        chance: u8,
    ) {
        self.silences = self.silences.saturating_add(1);
        let pauses = if self.has_granted { AWAY } else { NEVER_ANSWERED };
        let due = now + spread(pauses.after(self.silences), chance);
        for entry in &mut self.entries {
            match entry.standing {
                Standing::Mapped { until, .. } if until > now && refusal == Refusal::NoRouter => {}
                _ => entry.standing = Standing::Refused(refusal),
            }
            entry.due = entry.due.max(due);
        }
        // Not before the pause is over, also if it is the sentinel.
        let sentinel = self.sentinel();
        for at in [index, sentinel] {
            if let Some(entry) = self.entries.get_mut(at) {
                (entry.due, entry.asked) = (due, None);
            }
        }
        if !self.entries.iter().any(Entry::is_mapped) {
            (self.epoch, self.address) = (None, address);
        }
    }
}

impl Entry {
    fn is_mapped(&self) -> bool {
        matches!(self.standing, Standing::Mapped { .. })
    }
}
