//! Packets of time servers, and of the name servers that name them.

use std::time::Duration;

use mail_types::UnixTime;
use network::dns::{Kind, answer};
use time_sync::packet::{LENGTH, parse};
use time_sync::{Bounds, Keeper, Nanoseconds, Round, Sample, Verdict};

use crate::split_first;

/// 2026-11-18.
const BUILT: UnixTime = UnixTime(1_795_000_000);
/// The time at which the machine was switched off.
const FLOOR: UnixTime = UnixTime(1_796_000_000);
/// The latest time that is believed: 20 years after [`BUILT`].
const LATEST: UnixTime = UnixTime(BUILT.0 + 20 * 31_557_600);
/// The servers of a round.
const SERVERS: usize = 4;

/// Rounds of packets, each packet with a byte in front that says how long it took. They answer the request that they name,
/// so that they are looked into.
pub(crate) fn sntp(data: &[u8]) {
    let bounds = Bounds::new(BUILT, FLOOR);
    let mut keeper = Keeper::new(bounds, Duration::ZERO);
    let mut calendar = Nanoseconds::at(FLOOR);
    for packets in data.chunks((LENGTH + 1) * SERVERS) {
        let uptime = keeper.next_round() + Duration::from_secs(5);
        let samples: Vec<Sample> =
            packets.chunks(LENGTH + 1).filter_map(|packet| sample(packet, uptime)).collect();
        let round = Round { uptime, calendar, samples: &samples, servers: SERVERS, chance: 0 };
        let before = keeper.is_synchronised();
        if let Verdict::Known { offset, servers, .. } = keeper.round_ended(&round) {
            calendar = calendar.plus(offset);
            assert!(servers >= 2 && servers * 2 > samples.len(), "{servers} of {}", samples.len());
            let believed = Nanoseconds::at(FLOOR)..=Nanoseconds::at(LATEST);
            assert!(believed.contains(&calendar), "{calendar:?}");
        } else {
            assert_eq!(keeper.is_synchronised(), before);
        }
        assert!(keeper.next_round() > uptime && keeper.rate(uptime).abs() < 500.0);
    }
}

fn sample(packet: &[u8], uptime: Duration) -> Option<Sample> {
    let (wait, packet) = split_first(packet);
    let nonce = packet.get(24..32).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
    let reply = parse(packet, nonce, Nanoseconds::at(BUILT)).ok()?;
    Sample::new(&reply, uptime.saturating_sub(Duration::from_millis(u64::from(wait) * 12)), uptime).ok()
}

/// The answer of a name server. It has the number of the question.
pub(crate) fn lookup(data: &[u8]) {
    let id = data.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
    for (kind, is_right) in
        [(Kind::A, std::net::IpAddr::is_ipv4 as fn(&_) -> _), (Kind::Aaaa, std::net::IpAddr::is_ipv6)]
    {
        let found = answer(data, id, "0.pool.test", kind).unwrap_or_default();
        assert!(found.len() <= 32 && found.iter().all(is_right), "{found:?}");
    }
}
