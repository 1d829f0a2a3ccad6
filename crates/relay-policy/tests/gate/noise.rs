//! Messages that were damaged at random: nothing panics, splitting never matters, and damage never turns clear text
//! into something encrypted.

use std::ops::RangeInclusive;

use relay_policy::{Content, HeaderCleanup, Purpose};

use crate::message::{Encrypted, GPG_TO_PASSWORD, Random, Way, inspect_bytes};

const PIECES: [&[u8]; 16] = [
    b"\r\n",
    b"\r\n\r\n",
    b"--b\r\n",
    b"\r\n--b--\r\n",
    b"Content-Type: multipart/encrypted; boundary=b\r\n",
    b"Content-Type: application/octet-stream\r\n",
    b"-----BEGIN PGP MESSAGE-----\r\n",
    b"-----END PGP MESSAGE-----\r\n",
    b"=",
    b"==\r\n=abcd\r\n",
    b"\0",
    b"\xff\xfe",
    b"\n",
    b"\r",
    b"From: <a@b>, (\"x",
    b"; boundary*0*=utf-8'en'%ff; boundary=\"\\",
];

#[test]
fn damaged_messages_are_judged_without_panic() {
    damage_messages(1..=2500);
}

#[test]
#[ignore = "long: minutes of noise"]
fn damaged_messages_are_judged_without_panic_for_minutes() {
    damage_messages(2500..=300_000);
}

fn damage_messages(seeds: RangeInclusive<u64>) {
    let original = Encrypted { second_body: GPG_TO_PASSWORD.to_owned(), ..Encrypted::default() }.text();
    let original = original.replace('\n', "\r\n").into_bytes();
    for seed in seeds {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut message = original.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(message.len());
            match random.below(4) {
                0 => message.truncate(at),
                1 => message[at] = u8::try_from(random.below(256)).unwrap(),
                2 => drop(message.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
                _ => drop(message.drain(at..(at + random.below(40)).min(message.len()))),
            }
            if message.is_empty() {
                break;
            }
        }
        let _ = inspect_bytes(Way::In, &message);
        let (mut cleanup, mut clean) = (HeaderCleanup::new(Purpose::SubmissionToLocal), Vec::new());
        cleanup.push(&message, &mut clean);
        cleanup.finish(&mut clean);
    }
}

#[test]
fn random_pieces_are_judged_without_panic() {
    join_pieces(1..=2500);
}

#[test]
#[ignore = "long: minutes of noise"]
fn random_pieces_are_judged_without_panic_for_minutes() {
    join_pieces(2500..=1_000_000);
}

fn join_pieces(seeds: RangeInclusive<u64>) {
    for seed in seeds {
        println!("seed {seed}");
        let mut random = Random(seed);
        let count = random.below(60);
        let message: Vec<u8> = (0..count).flat_map(|_| PIECES[random.below(PIECES.len())]).copied().collect();
        let result = inspect_bytes(Way::Out, &message);
        assert_ne!(result.map(|message| message.content), Ok(Content::Encrypted));
    }
}
