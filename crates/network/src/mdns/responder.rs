//! The responder for one host name on one link (RFC 6762): it probes, announces, and then answers. Packets and time in,
//! packets out.
//!
//! ```text
//! Idle ──addresses──▶ Probing (3 × 250 ms) ──▶ Announcing (2 × 1 s) ──▶ Answering
//!  ▲                     │ conflict                   │ conflict            │ conflict
//!  └──no addresses       └──────────▶ BackingOff (60 s) ◀──────────────────┘
//! ```

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::message::{
    CacheFlush, Kind, Label, Message, Question, QuestionType, Reply, Response, parse, probe, response,
};

/// The UDP port of multicast DNS (RFC 6762, 3).
pub(super) const PORT: u16 = 5353;
/// Probes before the name is ours (RFC 6762, 8.1).
const PROBES: u8 = 3;
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// Announcements after the probes (RFC 6762, 8.3).
const ANNOUNCEMENTS: u8 = 2;
const ANNOUNCEMENT_INTERVAL: Duration = Duration::from_secs(1);
/// The wait before probing again for a name that another host has. The name is not changed, as RFC 6762, 9 proposes: the
/// machine's clients know only this one.
const CONFLICT_BACKOFF: Duration = Duration::from_secs(60);
/// The shortest time between two multicasts of a record (RFC 6762, 6).
const MULTICAST_INTERVAL: Duration = Duration::from_secs(1);
/// Seconds of life of an address record (RFC 6762, 10).
const TTL: u32 = 120;
/// Seconds of life of a record sent to an ordinary resolver (RFC 6762, 6.7).
const LEGACY_TTL: u32 = 10;

/// An action for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this message to the multicast group on the link.
    Multicast(Vec<u8>),
    /// Send this message to one address.
    Unicast(SocketAddr, Vec<u8>),
    /// Another host on the link has the name.
    Conflict,
}

/// The responder's state machine for one link. After each call that changes it, call [`Responder::poll`] until it returns
/// `None`.
#[derive(Debug)]
pub struct Responder {
    name: Label,
    addresses: Vec<IpAddr>,
    state: State,
    multicasts: Multicasts,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The link has no addresses to announce.
    Idle,
    Probing {
        sent: u8,
        next: Duration,
    },
    Announcing {
        sent: u8,
        next: Duration,
    },
    Answering,
    /// Another host has the name.
    BackingOff {
        until: Duration,
    },
}

impl Responder {
    /// A responder for `NAME.local`; `None` when `name` is no host label: 1 to 63 ASCII letters, digits and hyphens.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let name = Label::new(name)?;
        let (addresses, outputs) = (Vec::new(), VecDeque::new());
        Some(Self { name, addresses, state: State::Idle, multicasts: Multicasts::default(), outputs })
    }

    /// Replaces the addresses that the name has on this link.
    pub fn set_addresses(&mut self, now: Duration, addresses: &[IpAddr]) {
        if self.addresses == addresses {
            return;
        }
        addresses.clone_into(&mut self.addresses);
        self.state = match self.state {
            _ if addresses.is_empty() => State::Idle,
            State::Idle => State::Probing { sent: 0, next: now },
            // The name is ours already: new data is announced without probing for it again (RFC 6762, 8.4).
            State::Announcing { .. } | State::Answering => State::Announcing { sent: 0, next: now },
            other @ (State::Probing { .. } | State::BackingOff { .. }) => other,
        };
        self.tick(now);
    }

    /// Acts on the time of [`Responder::wake_at`].
    pub fn tick(&mut self, now: Duration) {
        loop {
            self.state = match self.state {
                State::Probing { sent, next } if next <= now => {
                    if sent == PROBES {
                        State::Announcing { sent: 0, next: now }
                    } else {
                        let bytes = probe(&self.name, &self.addresses, TTL);
                        self.outputs.push_back(Output::Multicast(bytes));
                        State::Probing { sent: sent + 1, next: now + PROBE_INTERVAL }
                    }
                }
                State::Announcing { sent, next } if next <= now => {
                    let addresses = self.addresses.clone();
                    self.multicast(now, &addresses, None);
                    if sent + 1 == ANNOUNCEMENTS {
                        State::Answering
                    } else {
                        State::Announcing { sent: sent + 1, next: now + ANNOUNCEMENT_INTERVAL }
                    }
                }
                State::BackingOff { until } if until <= now => State::Probing { sent: 0, next: now },
                _ => return,
            }
        }
    }

    /// Processes a received message. The caller has checked that it comes from this link (RFC 6762, 11).
    pub fn handle(&mut self, now: Duration, from: SocketAddr, packet: &[u8]) {
        let Some(message) = parse(packet, &self.name) else { return };
        match message.kind {
            // A response from any other port is ignored (RFC 6762, 6).
            Kind::Response if from.port() == PORT => self.check_conflict(now, &message),
            Kind::Query if matches!(self.state, State::Announcing { .. } | State::Answering) => {
                self.answer(now, from, &message);
            }
            Kind::Response | Kind::Query => {}
        }
    }

    /// The next action, if there is one.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The time at which to call [`Responder::tick`], unless an earlier event moves it.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        match self.state {
            State::Probing { next, .. }
            | State::Announcing { next, .. }
            | State::BackingOff { until: next } => Some(next),
            State::Idle | State::Answering => None,
        }
    }

    /// A conflict is an address record of the name with another address (RFC 6762, 9). Our own multicasts come back and
    /// are none; a TTL of 0 takes a record back and is none.
    fn check_conflict(&mut self, now: Duration, message: &Message) {
        let foreign =
            message.answers.iter().any(|known| known.ttl > 0 && !self.addresses.contains(&known.address));
        if foreign && !matches!(self.state, State::Idle | State::BackingOff { .. }) {
            self.state = State::BackingOff { until: now + CONFLICT_BACKOFF };
            self.outputs.push_back(Output::Conflict);
        }
    }

    /// Answers all questions of a message with one response, so that a packet costs no more than a packet.
    fn answer(&mut self, now: Duration, from: SocketAddr, message: &Message) {
        let mut answer = Answer::default();
        for question in &message.questions {
            answer.add(&self.addresses, message, *question);
        }
        let Answer { addresses, denial, multicast } = answer;
        let Some(first) = message.questions.first().filter(|_| denial || !addresses.is_empty()) else {
            return;
        };
        let all = self.addresses.clone();
        let nsec = denial.then_some(&all[..]);
        if from.port() != PORT {
            // An ordinary resolver expects its ID and question back, and does not know the cache-flush bit (6.7).
            let (id, question, flush) = (message.id, Some(first.kind), CacheFlush::Clear);
            let reply = Response { id, question, addresses: &addresses, nsec, ttl: LEGACY_TTL, flush };
            self.outputs.push_back(Output::Unicast(from, response(&self.name, &reply)));
        } else if multicast {
            self.multicast(now, &addresses, nsec);
        } else {
            let reply = self.response(&addresses, nsec);
            self.outputs.push_back(Output::Unicast(from, reply));
        }
    }

    /// Sends records to all, but none that all have got within the last second (RFC 6762, 6).
    fn multicast(&mut self, now: Duration, addresses: &[IpAddr], nsec: Option<&[IpAddr]>) {
        let due = |last: Option<Duration>| last.is_none_or(|last| now >= last + MULTICAST_INTERVAL);
        let Multicasts { ipv4, ipv6, denial } = self.multicasts;
        let is_due = |address: &&IpAddr| due(if address.is_ipv4() { ipv4 } else { ipv6 });
        let addresses: Vec<IpAddr> = addresses.iter().filter(is_due).copied().collect();
        let nsec = nsec.filter(|_| due(denial));
        if addresses.is_empty() && nsec.is_none() {
            return;
        }
        for address in &addresses {
            let last = if address.is_ipv4() { &mut self.multicasts.ipv4 } else { &mut self.multicasts.ipv6 };
            *last = Some(now);
        }
        if nsec.is_some() {
            self.multicasts.denial = Some(now);
        }
        let bytes = self.response(&addresses, nsec);
        self.outputs.push_back(Output::Multicast(bytes));
    }

    /// A response for multicast DNS: without ID and question, authoritative for the whole record set.
    fn response(&self, addresses: &[IpAddr], nsec: Option<&[IpAddr]>) -> Vec<u8> {
        let flush = CacheFlush::Set;
        response(&self.name, &Response { id: 0, question: None, addresses, nsec, ttl: TTL, flush })
    }
}

/// The answer to the questions of one message.
#[derive(Debug, Default)]
struct Answer {
    addresses: Vec<IpAddr>,
    /// A type is asked for of which there is no record: an NSEC says which there are (RFC 6762, 6.1).
    denial: bool,
    /// One of the questions is not content with a unicast response.
    multicast: bool,
}

impl Answer {
    fn add(&mut self, ours: &[IpAddr], message: &Message, question: Question) {
        let fits = |address: &&IpAddr| match question.kind {
            QuestionType::A => address.is_ipv4(),
            QuestionType::Aaaa => address.is_ipv6(),
            QuestionType::Any => true,
            QuestionType::Other => false,
        };
        let fitting: Vec<IpAddr> = ours.iter().filter(fits).copied().collect();
        // Known-answer suppression (RFC 6762, 7.1): not for a record that is past half of its life.
        let known = |address: &IpAddr| {
            message.answers.iter().any(|known| known.address == *address && known.ttl >= TTL / 2)
        };
        if !fitting.is_empty() && fitting.iter().all(known) {
            return;
        }
        self.denial |= fitting.is_empty();
        self.multicast |= question.reply != Reply::Unicast;
        let new = |address: &IpAddr| !self.addresses.contains(address);
        let new: Vec<IpAddr> = fitting.into_iter().filter(new).collect();
        self.addresses.extend(new);
    }
}

/// The times at which each record set was last sent to all.
#[derive(Clone, Copy, Debug, Default)]
struct Multicasts {
    ipv4: Option<Duration>,
    ipv6: Option<Duration>,
    denial: Option<Duration>,
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

    /// The multicast messages until `end`, each with the millisecond it is sent at.
    fn run(responder: &mut Responder, end: u64) -> Vec<(u64, Kind)> {
        let mut story = Vec::new();
        let mut now = 0;
        loop {
            for output in outputs(responder) {
                let Output::Multicast(bytes) = output else { panic!("{output:?}") };
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

    /// One message with several questions about the name.
    fn questions(all: &[(u16, u16)]) -> Vec<u8> {
        let count = u8::try_from(all.len()).unwrap();
        let mut bytes = vec![0x12, 0x34, 0, 0, 0, count, 0, 0, 0, 0, 0, 0];
        for (kind, class) in all {
            bytes.extend(&question(*kind, *class)[12..]);
        }
        bytes
    }

    fn claim(address: &str, ttl: u32) -> Vec<u8> {
        let addresses = [address.parse().unwrap()];
        let flush = CacheFlush::Set;
        response(&name(), &Response { id: 0, question: None, addresses: &addresses, nsec: None, ttl, flush })
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
        let [Output::Multicast(bytes)] = &outputs(&mut responder)[..] else { panic!("no answer") };
        let message = read(bytes);
        assert_eq!((message.id, message.questions.len()), (0, 0));
        assert_eq!(message.answers[0].address, ours()[0]);
        assert_eq!(message.answers[0].ttl, 120);
        responder.handle(ms(5500), neighbour(PORT), &question(1, 1));
        assert_eq!(outputs(&mut responder), []);
        responder.handle(ms(6000), neighbour(PORT), &question(1, 1));
        assert_eq!(outputs(&mut responder).len(), 1);
    }

    /// 28 is AAAA, of which there is no record here; 16 is TXT.
    #[test]
    fn all_questions_of_a_message_are_answered_by_one_response() {
        for kinds in [[1, 28], [28, 1]] {
            let mut responder = answering();
            responder.handle(ms(5000), neighbour(PORT), &questions(&kinds.map(|kind| (kind, 1))));
            let [Output::Multicast(bytes)] = &outputs(&mut responder)[..] else { panic!("not one answer") };
            assert_eq!(read(bytes).answers.iter().map(|known| known.address).collect::<Vec<_>>(), ours());
            let only_addresses = responder.response(&ours(), None);
            assert!(bytes.len() > only_addresses.len(), "an NSEC beside the address");
        }
        for port in [PORT, 40_000] {
            let mut responder = answering();
            responder.handle(ms(5000), neighbour(port), &questions(&[(255, 0x8001); 100]));
            let sent = outputs(&mut responder);
            assert!(matches!(&sent[..], [Output::Unicast(_, bytes)] if bytes.len() < 200), "{sent:?}");
        }
    }

    #[test]
    fn a_question_for_one_record_keeps_no_other_from_being_told() {
        let mut responder = answering();
        responder.handle(ms(5000), neighbour(PORT), &question(16, 1));
        assert_eq!(outputs(&mut responder).len(), 1);
        responder.handle(ms(5100), neighbour(PORT), &question(1, 1));
        assert_eq!(outputs(&mut responder).len(), 1);
        responder.handle(ms(5200), neighbour(PORT), &question(28, 1));
        responder.handle(ms(5200), neighbour(PORT), &question(1, 1));
        assert_eq!(outputs(&mut responder), []);
    }

    #[test]
    fn an_asker_that_wants_the_answer_alone_gets_it_alone() {
        let mut responder = answering();
        responder.handle(ms(5000), neighbour(PORT), &question(255, 0x8001));
        let [Output::Unicast(to, bytes)] = &outputs(&mut responder)[..] else { panic!("no answer") };
        assert_eq!(*to, neighbour(PORT));
        assert_eq!(read(bytes).answers.len(), 1);
    }

    #[test]
    fn an_ordinary_resolver_is_answered_as_in_ordinary_dns() {
        let mut responder = answering();
        responder.handle(ms(5000), neighbour(40_000), &question(1, 1));
        let [Output::Unicast(to, bytes)] = &outputs(&mut responder)[..] else { panic!("no answer") };
        assert_eq!(*to, neighbour(40_000));
        let message = read(bytes);
        assert_eq!((message.id, message.questions.len()), (0x1234, 1));
        assert_eq!(message.answers[0].ttl, 10);
    }

    #[test]
    fn an_address_that_does_not_exist_is_denied() {
        let mut responder = answering();
        responder.handle(ms(5000), neighbour(PORT), &question(28, 1));
        let [Output::Multicast(bytes)] = &outputs(&mut responder)[..] else { panic!("no answer") };
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
        let [Output::Multicast(bytes)] = &outputs(&mut responder)[..] else { panic!("not told") };
        assert_eq!(read(bytes).answers[0].address.to_string(), "192.168.1.8");
        responder.set_addresses(ms(9100), &[]);
        responder.handle(ms(9200), neighbour(PORT), &question(1, 1));
        assert_eq!(outputs(&mut responder), []);
        assert_eq!(responder.wake_at(), None);
    }
}
