//! The places of connections, and whose turn it is to go when there are too many. Strangers, who have not logged in, have a
//! share for each kind of service, and never push out who has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use host::locks::Mutex;
use mail_types::Address;
use tokio_util::sync::CancellationToken;

use crate::connections::network::{neighbourhood, network};

/// Connections from the machine itself beyond the limits, so that no crowd of clients makes the self-check fail.
const RESERVED_FOR_LOOPBACK: usize = 16;
/// Connections that were asked to leave and are still there, at most: they no longer count, but have sockets.
const LEAVING_LIMIT: usize = 64;
/// The time from the request to leave to the end: to say goodbye, or to have the open question answered.
const FAREWELL_LIMIT: Duration = Duration::from_secs(5);

/// Those who have not logged in, by what they came for. A web page and a port without login have strangers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Crowd {
    /// Clients on their way to the login.
    Clients,
    /// Other servers on port 25.
    Servers,
    /// HTTP: pages, and mail of other servers.
    Web,
}

/// The numbers of connections that may be open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceLimits {
    /// In all.
    pub(crate) total: u32,
    /// From one network.
    pub(crate) per_network: u32,
    /// Of one account.
    pub(crate) per_account: u32,
}

/// The limit that a connection would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// The server's.
    Total,
    /// That of the client's network.
    PerNetwork,
    /// That of the account.
    PerAccount,
}

/// All places, behind a lock that is held for a moment only.
#[derive(Debug)]
pub(crate) struct Places {
    total: usize,
    per_network: usize,
    per_account: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// By number, which grows: the oldest first.
    places: BTreeMap<u64, Holder>,
    next: u64,
    leaving: usize,
    known: usize,
    networks: BTreeMap<IpAddr, Network>,
    strangers: BTreeMap<Crowd, Strangers>,
    accounts: BTreeMap<Address, usize>,
}

/// The connections from one network.
#[derive(Debug, Default)]
struct Network {
    all: usize,
    strangers: BTreeSet<u64>,
}

/// One crowd.
#[derive(Debug, Default)]
struct Strangers {
    count: usize,
    by_neighbourhood: BTreeMap<IpAddr, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Holder {
    network: IpAddr,
    standing: Standing,
    make_room: CancellationToken,
}

#[derive(Clone, Debug)]
enum Standing {
    Stranger(Crowd),
    Known(Address),
    Leaving,
}

/// The place of one connection; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    network: IpAddr,
    number: u64,
    make_room: CancellationToken,
}

impl Places {
    /// Places of which none is taken. No single network may take all of them.
    pub(crate) fn new(limits: PlaceLimits) -> Arc<Self> {
        let [total, per_network, per_account] = [limits.total, limits.per_network, limits.per_account]
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX).max(1));
        let per_network = per_network.min(total - total / 4);
        Arc::new(Self { total, per_network, per_account, taken: Mutex::default() })
    }

    /// Takes a place. When there is none the oldest stranger makes room: of the same network if that is what has too many,
    /// otherwise of the neighbourhood that has most of this crowd. A refusal means that there is no such stranger.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr, crowd: Crowd) -> Result<Place, LimitReached> {
        let network = network(peer);
        let mut taken = self.taken.lock();
        self.make_room(&mut taken, network, crowd)?;
        let number = taken.next;
        taken.next += 1;
        let make_room = CancellationToken::new();
        let standing = Standing::Stranger(crowd);
        taken.places.insert(number, Holder { network, standing, make_room: make_room.clone() });
        taken.networks.entry(network).or_default().all += 1;
        taken.add_stranger(number, network, crowd);
        drop(taken);
        Ok(Place { places: Arc::clone(self), network, number, make_room })
    }

    /// Has somebody leave if this newcomer would be one too many.
    fn make_room(&self, taken: &mut Taken, network: IpAddr, crowd: Crowd) -> Result<(), LimitReached> {
        // What comes from the machine itself may be a proxy for everybody: no limit of one network holds.
        let reserve = if network.is_loopback() { RESERVED_FOR_LOOPBACK } else { 0 };
        let here = taken.networks.get(&network);
        let oldest = if !network.is_loopback() && here.is_some_and(|here| here.all >= self.per_network) {
            let oldest = here.and_then(|here| here.strangers.first().copied());
            oldest.ok_or(LimitReached::PerNetwork)?
        } else if taken.crowd(crowd) >= self.share(crowd) + reserve {
            taken.oldest_of(crowd).ok_or(LimitReached::Total)?
        } else if taken.present() >= self.total + reserve {
            let others = [crowd, Crowd::Clients, Crowd::Web, Crowd::Servers];
            others.into_iter().find_map(|crowd| taken.oldest_of(crowd)).ok_or(LimitReached::Total)?
        } else {
            return Ok(());
        };
        taken.ask_to_leave(oldest)
    }

    /// The places that a crowd may take.
    fn share(&self, crowd: Crowd) -> usize {
        let part = match crowd {
            Crowd::Clients => 2,
            Crowd::Servers | Crowd::Web => 8,
        };
        (self.total / part).max(1)
    }

    /// The places that those who have logged in may take: all but an eighth, so that others can still come in.
    fn known_limit(&self) -> usize {
        self.total - self.total / 8
    }

    /// The connections that may be open in total.
    pub(crate) fn limit(&self) -> u32 {
        u32::try_from(self.total).unwrap_or(u32::MAX)
    }

    /// The connections that are open, without those that were asked to leave.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.taken.lock().present()).unwrap_or(u32::MAX)
    }
}

impl Taken {
    fn present(&self) -> usize {
        self.places.len() - self.leaving
    }

    fn crowd(&self, crowd: Crowd) -> usize {
        self.strangers.get(&crowd).map_or(0, |strangers| strangers.count)
    }

    /// The oldest of the neighbourhood with most members, so that a flood from one corner washes itself away.
    fn oldest_of(&self, crowd: Crowd) -> Option<u64> {
        let members = self.strangers.get(&crowd)?.by_neighbourhood.values();
        let largest = members.max_by_key(|members| (members.len(), std::cmp::Reverse(members.first())))?;
        largest.first().copied()
    }

    fn ask_to_leave(&mut self, number: u64) -> Result<(), LimitReached> {
        if self.leaving >= LEAVING_LIMIT {
            return Err(LimitReached::Total);
        }
        self.end_standing(number);
        if let Some(holder) = self.places.get_mut(&number) {
            holder.standing = Standing::Leaving;
            holder.make_room.cancel();
            self.leaving += 1;
        }
        Ok(())
    }

    fn add_stranger(&mut self, number: u64, network: IpAddr, crowd: Crowd) {
        self.networks.entry(network).or_default().strangers.insert(number);
        let strangers = self.strangers.entry(crowd).or_default();
        strangers.count += 1;
        strangers.by_neighbourhood.entry(neighbourhood(network)).or_default().insert(number);
    }

    fn remove_stranger(&mut self, number: u64, network: IpAddr, crowd: Crowd) {
        if let Some(network) = self.networks.get_mut(&network) {
            network.strangers.remove(&number);
        }
        let Some(strangers) = self.strangers.get_mut(&crowd) else { return };
        strangers.count = strangers.count.saturating_sub(1);
        let neighbourhood = neighbourhood(network);
        if let Some(members) = strangers.by_neighbourhood.get_mut(&neighbourhood) {
            members.remove(&number);
            if members.is_empty() {
                strangers.by_neighbourhood.remove(&neighbourhood);
            }
        }
    }

    /// Takes a place out of all counts but that of sockets.
    fn end_standing(&mut self, number: u64) {
        let Some(Holder { network, standing, .. }) = self.places.get(&number) else { return };
        let (network, standing) = (*network, standing.clone());
        match standing {
            Standing::Stranger(crowd) => self.remove_stranger(number, network, crowd),
            Standing::Known(account) => {
                self.known = self.known.saturating_sub(1);
                count_down(&mut self.accounts, &account);
            }
            Standing::Leaving => {
                self.leaving = self.leaving.saturating_sub(1);
                return;
            }
        }
        if let Some(here) = self.networks.get_mut(&network) {
            here.all = here.all.saturating_sub(1);
            if here.all == 0 {
                self.networks.remove(&network);
            }
        }
    }
}

fn count_down(accounts: &mut BTreeMap<Address, usize>, account: &Address) {
    let left = accounts.get(account).map_or(0, |count| count.saturating_sub(1));
    match accounts.get_mut(account) {
        Some(count) if left > 0 => *count = left,
        _ => drop(accounts.remove(account)),
    }
}

impl Place {
    /// Makes the stranger one who has logged in, whom no stranger pushes out.
    pub(crate) fn log_in(&self, account: &Address) -> Result<(), LimitReached> {
        let mut taken = self.places.taken.lock();
        let (network, crowd) = match taken.places.get(&self.number) {
            Some(Holder { network, standing: Standing::Stranger(crowd), .. }) => (*network, *crowd),
            Some(Holder { standing: Standing::Known(_), .. }) => return Ok(()),
            Some(Holder { standing: Standing::Leaving, .. }) | None => return Err(LimitReached::Total),
        };
        let of_account = taken.accounts.get(account).copied().unwrap_or(0);
        if of_account >= self.places.per_account {
            return Err(LimitReached::PerAccount);
        }
        if taken.known >= self.places.known_limit() {
            return Err(LimitReached::Total);
        }
        taken.remove_stranger(self.number, network, crowd);
        taken.known += 1;
        taken.accounts.insert(account.clone(), of_account + 1);
        if let Some(holder) = taken.places.get_mut(&self.number) {
            holder.standing = Standing::Known(account.clone());
        }
        Ok(())
    }

    /// The stranger turns out to belong to another crowd, whose oldest makes room if it has no place left.
    pub(crate) fn join(&self, crowd: Crowd) -> Result<(), LimitReached> {
        let mut taken = self.places.taken.lock();
        let (network, former) = match taken.places.get(&self.number) {
            Some(Holder { network, standing: Standing::Stranger(former), .. }) => (*network, *former),
            _ => return Ok(()),
        };
        if former != crowd && taken.crowd(crowd) >= self.places.share(crowd) {
            let oldest = taken.oldest_of(crowd).ok_or(LimitReached::Total)?;
            taken.ask_to_leave(oldest)?;
        }
        taken.remove_stranger(self.number, network, former);
        taken.add_stranger(self.number, network, crowd);
        if let Some(holder) = taken.places.get_mut(&self.number) {
            holder.standing = Standing::Stranger(crowd);
        }
        Ok(())
    }

    /// The client's network.
    pub(crate) fn network(&self) -> IpAddr {
        self.network
    }

    /// Cancelled when the connection is asked to leave.
    pub(crate) fn make_room(&self) -> &CancellationToken {
        &self.make_room
    }

    /// Waits until a connection that was asked to leave has had its time to do so.
    pub(crate) async fn overdue(&self) {
        self.make_room.cancelled().await;
        // Boxed: every connection has room for this, and hardly any needs it.
        Box::pin(tokio::time::sleep(FAREWELL_LIMIT)).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.end_standing(self.number);
        taken.places.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use mail_types::Address;

    use crate::connections::places::{Crowd, LEAVING_LIMIT, LimitReached, Place, PlaceLimits, Places};

    fn places(total: u32, per_network: u32, per_account: u32) -> Arc<Places> {
        Places::new(PlaceLimits { total, per_network, per_account })
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The network of this number, each in a neighbourhood of its own.
    fn elsewhere(number: u8) -> IpAddr {
        IpAddr::from([10, number, 0, 1])
    }

    fn anna() -> Address {
        "anna@example.org".parse().unwrap()
    }

    fn must_go(place: &Place) -> bool {
        place.make_room().is_cancelled()
    }

    #[test]
    fn the_oldest_stranger_makes_room_and_who_has_logged_in_stays() {
        let places = places(8, 8, 8);
        let phone = places.enter(elsewhere(0), Crowd::Clients).unwrap();
        phone.log_in(&anna()).unwrap();
        let strangers: Vec<Place> =
            (1..=4).map(|number| places.enter(elsewhere(number), Crowd::Clients).unwrap()).collect();
        assert!(!strangers.iter().any(must_go), "half of the places");
        let newcomer = places.enter(elsewhere(5), Crowd::Clients).unwrap();
        assert_eq!(strangers.iter().map(must_go).collect::<Vec<_>>(), [true, false, false, false]);
        assert!(!must_go(&phone) && !must_go(&newcomer));
        assert_eq!(strangers[0].log_in(&anna()), Err(LimitReached::Total), "too late");
        assert_eq!(places.count(), 5, "one who leaves no longer counts");
        drop(strangers);
        assert_eq!(places.count(), 2);
    }

    #[test]
    fn a_flood_from_one_corner_washes_itself_away() {
        let places = places(32, 32, 8);
        let phone = places.enter(peer("2001:db8:1::1"), Crowd::Clients).unwrap();
        let flood: Vec<Place> = (0..64_u16)
            .map(|number| {
                let network = IpAddr::from([0x2001, 0xdb8, 2, number, 0, 0, 0, 1]);
                places.enter(network, Crowd::Clients).unwrap()
            })
            .collect();
        assert!(!must_go(&phone), "it is older than all of them, but alone in its neighbourhood");
        assert_eq!(flood.iter().filter(|place| must_go(place)).count(), 64 - 15);
    }

    #[test]
    fn each_crowd_has_a_share_of_its_own() {
        let places = places(16, 16, 8);
        let phones: Vec<Place> =
            (0..8).map(|number| places.enter(elsewhere(number), Crowd::Clients).unwrap()).collect();
        let servers: Vec<Place> =
            (0..40).map(|number| places.enter(elsewhere(number), Crowd::Servers).unwrap()).collect();
        assert_eq!(servers.iter().filter(|place| must_go(place)).count(), 38, "an eighth of the places");
        let page = places.enter(elsewhere(99), Crowd::Clients).unwrap();
        assert!(must_go(&phones[0]), "the clients' share is full");
        page.join(Crowd::Web).unwrap();
        let _next = places.enter(elsewhere(98), Crowd::Clients).unwrap();
        assert!(!must_go(&phones[1]), "the page has left it");
        let pages = [1, 2].map(|number| places.enter(elsewhere(number), Crowd::Web).unwrap());
        assert!(must_go(&page) && !pages.iter().any(must_go));
    }

    #[test]
    fn one_network_cannot_take_all_and_its_own_strangers_make_room_in_it() {
        let places = places(16, 100, 100);
        let home = "2001:db8::1".parse().unwrap();
        let inside: Vec<Place> = (0..12_u16)
            .map(|number| {
                let host = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, number]);
                let place = places.enter(host, Crowd::Clients).unwrap();
                if number > 0 {
                    place.log_in(&anna()).unwrap();
                }
                place
            })
            .collect();
        let newcomer = places.enter(home, Crowd::Clients).unwrap();
        assert!(must_go(&inside[0]), "three quarters of the places");
        newcomer.log_in(&anna()).unwrap();
        let refused = places.enter(home, Crowd::Clients).err();
        assert_eq!(refused, Some(LimitReached::PerNetwork), "all of them have logged in");
        assert!(places.enter("2001:db8:0:1::1".parse().unwrap(), Crowd::Clients).is_ok());
    }

    #[test]
    fn one_account_cannot_take_all() {
        let places = places(100, 100, 3);
        let enter = |number| places.enter(elsewhere(number), Crowd::Clients).unwrap();
        let mut phones: Vec<Place> = (0..3).map(enter).collect();
        for phone in &phones {
            phone.log_in(&anna()).unwrap();
            phone.log_in(&anna()).unwrap();
        }
        let fourth = enter(3);
        assert_eq!(fourth.log_in(&anna()), Err(LimitReached::PerAccount));
        assert_eq!(fourth.log_in(&"berta@example.org".parse().unwrap()), Ok(()));
        phones.pop();
        assert_eq!(enter(4).log_in(&anna()), Ok(()));
    }

    #[test]
    fn some_places_stay_for_those_who_come_anew() {
        let places = places(8, 8, 8);
        let phones: Vec<Place> = (0..7)
            .map(|number| {
                let place = places.enter(elsewhere(number), Crowd::Clients).unwrap();
                place.log_in(&anna()).unwrap();
                place
            })
            .collect();
        let last = places.enter(elsewhere(7), Crowd::Clients).unwrap();
        assert_eq!(last.log_in(&anna()), Err(LimitReached::Total));
        let server = places.enter(elsewhere(8), Crowd::Servers).unwrap();
        assert!(must_go(&last) && !must_go(&server) && !phones.iter().any(must_go));
    }

    #[test]
    fn the_machine_itself_has_places_beyond_the_limits() {
        let places = places(2, 1, 8);
        let own: Vec<Place> = ["127.0.0.1", "::1", "::ffff:127.0.0.1"]
            .into_iter()
            .cycle()
            .take(17)
            .map(|own| places.enter(peer(own), Crowd::Clients).unwrap())
            .collect();
        assert!(!own.iter().any(must_go));
        let _one_more = places.enter(peer("::1"), Crowd::Clients).unwrap();
        assert!(must_go(&own[0]));
    }

    #[test]
    fn those_who_leave_are_bounded_too() {
        let places = places(2, 2, 2);
        let mut crowd: Vec<Place> =
            (0..=64).map(|_| places.enter(elsewhere(1), Crowd::Clients).unwrap()).collect();
        assert_eq!(crowd.len(), LEAVING_LIMIT + 1);
        assert_eq!(places.enter(elsewhere(2), Crowd::Clients).err(), Some(LimitReached::Total));
        crowd.remove(0);
        assert!(places.enter(elsewhere(2), Crowd::Clients).is_ok());
    }
}
