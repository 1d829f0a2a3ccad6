//! Packets of time servers, and of the name servers that name them; heads of web servers' answers.

use std::time::Duration;

use https_client::dates::{HEAD_LIMIT, date};
use mail_types::UnixTime;
use network::dns::{Kind, answer};
use time_sync::dates::PATIENCE;
use time_sync::packet::{LENGTH, parse};
use time_sync::{Bounds, Correction, Keeper, Nanoseconds, Round, Sample, Verdict, WebDate};

use crate::{EVENT, split_first};

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
    let mut keeper = Keeper::new(bounds, Duration::ZERO, PATIENCE);
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

/// Heads of the answers of web servers to one question, each with a byte in front that says how long it took.
pub(crate) fn web_date(data: &[u8]) {
    let mut keeper = Keeper::new(Bounds::new(BUILT, FLOOR), Duration::ZERO, PATIENCE);
    let uptime = keeper.next_dates() + Duration::from_secs(5);
    let answers = data.split(|byte| *byte == EVENT);
    let samples: Vec<Sample> = answers.filter_map(|answer| claim(answer, uptime)).collect();
    let calendar = Nanoseconds::at(FLOOR);
    let round = Round { uptime, calendar, samples: &samples, servers: samples.len(), chance: 0 };
    if let Verdict::Known { offset, servers, correction, .. } = keeper.dates_ended(&round) {
        assert!(servers >= 2 && servers * 2 > samples.len(), "{servers} of {}", samples.len());
        let believed = Nanoseconds::at(FLOOR)..=Nanoseconds::at(LATEST);
        assert!(believed.contains(&calendar.plus(offset)), "{offset:?}");
        assert!(correction == Correction::None || correction == Correction::Step(offset));
    }
    assert!(keeper.next_dates() > uptime);
}

fn claim(answer: &[u8], uptime: Duration) -> Option<Sample> {
    let (wait, head) = split_first(answer);
    let told = date(head).ok()?;
    assert_eq!(date(&[head, b"HTTP/1.1 200 OK\r\n"].concat()), Ok(told), "what follows matters");
    let end = head.windows(4).position(|window| window == b"\r\n\r\n");
    assert!(end.is_some_and(|end| end + 4 <= HEAD_LIMIT), "{end:?}");
    let sent = uptime.saturating_sub(Duration::from_millis(u64::from(wait) * 12));
    WebDate { date: told, sent, received: uptime }.sample().ok()
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
