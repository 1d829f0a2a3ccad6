//! QRESYNC (RFC 7162 section 3.2) with a client that believes everything: it remembers the highest modification
//! sequence it saw, comes back at any time, and must then know every message and no other.

use std::fmt::Write;

use imap::MailboxName;
use mail_types::Uid;
use test_support::Random;

use crate::world::{Parser, World};

const MESSAGE: &str = "Subject: x\n\nbody\n";

/// Three messages, and a client that has enabled QRESYNC.
fn three_messages() -> (World, usize) {
    let mut world = World::new(1);
    world.parser = Parser::Any;
    for _ in 0..3 {
        world.toy.deliver(MESSAGE);
    }
    let phone = world.login();
    world.send(phone, b"a ENABLE QRESYNC\r\n");
    world.heard(phone);
    (world, phone)
}

#[test]
fn an_expunge_that_waits_is_not_hidden_behind_a_higher_modseq() {
    let (mut world, phone) = three_messages();
    world.send(phone, b"b SELECT INBOX\r\n");
    world.heard(phone);
    world.change(|toy| toy.remove(&MailboxName::inbox(), 42));
    world.play(
        phone,
        r"
        C: c STORE 3 +FLAGS (\Seen)
        S: * 3 FETCH (UID 44 FLAGS (\Seen) MODSEQ (15))
        S: * OK [HIGHESTMODSEQ 13] Expunged messages wait to be told
        S: c OK Store completed
        C: d FETCH 3 MODSEQ
        S: * 3 FETCH (MODSEQ (15))
        S: * OK [HIGHESTMODSEQ 13] Expunged messages wait to be told
        S: d OK Fetch completed
        C: e NOOP
        S: * VANISHED 42
        S: e OK NOOP completed
    ",
    );
}

#[test]
fn what_happened_before_the_clients_own_change_is_told_first() {
    let (mut world, phone) = three_messages();
    world.send(phone, b"b SELECT INBOX\r\n");
    world.heard(phone);
    world.slow = true;
    world.toy.remove(&MailboxName::inbox(), 42);
    world.play(
        phone,
        r"
        C: c UID STORE 44 +FLAGS (\Deleted)
        S: * 3 FETCH (UID 44 FLAGS (\Deleted) MODSEQ (15))
        S: * VANISHED 42
        S: c OK Store completed
    ",
    );
    world.toy.remove(&MailboxName::inbox(), 43);
    world.play(
        phone,
        r"
        C: d EXPUNGE
        S: * VANISHED 44
        S: * VANISHED 43
        S: d OK [HIGHESTMODSEQ 17] Expunge completed
    ",
    );
}

#[test]
fn a_message_that_goes_while_the_mailbox_is_opened_keeps_its_number_until_told() {
    let (mut world, phone) = three_messages();
    world.holding = true;
    world.send(phone, b"b SELECT INBOX (QRESYNC (1718000000 13))\r\n");
    // The mailbox is opened; its changes are asked for.
    world.release_one(phone);
    world.change(|toy| toy.remove(&MailboxName::inbox(), 42));
    world.release();
    let heard = world.heard(phone);
    assert!(heard.contains("* 3 EXISTS") && !heard.contains("VANISHED"), "{heard}");
    world.play(phone, "C: c NOOP\nS: * VANISHED 42\nS: c OK …");
}

/// The cache of a client for one mailbox.
#[derive(Debug, Default)]
struct Memory {
    /// By number; 0 stands for a UID that was not told.
    uids: Vec<u32>,
    exists: usize,
    highest: u64,
    /// Modification sequences of the responses to the running command.
    seen: u64,
}

impl Memory {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> =
            line.split([' ', '(', ')', '[', ']']).filter(|word| !word.is_empty()).collect();
        let number = words.get(1).and_then(|word| word.parse::<usize>().ok());
        match (words.as_slice(), number) {
            (["*", _, "EXISTS"], Some(number)) => self.exists = number,
            (["*", _, "FETCH", rest @ ..], Some(number)) => {
                self.uids.resize(self.exists, 0);
                let after = |name| rest.iter().position(|&word| word == name).map(|at| rest[at + 1]);
                if let Some(uid) = after("UID").map(|uid| uid.parse().unwrap()) {
                    assert!([0, uid].contains(&self.uids[number - 1]), "{line} but {:?}", self.uids);
                    self.uids[number - 1] = uid;
                }
                self.seen = self.seen.max(after("MODSEQ").map_or(0, |modseq| modseq.parse().unwrap()));
            }
            (["*", "VANISHED", "EARLIER", set], _) => {
                ranges(set, |uid| self.uids.retain(|&known| known != uid));
            }
            (["*", "VANISHED", set], _) => {
                self.uids.resize(self.exists, 0);
                ranges(set, |uid| {
                    // One that was not told stands between its neighbours.
                    let below = self.uids.iter().rposition(|&known| known != 0 && known < uid);
                    let removed = self.uids.remove(below.map_or(0, |below| below + 1));
                    assert!([0, uid].contains(&removed), "{line} but {:?}", self.uids);
                });
                self.exists = self.uids.len();
            }
            (["*", "OK", "HIGHESTMODSEQ", modseq, ..], _) => {
                self.highest = modseq.parse().unwrap();
                self.seen = 0;
            }
            (["*", ..], _) => {}
            ([_, "OK", rest @ ..], _) => {
                self.uids.resize(self.exists, 0);
                self.highest = self.highest.max(std::mem::take(&mut self.seen));
                if let ["HIGHESTMODSEQ", modseq, ..] = rest {
                    self.highest = modseq.parse().unwrap();
                }
            }
            _ => panic!("unexpected: {line}"),
        }
    }
}

fn ranges(set: &str, mut each: impl FnMut(u32)) {
    for range in set.split(',') {
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        (from.parse().unwrap()..=to.parse().unwrap()).for_each(&mut each);
    }
}

/// Opens the mailbox again with what is remembered of it; whoever never heard a UID cannot remember it.
fn come_back(world: &mut World, random: Option<&mut Random>, memory: &mut Memory) -> usize {
    memory.uids.retain(|&uid| uid != 0);
    memory.exists = memory.uids.len();
    let phone = world.login();
    world.send(phone, b"e ENABLE QRESYNC\r\n");
    world.heard(phone);
    world.holding = true;
    let select = match memory.highest {
        0 => "s SELECT INBOX\r\n".to_owned(),
        highest => format!("s SELECT INBOX (QRESYNC (1718000000 {highest}))\r\n"),
    };
    world.send(phone, select.as_bytes());
    world.release_one(phone);
    if let Some(random) = random
        && random.below(3) == 0
    {
        disturb(world, random);
    }
    world.release();
    let heard = world.heard(phone);
    heard.lines().for_each(|line| memory.hear(line));
    world.send(phone, b"f FETCH 1:* (UID)\r\n");
    world.heard(phone).lines().for_each(|line| memory.hear(line));
    phone
}

/// Changes a mailbox as another client would; the sessions hear of it now or later.
fn disturb(world: &mut World, random: &mut Random) {
    let inbox = MailboxName::inbox();
    let present: Vec<Uid> = world.toy.mailboxes[&inbox].messages.keys().copied().collect();
    match random.below(3) {
        0 if !present.is_empty() => world.toy.remove(&inbox, present[random.below(present.len())].get()),
        _ => drop(world.toy.deliver(MESSAGE)),
    }
    world.slow = random.below(2) == 0;
    world.change(|_| ());
}

#[test]
fn a_client_that_remembers_the_highest_modseq_misses_nothing() {
    for seed in 0..100 {
        println!("seed {seed}");
        let (mut world, mut random) = (World::new(seed), Random::new(seed + 1_000));
        world.parser = Parser::Any;
        world.toy.lists_survivors = seed % 5 == 0;
        world.toy.deliver(MESSAGE);
        let mut memory = Memory::default();
        for _ in 0..8 {
            let phone = come_back(&mut world, Some(&mut random), &mut memory);
            for round in 0..random.below(8) {
                disturb(&mut world, &mut random);
                let mut commands = String::new();
                for pipelined in 0..=random.below(3) {
                    let command = [
                        "NOOP",
                        "FETCH 1:* (UID FLAGS MODSEQ)",
                        "STORE 1:* +FLAGS (\\Seen)",
                        "STORE 1:* -FLAGS.SILENT (\\Seen)",
                        "UID STORE 1:* +FLAGS (\\Deleted)",
                        "EXPUNGE",
                    ];
                    writeln!(commands, "t{round}.{pipelined} {}\r", command[random.below(6)]).unwrap();
                }
                world.send(phone, commands.as_bytes());
                world.heard(phone).lines().for_each(|line| memory.hear(line));
            }
        }
        // With nobody else about, the last to come back knows it all.
        world.slow = false;
        let phone = come_back(&mut world, None, &mut memory);
        assert_eq!(world.heard(phone), "");
        let present = world.toy.mailboxes[&MailboxName::inbox()].messages.keys().map(|uid| uid.get());
        assert_eq!(memory.uids, present.collect::<Vec<_>>());
    }
}
