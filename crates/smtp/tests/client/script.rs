//! Plays a written dialogue with a client session.
//!
//! `S:` the server says a line; `C:` the client must have said it; `!` what the driver must have been told to do;
//! `>` what the driver does. The server's lines arrive whole, byte by byte, and split at random by printed seeds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use smtp::client::{Body, Client, Fate, Input, Output, Settings, Transaction};
use test_support::Random;

struct Player {
    client: Client,
    now: Instant,
    wake: Option<Instant>,
    said: VecDeque<String>,
    events: VecDeque<String>,
}

pub(crate) fn check(settings: &Settings, script: &str) {
    for seed in 0..20_u64 {
        let mut random = Random::new(seed);
        let mut player = Player {
            client: Client::new(settings.clone()),
            now: start(),
            wake: None,
            said: VecDeque::new(),
            events: VecDeque::new(),
        };
        player.handle(Input::Tick);
        for (number, line) in script.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
            let place = format!("seed {seed}, line {number}: {line}");
            let (who, what) = line.split_at(2);
            match who {
                "S:" => player.hear(&format!("{}\r\n", what.trim()), seed, &mut random),
                "C:" => assert_eq!(player.said.pop_front().as_deref(), Some(what.trim()), "{place}"),
                "! " => assert_eq!(player.events.pop_front().as_deref(), Some(what.trim()), "{place}"),
                "> " => player.act(what.trim()),
                _ => panic!("{place}"),
            }
        }
        assert!(player.said.is_empty(), "seed {seed}: left unsaid: {:?}", player.said);
        assert!(player.events.is_empty(), "seed {seed}: left undone: {:?}", player.events);
    }
}

impl Player {
    /// Seed 0 says lines whole, seed 1 byte by byte.
    fn hear(&mut self, line: &str, seed: u64, random: &mut Random) {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            let count = match seed {
                0 => rest.len(),
                1 => 1,
                _ => 1 + random.below(rest.len()),
            };
            let (now, later) = rest.split_at(count);
            self.handle(Input::Bytes(now));
            rest = later;
        }
    }

    fn act(&mut self, what: &str) {
        let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
        match verb {
            "tls" => {
                self.wake = None;
                self.handle(Input::TlsStarted);
            }
            "deliver" => {
                let mut addresses = rest.split(' ').map(|text| text.parse().ok());
                let sender = addresses.next().unwrap();
                let recipients = addresses.map(Option::unwrap).collect();
                let transaction = Transaction { sender, recipients, size: 1000, body: Body::EightBit };
                self.handle(Input::Deliver(transaction));
            }
            "content" => self.handle(Input::Content(format!("{rest}\r\n").as_bytes())),
            "raw" => self.handle(Input::Content(rest.replace("LF", "\n").as_bytes())),
            "end" => self.handle(Input::ContentEnd),
            "lost" => self.handle(Input::ContentLost),
            "quit" => self.handle(Input::Quit),
            "closed" => self.handle(Input::Closed),
            "wait" => {
                let end = self.now + Duration::from_secs(rest.parse().unwrap());
                while let Some(wake) = self.wake.filter(|wake| *wake <= end) {
                    self.wake = None;
                    self.now = self.now.max(wake);
                    self.handle(Input::Tick);
                }
                self.now = end;
            }
            _ => panic!("{what}"),
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.client.handle(self.now, input);
        while let Some(output) = self.client.poll() {
            match output {
                Output::Send(bytes) => {
                    let text = String::from_utf8(bytes).unwrap();
                    self.said.extend(text.strip_suffix("\r\n").unwrap().split("\r\n").map(str::to_owned));
                }
                Output::StartTls => self.events.push_back("start TLS".to_owned()),
                Output::Ready => self.events.push_back("ready".to_owned()),
                Output::WantContent => self.events.push_back("want content".to_owned()),
                Output::WakeAt(time) => self.wake = Some(time),
                Output::Close(None) => self.events.push_back("close".to_owned()),
                Output::Close(Some(trouble)) => self.events.push_back(format!("close: {trouble}")),
                Output::Done(fates) => {
                    let told = fates.iter().map(|(address, fate)| match fate {
                        Fate::Delivered => format!("{address} has it"),
                        Fate::Refused(reply) => format!("{address} refused: {reply}"),
                        Fate::Unsettled(trouble) => format!("{address} unsettled: {trouble}"),
                    });
                    self.events.extend(told);
                }
            }
        }
    }
}

/// Some point in time.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
pub(crate) fn start() -> Instant {
    Instant::now()
}
