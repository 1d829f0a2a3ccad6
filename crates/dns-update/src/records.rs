//! Record sets: those that are wanted, and the changes that lead to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipc::reachability::DomainRecord;
use serde::{Deserialize, Serialize};

use crate::name::RecordName;
use crate::rdata::{Rdata, RecordKind};

/// The time to live of the addresses, which change at a whim of the connection's provider.
pub const ADDRESS_TTL: Duration = Duration::from_secs(60);
/// The time to live of all other records.
pub const RECORD_TTL: Duration = Duration::from_secs(3600);
/// The time to live of the answers to a certificate authority.
pub const CHALLENGE_TTL: Duration = Duration::from_secs(60);

/// The records of one name and type (RFC 2181 section 5). One without data stands for the absence of such records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    /// The name of its records.
    pub name: RecordName,
    /// Their type.
    pub kind: RecordKind,
    /// Their time to live, in seconds. A provider may have a larger least value, and sets that.
    pub ttl: u32,
    /// Their data, each of this type.
    pub data: BTreeSet<Rdata>,
}

impl RecordSet {
    /// A set of this time to live; data of another type is left out.
    #[must_use]
    pub fn new(
        name: RecordName,
        kind: RecordKind,
        ttl: Duration,
        data: impl IntoIterator<Item = Rdata>,
    ) -> Self {
        let data = data.into_iter().filter(|data| data.kind() == kind).collect();
        Self { name, kind, ttl: u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX), data }
    }

    /// The absence of records of a name and type.
    #[must_use]
    pub fn absent(name: RecordName, kind: RecordKind) -> Self {
        Self::new(name, kind, Duration::ZERO, [])
    }
}

/// Record sets, one at most for each name and type; none of them empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<RecordSet>", into = "Vec<RecordSet>")]
pub struct RecordSets(BTreeMap<(RecordName, RecordKind), RecordSet>);

impl RecordSets {
    /// The sets of the known ones among the records to publish, and the number of those that cannot be sent: with a name,
    /// type or data that [`Rdata::parse`] does not take. Other records may be added by [`RecordSets::insert`].
    #[must_use]
    pub fn of(records: &[DomainRecord]) -> (Self, usize) {
        let (mut sets, mut odd) = (Self::default(), 0);
        for record in records.iter().filter(|record| record.is_known) {
            match parse(record) {
                Some((name, data)) => sets.insert(name, data),
                None => odd += 1,
            }
        }
        (sets, odd)
    }

    /// Adds a record to its set, with the time to live of its type.
    pub fn insert(&mut self, name: RecordName, data: Rdata) {
        let kind = data.kind();
        let ttl = if matches!(kind, RecordKind::A | RecordKind::Aaaa) { ADDRESS_TTL } else { RECORD_TTL };
        let empty = || RecordSet::new(name.clone(), kind, ttl, []);
        self.0.entry((name.clone(), kind)).or_insert_with(empty).data.insert(data);
    }

    /// Replaces the addresses of a name: none of a family removes its set.
    pub fn set_addresses(&mut self, name: &RecordName, addresses: &[IpAddr]) {
        for kind in [RecordKind::A, RecordKind::Aaaa] {
            self.0.remove(&(name.clone(), kind));
        }
        for address in addresses {
            let data = match address.to_canonical() {
                IpAddr::V4(address) => address.into(),
                IpAddr::V6(address) => address.into(),
            };
            self.insert(name.clone(), data);
        }
    }

    /// Replaces a set; an empty one removes what was there.
    pub fn replace(&mut self, set: RecordSet) {
        let key = (set.name.clone(), set.kind);
        if set.data.is_empty() {
            self.0.remove(&key);
        } else {
            self.0.insert(key, set);
        }
    }

    /// The set of a name and type.
    #[must_use]
    pub fn get(&self, name: &RecordName, kind: RecordKind) -> Option<&RecordSet> {
        self.0.get(&(name.clone(), kind))
    }

    /// The addresses of a name, the first of each family.
    #[must_use]
    pub fn addresses(&self, name: &RecordName) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let first = |kind| self.get(name, kind)?.data.first()?.address();
        let four = match first(RecordKind::A) {
            Some(IpAddr::V4(address)) => Some(address),
            _ => None,
        };
        let six = match first(RecordKind::Aaaa) {
            Some(IpAddr::V6(address)) => Some(address),
            _ => None,
        };
        (four, six)
    }

    /// All sets, by name and type.
    pub fn iter(&self) -> impl Iterator<Item = &RecordSet> {
        self.0.values()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those sets for which this is so.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&RecordSet) -> bool) -> Self {
        self.iter().filter(|set| keep(set)).cloned().collect::<Vec<_>>().into()
    }
}

impl From<Vec<RecordSet>> for RecordSets {
    fn from(list: Vec<RecordSet>) -> Self {
        let mut sets = Self::default();
        list.into_iter().for_each(|set| sets.replace(set));
        sets
    }
}

impl From<RecordSets> for Vec<RecordSet> {
    fn from(sets: RecordSets) -> Self {
        sets.0.into_values().collect()
    }
}

fn parse(record: &DomainRecord) -> Option<(RecordName, Rdata)> {
    let kind = record.kind.parse().ok()?;
    Some((record.name.parse().ok()?, Rdata::parse(kind, &record.value).ok()?))
}

/// The sets to replace, each as a whole; an empty one is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    sets: Vec<RecordSet>,
    wanted: RecordSets,
}

impl Changes {
    /// The changes that lead from the sets that this box has published to those that are wanted. Sets of others are left
    /// alone: only what is in `published` is removed.
    #[must_use]
    pub fn between(published: &RecordSets, wanted: &RecordSets) -> Self {
        let gone = published.iter().filter(|set| wanted.get(&set.name, set.kind).is_none());
        let gone = gone.map(|set| RecordSet::absent(set.name.clone(), set.kind));
        let new = wanted.iter().filter(|set| published.get(&set.name, set.kind) != Some(set)).cloned();
        // A name with a CNAME has nothing else (RFC 1034 section 3.6.2): what goes goes first.
        Self { sets: gone.chain(new).collect(), wanted: wanted.clone() }
    }

    /// The sets to replace.
    #[must_use]
    pub fn sets(&self) -> &[RecordSet] {
        &self.sets
    }

    /// All sets that are wanted, those that stay as they are included.
    #[must_use]
    pub fn wanted(&self) -> &RecordSets {
        &self.wanted
    }

    /// Whether there is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use ipc::reachability::{DomainRecord, Need};

    use super::{Changes, RecordSet, RecordSets};
    use crate::rdata::{Rdata, RecordKind};

    fn record(name: &str, kind: &str, value: &str, is_known: bool) -> DomainRecord {
        DomainRecord {
            name: name.into(),
            relative: "@".into(),
            kind: kind.into(),
            value: value.into(),
            is_known,
            need: Need::Optional,
            why: String::new(),
            published: None,
        }
    }

    fn wanted() -> RecordSets {
        let records = [
            record("home.example", "A", "8.8.4.4", true),
            record("home.example", "AAAA", "the IPv6 address of this box", false),
            record("home.example", "MX", "10 home.example.", true),
            record("_dmarc.home.example", "TXT", "v=DMARC1;p=reject", true),
        ];
        let (sets, odd) = RecordSets::of(&records);
        assert_eq!(odd, 0);
        sets
    }

    fn show(changes: &Changes) -> Vec<String> {
        let data = |set: &RecordSet| set.data.iter().map(Rdata::to_string).collect::<Vec<_>>().join(", ");
        changes.sets().iter().map(|set| format!("{} {} {}", set.name, set.kind, data(set))).collect()
    }

    #[test]
    fn the_known_records_become_sets() {
        let sets = wanted();
        assert_eq!(sets.iter().count(), 3);
        let (four, six) = sets.addresses(&"home.example".parse().unwrap());
        assert_eq!((four, six), (Some("8.8.4.4".parse().unwrap()), None));
        let (_, odd) = RecordSets::of(&[record("home.example", "SPF", "v=spf1", true)]);
        assert_eq!(odd, 1);
    }

    #[test]
    fn only_what_differs_is_changed_and_only_our_own_is_removed() {
        let before = wanted();
        assert!(Changes::between(&before, &before).is_empty());
        let name = "home.example".parse().unwrap();
        let mut after = before.clone();
        after.set_addresses(&name, &["8.8.8.8".parse().unwrap(), "2606:4700::1".parse().unwrap()]);
        after.replace(RecordSet::absent(name, RecordKind::Mx));
        assert_eq!(
            show(&Changes::between(&before, &after)),
            ["home.example MX ", "home.example A 8.8.8.8", "home.example AAAA 2606:4700::1"]
        );
        assert_eq!(show(&Changes::between(&RecordSets::default(), &before)).len(), 3);
    }

    #[test]
    fn sets_are_kept_as_a_list() {
        let kept = serde_json::to_string(&wanted()).unwrap();
        assert!(kept.contains(r#"{"kind":"MX","data":"10 home.example."}"#), "{kept}");
        assert_eq!(serde_json::from_str::<RecordSets>(&kept).unwrap(), wanted());
        assert!(serde_json::from_str::<RecordSets>(&kept.replace("8.8.4.4", "8.8.4")).is_err());
    }
}
