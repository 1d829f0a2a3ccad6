//! Who answers for one name on one link (RFC 6762): asks first whether it is free, tells it then, answers for it ever
//! after. Packets and time in, packets out.
//!
//! ```text
//! Silent ──addresses──▶ Probing (3 times, 250 ms) ──▶ Telling (2 times, 1 s) ──▶ Answering
//!   ▲                      │ somebody has it                                         │
//!   └──no addresses        ▼                                                         │
//!                       Waiting (a minute) ◀────────────────somebody claims it───────┘
//! ```

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::message::{
    CacheFlush, Kind, Label, Message, Question, Reply, Response, Wanted, parse, probe, response,
};

/// The port of multicast DNS.
pub(super) const PORT: u16 = 5353;
/// RFC 6762, 8.1.
const PROBES: u8 = 3;
const PROBE_PAUSE: Duration = Duration::from_millis(250);
/// RFC 6762, 8.3.
const TELLINGS: u8 = 2;
const TELLING_PAUSE: Duration = Duration::from_secs(1);
/// How long to leave a name alone that somebody else has.
const CONFLICT_PAUSE: Duration = Duration::from_secs(60);
/// RFC 6762, 6: a record is not sent to all more often.
const MULTICAST_PAUSE: Duration = Duration::from_secs(1);
/// RFC 6762, 10: address records hold two minutes.
const SECONDS: u32 = 120;
/// RFC 6762, 6.7: for those who do not know multicast DNS.
const LEGACY_SECONDS: u32 = 10;

/// Something to send, or to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To everybody on the link.
    ToAll(Vec<u8>),
    /// To one.
    To(SocketAddr, Vec<u8>),
    /// Somebody else has the name.
    Conflict,
}

/// The machine for one link.
#[derive(Debug)]
pub struct Responder {
    name: Label,
    addresses: Vec<IpAddr>,
    state: State,
    last_told: Option<Duration>,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is nothing to tell.
    Silent,
    Probing {
        sent: u8,
        next: Duration,
    },
    Telling {
        sent: u8,
        next: Duration,
    },
    Answering,
    /// Somebody else has the name.
    Waiting {
        until: Duration,
    },
}

impl Responder {
    /// A machine for `NAME.local`; `None` when the name is none.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let name = Label::new(name)?;
        let (addresses, outputs) = (Vec::new(), VecDeque::new());
        Some(Self { name, addresses, state: State::Silent, last_told: None, outputs })
    }

    /// These are the addresses now.
    pub fn set_addresses(&mut self, now: Duration, addresses: &[IpAddr]) {
        if self.addresses == addresses {
            return;
        }
        addresses.clone_into(&mut self.addresses);
        self.state = match self.state {
            _ if addresses.is_empty() => State::Silent,
            State::Silent => State::Probing { sent: 0, next: now },
            State::Telling { .. } | State::Answering => State::Telling { sent: 0, next: now },
            other => other,
        };
        self.tick(now);
    }

    /// The time that [`Responder::wake_at`] gave has come.
    pub fn tick(&mut self, now: Duration) {
        loop {
            self.state = match self.state {
                State::Probing { sent, next } if next <= now => {
                    if sent == PROBES {
                        State::Telling { sent: 0, next: now }
                    } else {
                        let bytes = probe(&self.name, &self.addresses, SECONDS);
                        self.outputs.push_back(Output::ToAll(bytes));
                        State::Probing { sent: sent + 1, next: now + PROBE_PAUSE }
                    }
                }
                State::Telling { sent, next } if next <= now => {
                    let addresses = self.addresses.clone();
                    self.tell_all(now, &addresses, None);
                    if sent + 1 == TELLINGS {
                        State::Answering
                    } else {
                        State::Telling { sent: sent + 1, next: now + TELLING_PAUSE }
                    }
                }
                State::Waiting { until } if until <= now => State::Probing { sent: 0, next: now },
                _ => return,
            }
        }
    }

    /// A packet came in. The caller has made sure that it comes from this link.
    pub fn handle(&mut self, now: Duration, from: SocketAddr, packet: &[u8]) {
        let Some(message) = parse(packet, &self.name) else { return };
        match message.kind {
            // RFC 6762, 6: responses come from the port of multicast DNS and from no other.
            Kind::Response if from.port() == PORT => self.check_conflict(now, &message),
            Kind::Query if matches!(self.state, State::Telling { .. } | State::Answering) => {
                message.questions.iter().for_each(|question| self.answer(now, from, &message, *question));
            }
            Kind::Response | Kind::Query => {}
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Responder::tick`] if nothing happens before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        match self.state {
            State::Probing { next, .. } | State::Telling { next, .. } | State::Waiting { until: next } => {
                Some(next)
            }
            State::Silent | State::Answering => None,
        }
    }

    /// The name is ours as long as everybody says of it only what we say.
    fn check_conflict(&mut self, now: Duration, message: &Message) {
        let foreign =
            message.answers.iter().any(|known| known.seconds > 0 && !self.addresses.contains(&known.address));
        if foreign && !matches!(self.state, State::Silent | State::Waiting { .. }) {
            self.state = State::Waiting { until: now + CONFLICT_PAUSE };
            self.outputs.push_back(Output::Conflict);
        }
    }

    fn answer(&mut self, now: Duration, from: SocketAddr, message: &Message, question: Question) {
        let fits = |address: &&IpAddr| match question.wanted {
            Wanted::Ipv4 => address.is_ipv4(),
            Wanted::Ipv6 => address.is_ipv6(),
            Wanted::Everything => true,
            Wanted::Other => false,
        };
        let fitting: Vec<IpAddr> = self.addresses.iter().filter(fits).copied().collect();
        let known = |address: &IpAddr| {
            message.answers.iter().any(|known| known.address == *address && known.seconds >= SECONDS / 2)
        };
        if !fitting.is_empty() && fitting.iter().all(known) {
            return;
        }
        let all = self.addresses.clone();
        let only = fitting.is_empty().then_some(&all[..]);
        if from.port() != PORT {
            let (id, question, flush) = (message.id, Some(question.wanted), CacheFlush::Clear);
            let reply = Response { id, question, addresses: &fitting, only, seconds: LEGACY_SECONDS, flush };
            self.outputs.push_back(Output::To(from, response(&self.name, &reply)));
        } else if question.reply == Reply::ToAsker {
            let reply = self.plain(&fitting, only);
            self.outputs.push_back(Output::To(from, reply));
        } else {
            self.tell_all(now, &fitting, only);
        }
    }

    fn tell_all(&mut self, now: Duration, addresses: &[IpAddr], only: Option<&[IpAddr]>) {
        if self.last_told.is_some_and(|told| now < told + MULTICAST_PAUSE) {
            return;
        }
        self.last_told = Some(now);
        let bytes = self.plain(addresses, only);
        self.outputs.push_back(Output::ToAll(bytes));
    }

    fn plain(&self, addresses: &[IpAddr], only: Option<&[IpAddr]>) -> Vec<u8> {
        let flush = CacheFlush::Set;
        response(&self.name, &Response { id: 0, question: None, addresses, only, seconds: SECONDS, flush })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};
    use std::time::Duration;

    use super::super::message::{CacheFlush, Kind, Label, Message, Response, parse, probe, response};
    use super::{Output, PORT, Responder};

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn name() -> Label {
        Label::new("hearth-0203").unwrap()
    }

    fn ours() -> Vec<IpAddr> {
        vec!["192.168.1.7".parse().unwrap()]
    }

    fn neighbour(port: u16) -> SocketAddr {
        SocketAddr::new("192.168.1.20".parse().unwrap(), port)
    }

    fn outputs(responder: &mut Responder) -> Vec<Output> {
        std::iter::from_fn(|| responder.poll()).collect()
    }

    /// What is sent to all until `end`, with the millisecond it is sent at.
    fn run(responder: &mut Responder, end: u64) -> Vec<(u64, Kind)> {
        let mut story = Vec::new();
        let mut now = 0;
        loop {
            for output in outputs(responder) {
                let Output::ToAll(bytes) = output else { panic!("{output:?}") };
                story.push((now, parse(&bytes, &name()).unwrap().kind));
            }
            match responder.wake_at().map(|wake| u64::try_from(wake.as_millis()).unwrap()) {
                Some(wake) if wake <= end => now = wake,
                _ => return story,
            }
            responder.tick(ms(now));
        }
    }

    fn answering() -> Responder {
        let mut responder = Responder::new("hearth-0203").unwrap();
        responder.set_addresses(ms(0), &ours());
        run(&mut responder, 5000);
        responder
    }

    /// An ordinary question: type, class, name.
    fn question(kind: u16, class: u16) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend(b"\x0bhearth-0203\x05local\x00");
        bytes.extend(kind.to_be_bytes());
        bytes.extend(class.to_be_bytes());
        bytes
    }

    fn claim(address: &str, seconds: u32) -> Vec<u8> {
        let addresses = [address.parse().unwrap()];
        let flush = CacheFlush::Set;
        response(
            &name(),
            &Response { id: 0, question: None, addresses: &addresses, only: None, seconds, flush },
        )
    }

    fn read(bytes: &[u8]) -> Message {
        parse(bytes, &name()).unwrap()
    }

    #[test]
    fn a_free_name_is_asked_for_three_times_and_told_twice() {
        let mut responder = Responder::new("hearth-0203").unwrap();
        assert_eq!(run(&mut responder, 5000), []);
        responder.set_addresses(ms(0), &ours());
        let (query, told) = (Kind::Query, Kind::Response);
        assert_eq!(
            run(&mut responder, 10_000),
            [(0, query), (250, query), (500, query), (750, told), (1750, told)]
        );
    }

    #[test]
    fn nobody_is_answered_before_the_name_is_ours() {
        let mut responder = Responder::new("hearth-0203").unwrap();
        responder.set_addresses(ms(0), &ours());
        outputs(&mut responder);
        responder.handle(ms(100), neighbour(PORT), &question(1, 1));
        assert_eq!(outputs(&mut responder), []);
    }

    #[test]
    fn a_question_to_all_is_answered_to_all_but_once_a_second() {
        let mut responder = answering();
        responder.handle(ms(5000), neighbour(PORT), &question(1, 1));
        let [Output::ToAll(bytes)] = &outputs(&mut responder)[..] else { panic!("no answer") };
        let message = read(bytes);
        assert_eq!((message.id, message.questions.len()), (0, 0));
        assert_eq!(message.answers[0].address, ours()[0]);
        assert_eq!(message.answers[0].seconds, 120);
        responder.handle(ms(5500), neighbour(PORT), &question(1, 1));
        assert_eq!(outputs(&mut responder), []);
        responder.handle(ms(6000), neighbour(PORT), &question(1, 1));
        assert_eq!(outputs(&mut responder).len(), 1);
    }

    #[test]
    fn an_asker_that_wants_the_answer_alone_gets_it_alone() {
        let mut responder = answering();
        responder.handle(ms(5000), neighbour(PORT), &question(255, 0x8001));
        let [Output::To(to, bytes)] = &outputs(&mut responder)[..] else { panic!("no answer") };
        assert_eq!(*to, neighbour(PORT));
        assert_eq!(read(bytes).answers.len(), 1);
    }

    #[test]
    fn an_ordinary_resolver_is_answered_as_in_ordinary_dns() {
        let mut responder = answering();
        responder.handle(ms(5000), neighbour(40_000), &question(1, 1));
        let [Output::To(to, bytes)] = &outputs(&mut responder)[..] else { panic!("no answer") };
        assert_eq!(*to, neighbour(40_000));
        let message = read(bytes);
        assert_eq!((message.id, message.questions.len()), (0x1234, 1));
        assert_eq!(message.answers[0].seconds, 10);
    }

    #[test]
    fn an_address_that_does_not_exist_is_denied() {
        let mut responder = answering();
        responder.handle(ms(5000), neighbour(PORT), &question(28, 1));
        let [Output::ToAll(bytes)] = &outputs(&mut responder)[..] else { panic!("no answer") };
        assert!(read(bytes).answers.is_empty());
        assert!(bytes.ends_with(&[0, 4, 0x40, 0, 0, 0]), "there is an A record only");
    }

    #[test]
    fn what_the_asker_knows_already_is_not_said_again() {
        let mut responder = answering();
        let mut bytes = question(1, 1);
        bytes[7] = 1;
        bytes.extend(claim("192.168.1.7", 100)[12..].iter());
        responder.handle(ms(5000), neighbour(PORT), &bytes);
        assert_eq!(outputs(&mut responder), []);
    }

    #[test]
    fn other_names_concern_us_not() {
        let mut responder = answering();
        let other = probe(&Label::new("printer").unwrap(), &ours(), 120);
        responder.handle(ms(5000), neighbour(PORT), &other);
        assert_eq!(outputs(&mut responder), []);
    }

    #[test]
    fn a_name_that_somebody_has_is_left_alone_for_a_minute() {
        let mut responder = Responder::new("hearth-0203").unwrap();
        responder.set_addresses(ms(0), &ours());
        outputs(&mut responder);
        responder.handle(ms(100), neighbour(PORT), &claim("192.168.1.99", 120));
        assert_eq!(outputs(&mut responder), [Output::Conflict]);
        assert_eq!(responder.wake_at(), Some(ms(60_100)));
        responder.handle(ms(200), neighbour(PORT), &question(1, 1));
        assert_eq!(outputs(&mut responder), []);
        responder.tick(ms(60_100));
        assert_eq!(outputs(&mut responder).len(), 1, "it asks again");
    }

    #[test]
    fn our_own_words_and_goodbyes_are_no_conflict() {
        let mut responder = answering();
        for (packet, port) in [
            (claim("192.168.1.7", 120), PORT),
            (claim("192.168.1.99", 0), PORT),
            (claim("192.168.1.99", 120), 40_000),
        ] {
            responder.handle(ms(5000), neighbour(port), &packet);
            assert_eq!(outputs(&mut responder), []);
        }
    }

    #[test]
    fn a_new_address_is_told_at_once_and_none_means_silence() {
        let mut responder = answering();
        responder.set_addresses(ms(9000), &["192.168.1.8".parse().unwrap()]);
        let [Output::ToAll(bytes)] = &outputs(&mut responder)[..] else { panic!("not told") };
        assert_eq!(read(bytes).answers[0].address.to_string(), "192.168.1.8");
        responder.set_addresses(ms(9100), &[]);
        responder.handle(ms(9200), neighbour(PORT), &question(1, 1));
        assert_eq!(outputs(&mut responder), []);
        assert_eq!(responder.wake_at(), None);
    }
}
