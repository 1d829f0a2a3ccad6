//! Timelines of the plan: the time in seconds, the port that is asked for, the router's answer.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Care, LOOK, Plan, Request, Standing, Step};
use crate::words::{Answer, Family, Granted, Method, Refusal, Sign, WantedPort};

/// A plan, and the clock that its times are told by.
struct Timeline {
    start: Instant,
    plan: Plan,
}

fn ports(numbers: &[u16]) -> Vec<WantedPort> {
    numbers.iter().map(|port| WantedPort::tcp(*port).unwrap()).collect()
}

/// A plan for an IPv4 router.
fn timeline(numbers: &[u16]) -> Timeline {
    #[expect(clippy::disallowed_methods, reason = "a test's beginning of time")]
    let start = Instant::now();
    let mut plan = Plan::new(start, LOOK);
    plan.set_ports(start, Family::V4, &ports(numbers));
    Timeline { start, plan }
}

fn granted(lifetime: u64, sign: Sign) -> Answer {
    let lifetime = Duration::from_secs(lifetime);
    Answer::Granted(Granted { method: Method::Pcp, address: Some(OUTSIDE), lifetime, sign })
}

fn moved(address: &str) -> Answer {
    let Answer::Granted(granted) = granted(7200, Sign::None) else { unreachable!() };
    Answer::Granted(Granted { address: Some(address.parse().unwrap()), ..granted })
}

fn refused(refusal: Refusal) -> Answer {
    Answer::Refused { refusal, address: None }
}

/// Takes some seconds from each minute: what is due after one comes before the next look.
const CHANCE: u8 = 200;
const OUTSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(5, 6, 7, 8));
const SILENT: Answer = Answer::Refused { refusal: Refusal::NoRouter, address: None };

impl Timeline {
    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// The request that is due at a time.
    #[track_caller]
    fn request(&mut self, seconds: u64) -> Request {
        match self.plan.next(self.at(seconds)) {
            Step::Ask(request) => request,
            Step::Wait(until) => {
                panic!("at {seconds}: waits until {:?}", until.map(|until| until - self.start))
            }
        }
    }

    /// Asks for this port at a time, and gets the answer.
    #[track_caller]
    fn ask(&mut self, seconds: u64, port: u16, answer: Answer) {
        let request = self.request(seconds);
        assert_eq!(request.port.external.get(), port, "at {seconds}");
        self.plan.answered(self.at(seconds), &request, answer, CHANCE);
    }

    /// The second of the next request.
    #[track_caller]
    fn waits(&mut self, seconds: u64) -> u64 {
        match self.plan.next(self.at(seconds)) {
            Step::Wait(Some(until)) => (until - self.start).as_secs(),
            step => panic!("at {seconds}: {step:?}"),
        }
    }

    fn standings(&self) -> Vec<&'static str> {
        let word = |entry: &super::Entry| match entry.standing {
            Standing::Waiting => "waiting",
            Standing::Mapped { .. } => "mapped",
            Standing::Refused(Refusal::NoRouter) => "no router",
            Standing::Refused(_) => "refused",
        };
        self.plan.entries(Family::V4).iter().map(word).collect()
    }
}

#[test]
fn all_ports_are_asked_for_in_order_then_the_first_every_minute_and_the_others_at_half_time() {
    let mut line = timeline(&[443, 993, 25]);
    line.ask(0, 443, granted(7200, Sign::Epoch(1000)));
    line.ask(0, 993, granted(120, Sign::Epoch(1000)));
    line.ask(0, 25, granted(7200, Sign::Epoch(1000)));
    assert_eq!(line.standings(), ["mapped"; 3]);
    let second = line.waits(0);
    assert!((52..=60).contains(&second), "{second}");
    line.ask(60, 993, granted(120, Sign::Epoch(1060)));
    line.ask(60, 443, granted(7200, Sign::Epoch(1060)));
    let second = line.waits(60);
    assert!((112..=115).contains(&second), "{second}");
}

#[test]
fn a_router_with_a_new_epoch_is_asked_for_all_ports_anew() {
    let mut line = timeline(&[443, 993, 25]);
    for port in [443, 993, 25] {
        line.ask(0, port, granted(7200, Sign::Epoch(1000)));
    }
    line.ask(55, 443, granted(7200, Sign::Epoch(4)));
    line.ask(56, 993, granted(7200, Sign::Epoch(5)));
    line.ask(56, 25, granted(7200, Sign::Epoch(5)));
    assert_eq!(line.waits(57), 110);
}

#[test]
fn a_router_whose_epoch_jumps_with_every_grant_starves_no_port_and_is_not_asked_for_ever() {
    let mut line = timeline(&[443, 993, 25]);
    let mut asked = Vec::new();
    for turn in 0..60 {
        let Step::Ask(request) = line.plan.next(line.at(turn)) else { break };
        asked.push(request.port.external.get());
        // Forwards and backwards, as no clock goes.
        let epoch = if turn % 2 == 0 { 1000 } else { 9 };
        line.plan.answered(line.at(turn), &request, granted(7200, Sign::Epoch(epoch)), 0);
    }
    assert_eq!(asked[..6], [443, 993, 25, 443, 993, 25]);
    assert!(asked.len() < 30, "{asked:?}");
    assert!(line.waits(40) > 60, "no more than any router");
}

#[test]
fn a_lost_table_and_a_changed_address_have_the_same_effect() {
    for answer in [granted(7200, Sign::Lost), moved("5.6.7.9")] {
        let mut line = timeline(&[443, 993]);
        for port in [443, 993] {
            line.ask(0, port, granted(7200, Sign::Kept));
        }
        line.ask(55, 443, answer);
        line.ask(55, 993, granted(7200, Sign::Kept));
    }
    let mut line = timeline(&[443, 993]);
    for port in [443, 993] {
        line.ask(0, port, granted(7200, Sign::Kept));
    }
    line.ask(55, 443, granted(7200, Sign::Kept));
    assert_eq!(line.waits(55), 110);
}

#[test]
fn a_refused_port_is_asked_for_after_growing_pauses_and_the_next_becomes_the_sentinel() {
    let mut line = timeline(&[443, 993]);
    let other = refused(Refusal::Held { by: None });
    line.ask(0, 443, other);
    line.ask(0, 993, granted(7200, Sign::None));
    assert_eq!(line.standings(), ["refused", "mapped"]);
    assert_eq!(line.plan.to_remove(Family::V4), ports(&[993]));
    let mut pauses = Vec::new();
    let (mut now, mut asked) = (0, 0);
    while now < 20_000 {
        let request = match line.plan.next(line.at(now)) {
            Step::Ask(request) => request,
            Step::Wait(until) => {
                now = (until.unwrap() - line.start).as_secs() + 1;
                continue;
            }
        };
        let is_other = request.port.external.get() == 443;
        assert_eq!(request.care == Care::Thorough, !is_other, "{request:?}");
        if is_other {
            pauses.push(now - asked);
            asked = now;
        }
        let answer = if is_other { other } else { granted(7200, Sign::None) };
        line.plan.answered(line.at(now), &request, answer, CHANCE);
    }
    let expected = [60, 120, 240, 480, 960, 1920, 3600];
    assert!(pauses.len() >= expected.len(), "{pauses:?}");
    for (pause, expected) in pauses.iter().zip(expected) {
        assert!((expected * 7 / 8..=expected + 2).contains(pause), "{pauses:?}");
    }
}

#[test]
fn a_silent_router_is_asked_for_one_port_and_more_seldom() {
    let mut line = timeline(&[443, 993, 25]);
    line.ask(0, 443, SILENT);
    assert_eq!(line.standings(), ["no router"; 3]);
    let (mut now, mut asked) = (0, 1);
    while now < 86_400 {
        now = line.waits(now) + 1;
        line.ask(now, 443, SILENT);
        asked += 1;
    }
    assert!(asked < 35, "{asked} requests a day");
    let second = line.waits(now) + 1;
    line.ask(second, 443, granted(7200, Sign::Epoch(9)));
    line.ask(second, 993, granted(7200, Sign::Epoch(9)));
    line.ask(second, 25, granted(7200, Sign::Epoch(9)));
    assert_eq!(line.standings(), ["mapped"; 3]);
}

#[test]
fn a_router_that_is_being_restarted_keeps_its_ports_for_their_lifetime_and_gets_them_anew() {
    let mut line = timeline(&[443, 993]);
    line.ask(0, 443, granted(600, Sign::Epoch(1000)));
    line.ask(0, 993, granted(600, Sign::Epoch(1000)));
    line.ask(55, 443, SILENT);
    assert_eq!(line.standings(), ["mapped"; 2]);
    let second = line.waits(55);
    assert!((59..=60).contains(&second), "{second}");
    line.ask(61, 443, SILENT);
    let second = line.waits(61);
    assert!((69..=71).contains(&second), "{second}");
    line.ask(72, 443, granted(600, Sign::Epoch(3)));
    line.ask(72, 993, granted(600, Sign::Epoch(3)));
    let mut now = 100;
    while now < 800 {
        now = line.waits(now) + 1;
        let request = line.request(now);
        line.plan.answered(line.at(now), &request, SILENT, CHANCE);
    }
    assert_eq!(line.standings(), ["no router"; 2]);
    assert_eq!(line.plan.address(Family::V4), None);
}

#[test]
fn a_line_that_is_connected_anew_gets_all_ports_back_within_seconds() {
    let mut line = timeline(&[443, 993]);
    for port in [443, 993] {
        line.ask(0, port, granted(7200, Sign::Epoch(1000)));
    }
    line.ask(55, 443, refused(Refusal::NoInternet));
    assert_eq!((line.standings(), line.plan.address(Family::V4)), (vec!["refused"; 2], None));
    let second = line.waits(55);
    assert!((59..=60).contains(&second), "{second}");
    line.ask(61, 443, moved("5.6.7.9"));
    line.ask(61, 993, moved("5.6.7.9"));
    assert_eq!(line.standings(), ["mapped"; 2]);
    assert!(line.waits(61) > 61);
}

#[test]
fn a_router_with_absurd_lifetimes_cannot_keep_the_box_busy() {
    let mut line = timeline(&[443, 993, 25]);
    let (mut now, mut asked) = (0, 0);
    while now < 3600 {
        match line.plan.next(line.at(now)) {
            Step::Ask(request) => {
                asked += 1;
                line.plan.answered(line.at(now), &request, granted(1, Sign::Lost), CHANCE);
            }
            Step::Wait(Some(until)) => now = (until - line.start).as_secs().max(now + 1),
            Step::Wait(None) => panic!("nothing more to do"),
        }
    }
    assert!((1000..=1300).contains(&asked), "{asked} requests an hour");
}

#[test]
fn a_new_network_begins_anew_and_ipv6_asks_only_for_ports_that_keep_their_number() {
    let mut line = timeline(&[443]);
    line.ask(0, 443, granted(7200, Sign::Epoch(1000)));
    let translated = WantedPort { internal: 8443.try_into().unwrap(), ..ports(&[443])[0] };
    let wanted = [translated, ports(&[25])[0]];
    line.plan.set_ports(line.at(10), Family::V6, &wanted);
    let request = line.request(10);
    assert_eq!((request.family, request.port), (Family::V6, wanted[1]));
    line.plan.answered(line.at(10), &request, granted(7200, Sign::None), CHANCE);
    line.plan.set_ports(line.at(20), Family::V4, &wanted);
    assert_eq!(line.plan.address(Family::V4), None);
    let request = line.request(20);
    assert_eq!((request.family, request.port, request.is_renewal), (Family::V4, translated, false));
    // The answer of the network before.
    let old = Request { port: ports(&[993])[0], ..request };
    line.plan.answered(line.at(20), &old, SILENT, CHANCE);
    line.plan.set_ports(line.at(30), Family::V4, &[]);
    assert!(line.plan.entries(Family::V4).is_empty());
    assert_eq!(line.plan.to_remove(Family::V6), [wanted[1]]);
}
