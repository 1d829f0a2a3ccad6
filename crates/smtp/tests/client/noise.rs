//! Servers that say anything at any time: no panic, and every message comes back with exactly one fate per recipient.

use std::ops::RangeInclusive;

use smtp::client::{Body, Client, Encryption, Input, Output, Settings, Transaction};

use crate::script::{Random, start};

const PIECES: [&[u8]; 18] = [
    b"220 x\r\n",
    b"250 x\r\n",
    b"250-x\r\n",
    b"250 PIPELINING\r\n",
    b"250 STARTTLS\r\n",
    b"250 SIZE 10\r\n",
    b"354 go\r\n",
    b"421 later\r\n",
    b"450 later\r\n",
    b"550 no\r\n",
    b"221 bye\r\n",
    b"250",
    b"-",
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff",
    b"HTTP",
];

#[test]
fn every_message_comes_back_once() {
    make_noise(1..=5000);
}

#[test]
#[ignore = "long: minutes of noise"]
fn every_message_comes_back_once_for_minutes() {
    make_noise(5000..=2000000);
}

fn make_noise(seeds: RangeInclusive<u64>) {
    for seed in seeds {
        println!("seed {seed}");
        let mut random = Random(seed);
        let encryption = if seed % 4 == 0 { Encryption::IfOffered } else { Encryption::Already };
        let mut client = Client::new(Settings { encryption, ..Settings::new("box.test") });
        let (mut given, mut returned) = (0, 0);
        client.handle(start(), Input::Bytes(b"220 x\r\n250-x\r\n250 PIPELINING\r\n"));
        for _ in 0..60 {
            match random.below(24) {
                0 => client.handle(start(), Input::Tick),
                1 => client.handle(start(), Input::TlsStarted),
                2 => client.handle(start(), Input::ContentEnd),
                3 => client.handle(start(), Input::Content(b".x\r\n")),
                4 if seed % 3 == 0 => client.handle(start(), Input::Quit),
                // Mostly the right thing for a while, so that the far states are reached.
                5..=12 => client.handle(start(), Input::Bytes(PIECES[[1, 1, 1, 6, 9][random.below(5)]])),
                _ => client.handle(start(), Input::Bytes(PIECES[random.below(PIECES.len())])),
            }
            while let Some(output) = client.poll() {
                match output {
                    Output::Ready => {
                        given += 1;
                        let recipients = vec!["a@b.test".parse().unwrap(), "c@b.test".parse().unwrap()];
                        let transaction =
                            Transaction { sender: None, recipients, size: 5, body: Body::SevenBit };
                        client.handle(start(), Input::Deliver(transaction));
                    }
                    Output::Done(fates) => {
                        returned += 1;
                        assert_eq!(fates.len(), 2);
                    }
                    Output::Send(bytes) => assert!(bytes.ends_with(b"\r\n")),
                    _ => {}
                }
            }
        }
        client.handle(start(), Input::Closed);
        while let Some(output) = client.poll() {
            returned += i32::from(matches!(output, Output::Done(_)));
        }
        assert_eq!(given, returned, "seed {seed}");
    }
}
